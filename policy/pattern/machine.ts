// Runs a program over a text in all its states at once: at most one visit of each instruction per character, no
// allocation, no recursion, no cache that grows with what an agent sends.

import { assertionBits, Op, type Program } from './program.ts';

export interface Machine {
  readonly matches: (text: string) => boolean;
  /** Like `matches`, but null when more than `maxSteps` instructions would have to be visited. */
  readonly matchesWithin: (text: string, maxSteps: number) => boolean | null;
  /** Instructions visited so far, at most (characters + 1) × instructions for each text. */
  readonly steps: () => number;
}

/** @param anywhere whether any part of a text may match, rather than the whole. */
export function createMachine(program: Program, anywhere = false): Machine {
  const { op, out, arg, sets } = program;
  const size = op.length;
  let current = new Uint16Array(size);
  let following = new Uint16Array(size);
  const stack = new Uint16Array(size + 1);
  /** The generation in which an instruction was last visited; doubles, so that it never wraps. */
  const visited = new Float64Array(size);
  let generation = 0;
  let steps = 0;

  /** Adds what can be reached from `from` without a character; returns the new count. */
  function reach(list: Uint16Array, count: number, from: number, holds: number): number {
    let depth = 0;
    let added = count;
    let at = from;
    for (;;) {
      if (visited[at] !== generation) {
        visited[at] = generation;
        steps += 1;
        const code = op[at];
        if (code === Op.split) {
          stack[depth] = arg[at] ?? 0;
          depth += 1;
          at = out[at] ?? 0;
          continue;
        }
        if (code === Op.assert) {
          if (((arg[at] ?? 0) & holds) !== 0) {
            at = out[at] ?? 0;
            continue;
          }
        } else {
          list[added] = at;
          added += 1;
        }
      }
      if (depth === 0) return added;
      depth -= 1;
      at = stack[depth] ?? 0;
    }
  }

  function matchesWithin(text: string, maxSteps: number): boolean | null {
    const most = steps + maxSteps;
    generation += 1;
    let count = reach(current, 0, program.start, program.hasAssertions ? assertionsAt(text, 0) : 0);
    let position = 0;
    while (position < text.length) {
      if (count === 0 && !anywhere) return false;
      if (steps > most) return null;
      if (anywhere && accepts(current, count)) return true;
      const rune = text.codePointAt(position) ?? 0;
      const end = position + (rune > 0xffff ? 2 : 1);
      const character = rune < 128 ? '' : text.slice(position, end);
      const holds = program.hasAssertions ? assertionsAt(text, end) : 0;
      generation += 1;
      let next = 0;
      for (let i = 0; i < count; i += 1) {
        const at = current[i] ?? 0;
        if (op[at] !== Op.set) continue;
        const set = sets[arg[at] ?? 0];
        if (set === undefined) continue;
        if (rune < 128 ? set.ascii[rune] === 1 : set.hasOther(character)) {
          next = reach(following, next, out[at] ?? 0, holds);
        }
      }
      if (anywhere) next = reach(following, next, program.start, holds);
      [current, following] = [following, current];
      count = next;
      position = end;
    }
    return accepts(current, count);
  }

  function accepts(list: Uint16Array, count: number): boolean {
    for (let i = 0; i < count; i += 1) if (op[list[i] ?? 0] === Op.match) return true;
    return false;
  }

  return {
    matches: (text) => matchesWithin(text, Infinity) === true,
    matchesWithin,
    steps: () => steps,
  };
}

/** The assertions that hold between the characters before and after `position`. */
function assertionsAt(text: string, position: number): number {
  const isStart = position === 0;
  const isEnd = position === text.length;
  const before = isStart ? -1 : text.charCodeAt(position - 1);
  const after = isEnd ? -1 : text.charCodeAt(position);
  return (
    (isStart ? assertionBits.beginText : 0) |
    (isEnd ? assertionBits.endText : 0) |
    (isStart || before === 10 ? assertionBits.beginLine : 0) |
    (isEnd || after === 10 ? assertionBits.endLine : 0) |
    (isWord(before) === isWord(after) ? assertionBits.noWordBoundary : assertionBits.wordBoundary)
  );
}

/** ASCII, as in RE2. */
function isWord(code: number): boolean {
  return (
    (code >= 48 && code <= 57) || (code >= 65 && code <= 90) || code === 95 || (code >= 97 && code <= 122)
  );
}
