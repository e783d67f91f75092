// What docs/credentials/vault*.md say of failures is what the code says of them.

import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { causeOfCode } from '../../operator/controllers/failure-causes.ts';
import { errorCatalogue } from '../../sidecar/errors.ts';

const folder = join(import.meta.dirname, '..', '..', 'docs', 'credentials');
const rows = globSync('vault*.md', { cwd: folder }).flatMap((page) =>
  [...readFileSync(join(folder, page), 'utf8').matchAll(/^\| `([A-Z_]+)` +\| (\w+) +\| .+\|$/gm)].map(
    ([, code = '', reason = '']) => ({ page, code, reason }),
  ),
);

test('each failure has the reason that stands in the status of an AgentCredential', () => {
  for (const { page, code, reason } of rows) {
    assert.equal(reason, causeOfCode(code).reason, `${page}: ${code}`);
  }
});

test('each failure of Vault is on a page, and no other', () => {
  const codes = Object.keys(errorCatalogue).filter((code) => code.startsWith('VAULT_'));
  const explained = new Set(rows.map(({ code }) => code));
  assert.deepEqual(
    codes.filter((code) => !explained.has(code)),
    [],
  );
  assert.deepEqual(
    [...explained].filter((code) => !Object.hasOwn(errorCatalogue, code)),
    [],
  );
});
