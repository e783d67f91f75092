// One agent's rules, compiled from files or from a cluster as the operator would, to decide written requests by.

import { compileDecider, decideWhole, type Decider, type RuleAccount } from '../policy/decide.ts';
import type { Decision } from '../policy/decision.ts';
import { applyCounters, evaluateCharges } from '../policy/limits/apply.ts';
import type { Ruleset } from '../policy/ruleset.ts';
import { refusalBy } from '../policy/outcome.ts';
import type { Labels } from '../policy/resources/selector.ts';
import type { Agent } from '../policy/selection.ts';
import type { WrittenRequest } from '../policy/written-request.ts';
import { compileForAgent, namespaceSelectors, openNamespaceSelectors } from './local-agent.ts';
import type { AnyResource } from './resource-files.ts';

export type ReadableRequest = Exclude<WrittenRequest, { kind: 'invalid' }>;

export interface Trial {
  readonly ruleset: Ruleset;
  readonly decider: Decider;
  /** @param used what limits have counted before, by policy/rule/limit. */
  readonly decide: (
    request: ReadableRequest,
    nowMs: number,
    used: Readonly<Record<string, number>>,
  ) => Decision;
  /** Every rule; none is asked about what is refused before. */
  readonly explain: (request: ReadableRequest, nowMs: number) => readonly RuleAccount[];
}

export function createTrial(resources: readonly AnyResource[], agent: Agent): Trial {
  const { ruleset, revision } = compileForAgent(resources, agent);
  const decider = compileDecider(ruleset, revision);
  return {
    ruleset,
    decider,
    decide: (written, nowMs, used) => {
      if (written.kind === 'refused') {
        const { reason, message } = written.refusal;
        return refusalBy(revision, reason, null, message);
      }
      const decision = decideWhole(decider, written.request, nowMs);
      return applyCounters(decision, evaluateCharges(decision.charges, used));
    },
    explain: (written, nowMs) => (written.kind === 'refused' ? [] : decider.explain(written.request, nowMs)),
  };
}

export interface NamespaceKnowledge {
  readonly resources: readonly AnyResource[];
  readonly namespaceLabels: Labels;
  /** Objects whose selectors were taken to match, since nobody said what labels the namespace has. */
  readonly assumed: readonly string[];
}

/**
 * @param labels null when they are not known.
 * @param namespace whose agents it is about; absent: of any.
 */
export function knowNamespace(
  resources: readonly AnyResource[],
  labels: Labels | null | undefined,
  namespace?: string,
): NamespaceKnowledge {
  if (labels != null) return { resources, namespaceLabels: labels, assumed: [] };
  return {
    resources: openNamespaceSelectors(resources),
    namespaceLabels: {},
    assumed: namespaceSelectors(resources, namespace),
  };
}
