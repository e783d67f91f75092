// What decides, whoever made it: rules in, then one answer for each request.

import type { CanonicalRequest } from '../../policy/request.ts';
import type { BenchRule } from './rules.ts';

export const engineNames = ['outrider', 'opa', 'cedar', 'floor'] as const;
export type EngineName = (typeof engineNames)[number];

export interface Answer {
  readonly action: string;
  /** The rule that is recorded; both null where none matched. */
  readonly policy: string | null;
  readonly rule: string | null;
  /** What to put on the request. */
  readonly credential: string | null;
}

export interface Engine {
  decide(request: CanonicalRequest): Answer;
  /** Steps of the last decision, where they are counted. */
  readonly steps?: () => number;
}

export const refusal: Answer = { action: 'deny', policy: null, rule: null, credential: null };

/** What an engine answers with that knows rules by their index. */
export function answersOf(rules: readonly BenchRule[]): readonly Answer[] {
  return rules.map(({ action, policy, name, credential }) => ({
    action: action === 'Allow' ? 'allow' : 'deny',
    policy,
    rule: name,
    credential,
  }));
}

/** Two engines agree where these are equal. */
export function spell({ action, policy, rule, credential }: Answer): string {
  const by = rule === null ? 'by no rule' : `by ${policy}/${rule}`;
  return credential === null ? `${action} ${by}` : `${action} ${by} with ${credential}`;
}
