// A tree of a pattern as a program of a nondeterministic machine (Thompson's construction).

import type { RuneSet } from './rune-set.ts';
import type { Assertion, Node } from './syntax.ts';

export const Op = { set: 0, split: 1, assert: 2, match: 3 } as const;

export interface Program {
  readonly op: Uint8Array;
  /** Where to go on. */
  readonly out: Uint16Array;
  /** Of a set its index in `sets`, of a split the other way, of an assertion its bit. */
  readonly arg: Uint16Array;
  readonly sets: readonly RuneSet[];
  readonly start: number;
  readonly hasAssertions: boolean;
}

export const assertionBits: Readonly<Record<Assertion, number>> = {
  beginText: 1,
  endText: 2,
  beginLine: 4,
  endLine: 8,
  wordBoundary: 16,
  noWordBoundary: 32,
};

/** Every part is laid out behind what follows it, so only loops need patching. */
export function compileProgram(root: Node): Program {
  const op = new Uint8Array(root.size + 1);
  const out = new Uint16Array(root.size + 1);
  const arg = new Uint16Array(root.size + 1);
  const sets: RuneSet[] = [];
  const setIndexes = new Map<RuneSet, number>();
  let length = 0;
  let hasAssertions = false;

  function push(code: number, next: number, argument: number): number {
    op[length] = code;
    out[length] = next;
    arg[length] = argument;
    length += 1;
    return length - 1;
  }

  function setIndex(set: RuneSet): number {
    let index = setIndexes.get(set);
    if (index === undefined) {
      index = sets.push(set) - 1;
      setIndexes.set(set, index);
    }
    return index;
  }

  /** Returns where to start for `node` and then `next`. */
  function emit(node: Node, next: number): number {
    switch (node.kind) {
      case 'set':
        return push(Op.set, next, setIndex(node.set));
      case 'assert':
        hasAssertions = true;
        return push(Op.assert, next, assertionBits[node.assertion]);
      case 'sequence':
        return node.parts.reduceRight((after, part) => emit(part, after), next);
      case 'choice':
        return node.parts
          .map((part) => emit(part, next))
          .reduceRight((others, one) => push(Op.split, one, others));
      case 'repeat':
        return emitRepeat(node.of, node.min, node.max, next);
    }
  }

  function emitRepeat(of: Node, min: number, max: number, next: number): number {
    let start = next;
    let copies = min;
    if (max === Infinity) {
      const loop = push(Op.split, 0, next);
      const body = emit(of, loop);
      out[loop] = body;
      // The loop's own copy is one of the required ones, unless none is required.
      start = min === 0 ? loop : body;
      copies = Math.max(min - 1, 0);
    } else {
      for (let i = min; i < max; i += 1) start = push(Op.split, emit(of, start), next);
    }
    for (let i = 0; i < copies; i += 1) start = emit(of, start);
    return start;
  }

  const end = push(Op.match, 0, 0);
  const start = emit(root, end);
  return { op, out, arg, sets, start, hasAssertions };
}
