// Patterns that users write: RE2 syntax (https://github.com/google/re2/wiki/Syntax), on the whole value, in time
// linear in pattern × text. The engine is ours: docs/decisions/0008-own-pattern-engine.md says why.

import { createMachine } from './pattern/machine.ts';
import { compileProgram } from './pattern/program.ts';
import { parsePattern, PatternProblem } from './pattern/syntax.ts';

export const maxPatternLength = 512;

/**
 * Instructions of one pattern, and so the states that each character is tried on. `[a-z]{1,1000}` has 1,999; the
 * bound is what makes 1 KiB of text cost at most 2 Mi steps.
 */
export const maxProgramLength = 2048;

export type Pattern = (text: string) => boolean;

/** Compiles a pattern that the whole text must match; null when it is none, or one that is too large. */
export function compilePattern(
  source: string,
  options: { readonly ignoreCase?: boolean } = {},
): Pattern | null {
  try {
    return createMachine(programOf(source, options.ignoreCase ?? false)).matches;
  } catch (error) {
    if (error instanceof PatternProblem) return null;
    throw error;
  }
}

export interface Found {
  /** Null when the steps did not suffice. */
  readonly found: boolean | null;
  readonly steps: number;
}

/** Compiles a pattern that is looked for anywhere in a text, as CEL's `matches` does; null as compilePattern. */
export function compileSearch(source: string): ((text: string, maxSteps: number) => Found) | null {
  if (findPatternProblem(source) !== null) return null;
  const machine = createMachine(programOf(source, false), true);
  return (text, maxSteps) => {
    const before = machine.steps();
    const found = machine.matchesWithin(text, maxSteps);
    return { found, steps: machine.steps() - before };
  };
}

/** What is wrong with a pattern, for its author; null when nothing is. */
export function findPatternProblem(source: string): string | null {
  try {
    programOf(source, false);
    return null;
  } catch (error) {
    if (error instanceof PatternProblem) return error.message;
    throw error;
  }
}

function programOf(source: string, ignoreCase: boolean): ReturnType<typeof compileProgram> {
  if (source.length > maxPatternLength) {
    throw new PatternProblem(`is longer than ${maxPatternLength} characters`);
  }
  const root = parsePattern(source, ignoreCase);
  // Known before anything is built, so that a repetition of a repetition costs nothing either.
  if (root.size + 1 > maxProgramLength) {
    throw new PatternProblem(
      `needs ${root.size + 1} steps for each character; ${maxProgramLength} are allowed`,
    );
  }
  return compileProgram(root);
}
