// Outrider itself, through the two calls that the operator and the sidecar make.

import { compileRuleset, type CompileInput } from '../../policy/compile.ts';
import { compileDecider, isDecided } from '../../policy/decide.ts';
import { quantile } from '../statistics.ts';
import type { Answer, Engine } from './engine.ts';
import { compileInputOf } from './resources.ts';
import type { BenchRule } from './rules.ts';

/** A Monday morning; no generated rule asks. */
const nowMs = Date.UTC(2026, 10, 23, 9);

export function createOutrider(rules: readonly BenchRule[]): Engine {
  return createOutriderOf(compileInputOf(rules));
}

export function createOutriderOf(input: CompileInput): Engine {
  const { ruleset, revision } = compileRuleset(input);
  const decider = compileDecider(ruleset, revision);
  return {
    decide(request): Answer {
      const decision = decider.decide(request, nowMs);
      if (!isDecided(decision)) throw new Error('a rule without a body condition asks for the body');
      return decision;
    },
    steps: () => decider.steps(),
  };
}

export interface CompileTimes {
  /** In a process that has compiled nothing yet. */
  readonly firstMs: number;
  /** Medians of those that follow: from raw resources to the ruleset, and from that to the decider. */
  readonly rulesetMs: number;
  readonly deciderMs: number;
}

const compilations = 8;

export function timeCompilation(rules: readonly BenchRule[]): CompileTimes {
  const input = compileInputOf(rules);
  const times = Array.from({ length: compilations }, () => {
    const startMs = performance.now();
    const { ruleset, revision } = compileRuleset(input);
    const betweenMs = performance.now();
    compileDecider(ruleset, revision);
    return { rulesetMs: betweenMs - startMs, deciderMs: performance.now() - betweenMs };
  });
  const [first, ...later] = times;
  return {
    firstMs: (first?.rulesetMs ?? 0) + (first?.deciderMs ?? 0),
    rulesetMs: quantile(
      later.map(({ rulesetMs }) => rulesetMs),
      0.5,
    ),
    deciderMs: quantile(
      later.map(({ deciderMs }) => deciderMs),
      0.5,
    ),
  };
}
