// `when`: what fields cannot say, in CEL. Behind this door because cel-js and what evaluates it cost a process 2 MiB,
// and most sidecars have no expression.

import { createRequire } from 'node:module';
import type { Condition, Stance } from '../reading.ts';
import type * as Conditions from './condition.ts';
import type { Agent } from './variables.ts';

export interface CompiledWhen {
  /** A grant holds when the expression is true, a guard unless it is false. */
  readonly condition: Condition;
  readonly needsBody: boolean;
  /** Why it is not an expression, with line and column; its grant is gone and its guard holds. */
  readonly problem: string | null;
}

export function compileWhen(source: string, stance: Stance, agent: Agent): CompiledWhen {
  return loadConditions().compileCondition(source, stance, agent);
}

/** `require`, since `import()` would make all compiling wait. In a bundle it is the chunk that rolldown.config.ts names. */
function loadConditions(): typeof Conditions {
  const path = import.meta.url.endsWith('.ts') ? './condition.ts' : './cel.js';
  return createRequire(import.meta.url)(path) as typeof Conditions;
}
