// An agent in a process of its own, honest or not, by orders from the bench. Run by `measureFlood`, never by hand.

import { setTimeout as sleep } from 'node:timers/promises';
import { attacks } from '../test/sidecar/flood/attacks.ts';
import type { Target } from '../test/sidecar/flood/connection.ts';
import { startHonestAgent, type Honesty } from '../test/sidecar/flood/honest-agent.ts';

export interface FloodOrder {
  readonly target: Target;
  /** Null: be honest. */
  readonly attack: string | null;
  readonly lengthMs: number;
}

/** The honest one begins when the flood is there, and ends before it does. */
const marginMs = 500;

async function follow({ target, attack, lengthMs }: FloodOrder): Promise<Honesty> {
  const none = { latenciesMs: [], freshMs: [], failures: [], freshFailures: [] };
  if (attack === null) {
    await sleep(marginMs);
    const agent = await startHonestAgent(target, { path: '/plain', expected: 'hello', everyMs: 5 });
    await sleep(lengthMs);
    return agent.stop();
  }
  await attacks[attack]?.(target, AbortSignal.timeout(lengthMs + 2 * marginMs));
  return none;
}

process.on('message', (order: FloodOrder) => {
  follow(order).then(
    (seen) => process.send?.(seen),
    (error: unknown) => {
      process.stderr.write(`bench: ${(error as Error).message}\n`);
      process.exit(1);
    },
  );
});
process.on('disconnect', () => process.exit());
