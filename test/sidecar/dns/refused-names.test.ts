import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createRefusedNames } from '../../../sidecar/dns/refused-names.ts';

function collecting() {
  const lines: { event: string; facts: Readonly<Record<string, string | number | null>> | undefined }[] = [];
  return {
    lines,
    happened: (event: string, facts?: (typeof lines)[number]['facts']) => void lines.push({ event, facts }),
  };
}

test('N-05: a flood of refused names is one line, with some of them and the number of questions', async () => {
  const diagnostics = collecting();
  const refused = createRefusedNames({ diagnostics, intervalMs: 50 });
  for (let at = 0; at < 10_000; at += 1) refused.note(`n${at}.Tunnel.example`);
  await sleep(150);
  assert.equal(diagnostics.lines.length, 1);
  const [{ event, facts } = { event: '', facts: {} }] = diagnostics.lines;
  assert.deepEqual([event, facts?.['questions']], ['names_refused', 10_000]);
  const names = String(facts?.['names']).split(' ');
  assert.deepEqual([names.length, names[0]], [20, 'n0.tunnel.example']);
  refused.close();
});

test('N-05: what was refused before the end is told, and nothing where nothing was', () => {
  const diagnostics = collecting();
  createRefusedNames({ diagnostics }).close();
  assert.deepEqual(diagnostics.lines, []);
  const refused = createRefusedNames({ diagnostics });
  refused.note('evil.example');
  refused.close();
  assert.deepEqual(diagnostics.lines, [
    { event: 'names_refused', facts: { questions: 1, names: 'evil.example' } },
  ]);
});
