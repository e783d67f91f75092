// An expression as a condition. It decides by the same strict readings as fields do.

import { isTooLong } from '../content/content.ts';
import type { Condition, Miss, Stance } from '../reading.ts';
import { compileExpression, type Expression } from './expression.ts';
import { CelProblem, describeProblem } from './problem.ts';
import { createRun, isEnd } from './run.ts';
import { findUnreadable, type Agent } from './variables.ts';
import type { CompiledWhen } from './when.ts';

const maxShown = 200;

export function compileCondition(source: string, stance: Stance, agent: Agent): CompiledWhen {
  const shown = source.length > maxShown ? `${source.slice(0, maxShown)}…` : source;
  const miss: Miss = { field: 'when', message: `The expression must hold: ${shown}` };
  const unreadable: Miss = { ...miss, reason: 'body_unreadable' };
  const tooLarge: Miss = { ...miss, reason: 'body_too_large' };
  const undecided = stance === 'grant' ? miss : null;
  let expression: Expression;
  try {
    expression = compileExpression(source, agent);
  } catch (error) {
    if (!(error instanceof CelProblem)) throw error;
    const problem = describeProblem(source, error.message, error.place);
    return { condition: () => undecided, needsBody: false, problem };
  }
  const { evaluate, sources } = expression;
  const needsBody = sources.has('body') || sources.has('mcp');
  const condition: Condition = (reading) => {
    const source = findUnreadable(sources, reading);
    if (source !== null) {
      if (stance === 'guard' || (source !== 'body' && source !== 'mcp')) return undecided;
      return isTooLong(reading.content()) ? tooLarge : unreadable;
    }
    try {
      const value = evaluate(createRun(reading));
      if (typeof value !== 'boolean') return undecided;
      return value ? null : miss;
    } catch (error) {
      // Also a stack that is exhausted: an expression never ends a process, and never opens a door.
      if (isEnd(error) || error instanceof RangeError) return undecided;
      throw error;
    }
  };
  return { condition, needsBody, problem: null };
}
