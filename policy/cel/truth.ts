// Booleans, and what to do without one.

import { fail, isFailure, type Evaluate, type Run } from './run.ts';
import type { CelValue } from './values.ts';

export function toBool(value: CelValue): boolean {
  return typeof value === 'boolean' ? value : fail();
}

/** Null when there is no value. */
export function tryBool(run: Run, evaluate: Evaluate): boolean | null {
  try {
    const value = evaluate(run);
    return typeof value === 'boolean' ? value : null;
  } catch (error) {
    if (isFailure(error)) return null;
    throw error;
  }
}

/** `&&` and `||`: `decisive` on either side is the outcome, even when the other side has none. */
export function compileLogic(left: Evaluate, right: Evaluate, decisive: boolean): Evaluate {
  return (run) => {
    const first = tryBool(run, left);
    if (first === decisive) return decisive;
    if (toBool(right(run)) === decisive) return decisive;
    return first ?? fail();
  };
}
