import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { it } from 'node:test';
import { reasons, type Reason } from '../../policy/reasons.ts';
import { createProblem } from '../../sidecar/proxy/respond.ts';

const page = readFileSync(new URL('../../docs/reasons.md', import.meta.url), 'utf8');
const rows = [...page.matchAll(/^\| `([a-z_]+)` +\| (\d{3}) +\|/gm)].map(
  ([, code = '', status]) => [code, Number(status)] as const,
);

it('docs/reasons.md lists every reason with the status that is sent, in the order of the catalogue', () => {
  const expected = (Object.keys(reasons) as Reason[]).map((reason) => [
    reason,
    createProblem('', { reason, message: '' }, null).status,
  ]);
  assert.deepEqual(rows, expected);
});

it('every reason is a stable lower_snake code with one sentence', () => {
  for (const [code, sentence] of Object.entries(reasons)) {
    assert.match(code, /^[a-z]+(_[a-z]+)*$/);
    assert.match(sentence, /^[A-Z][^.]*\.$/);
  }
});
