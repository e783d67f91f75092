// A sidecar's limits in a process of its own, to be killed: spends as fast as it can and says so on standard output, a
// character for each request that it would have sent.
// Run: node spender.ts <state directory> <max>

import { writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { createLimits } from '../../../sidecar/limits/limits.ts';
import { charge } from './charges.ts';

const [directory = '', max = ''] = process.argv.slice(2);
const limits = createLimits({
  endpoint: { url: () => new URL('https://127.0.0.1'), ca: () => '', token: () => Promise.resolve('') },
  stateDirectory: directory,
  diagnostics: { failed: ({ code }) => void writeSync(2, `${code}\n`) },
});
for (;;) {
  const reserved = await limits.reserve([charge({ max: Number(max), windowMs: 3_600_000 })]);
  if (reserved.kind !== 'reserved') break;
  if (reserved.commit() === null) writeSync(1, '.');
  if (Math.random() < 0.2) await sleep(1);
}
writeSync(1, '!');
await limits.close();
