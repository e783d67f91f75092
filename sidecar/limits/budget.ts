// Where the room of limits comes from: this pod's own counters, or shares of those that all pods of a policy share.

import type { LimitRefusal } from '../../policy/limits/apply.ts';
import type { Charge } from '../../policy/limits/charge.ts';

/** What one charge has reserved. */
export interface Claim {
  readonly charge: Charge;
}

export interface Budget {
  /** `wait`: nobody can tell before `replenish`. */
  look(charge: Charge): 'ready' | 'wait' | LimitRefusal;
  /** Resolves when looking again can give another answer. Never rejects. */
  replenish(charge: Charge): Promise<void>;
  /** Of a charge that was found ready. */
  take(charge: Charge): Claim;
  /** The request is not sent. */
  release(claim: Claim): void;
  /** Whether what was reserved can still be spent. */
  isAlive(claim: Claim): boolean;
  /** The request is about to be sent; of an alive claim. */
  send(claim: Claim): void;
  /** What a sent request took after all, of tokens alone. */
  settle(claim: Claim, amount: number): void;
  close(): Promise<void>;
}
