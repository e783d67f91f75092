// One evaluation: what it reads, what it has bound, and how much it may still do.

import type { Reading } from '../reading.ts';
import type { CelValue } from './values.ts';

/**
 * Steps of one evaluation: a node evaluated, an element visited or compared, 16 characters read or copied, a state of
 * a pattern visited. 100,000 look at each of 10,000 elements ten times, and take some 10 ms.
 */
export const maxSteps = 100_000;

export interface Run {
  readonly reading: Reading;
  /** Variables of macros, by their depth. */
  readonly locals: CelValue[];
  stepsLeft: number;
}

export type Evaluate = (run: Run) => CelValue;

class EvaluationError extends Error {
  override name = 'EvaluationError';
}

/** What CEL calls an error, such as a missing key: `||`, `&&`, `all` and `exists` may not need the value. */
const noValue = new EvaluationError('The expression has no value.');
/** Ends an evaluation whatever is around it. */
const stopped = new EvaluationError('The expression cannot be evaluated any further.');

export function createRun(reading: Reading): Run {
  return { reading, locals: [], stepsLeft: maxSteps };
}

/** To be called before the work is done, so that no evaluation ever exceeds its steps. */
export function spend(run: Run, steps: number): void {
  run.stepsLeft -= steps;
  if (run.stepsLeft < 0) stop();
}

export function spendOnText(run: Run, length: number): void {
  spend(run, Math.ceil(length / 16));
}

export function fail(): never {
  throw noValue;
}

export function stop(): never {
  throw stopped;
}

/** Whether `||` and the like may go on after this. */
export function isFailure(error: unknown): boolean {
  return error === noValue;
}

export function isEnd(error: unknown): boolean {
  return error instanceof EvaluationError;
}
