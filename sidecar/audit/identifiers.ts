// Identifiers of traces, spans and decisions: random, so that they tell nothing and never meet.

import { randomFillSync } from 'node:crypto';

/** One call of the random generator serves about a hundred requests; calls of 16 bytes cost as much each. */
const poolBytes = 4096;
let pool: Buffer | null = null;
let used = 0;

/** `bytes` random bytes as lower-case hex. */
export function randomHex(bytes: number): string {
  if (pool === null || used + bytes > poolBytes) {
    pool = randomFillSync(pool ?? Buffer.allocUnsafeSlow(poolBytes));
    used = 0;
  }
  used += bytes;
  return pool.toString('hex', used - bytes, used);
}
