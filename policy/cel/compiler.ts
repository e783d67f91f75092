// What compiling one node of an expression needs.

import type { Evaluate } from './run.ts';
import type { Node } from './syntax.ts';
import type { Agent, Source } from './variables.ts';

export interface Compiler {
  readonly agent: Agent;
  /** Filled as nodes are compiled. */
  readonly sources: Set<Source>;
  /** Where the variables of the macros around a node are, by name. */
  readonly slots: ReadonlyMap<string, number>;
  /** How many macros are around a node. */
  readonly depth: number;
  readonly compile: (node: Node, compiler: Compiler) => Evaluate;
}
