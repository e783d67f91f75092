// Status of an AgentCredential: whether it can be used, and how its agents fare. Ready does not wait for an agent,
// since credentials are synced before workloads; it is False only when every agent that is bound fails.

import type { CheckContext } from '../../policy/check-context.ts';
import { checkCredential } from '../../policy/check.ts';
import { isParsed, parseResource, type Finding } from '../../policy/parse.ts';
import type { AgentCredential } from '../../policy/resources/kinds.ts';
import type { CredentialState } from '../control/reports.ts';
import type { Agents } from '../control/agents.ts';
import type { Rulesets } from '../control/rulesets.ts';
import type { Informers, RawResource } from '../kube/informers.ts';
import type { DesiredStatus } from '../kube/status.ts';
import { conditionsOf, splitFindings, type Cause, type Verdict } from './conditions.ts';
import { causeOfCode } from './failure-causes.ts';
import { gatherContext } from './references.ts';

export interface CredentialFacts {
  readonly context: CheckContext;
  /** Of each agent whose policies name the credential what its sidecar said last; null before it said anything. */
  readonly bound: readonly (CredentialState | null)[];
}

export function createCredentialDecision({
  informers,
  agents,
  rulesets,
  stateOf,
}: {
  readonly informers: Informers;
  readonly agents: Agents;
  readonly rulesets: Rulesets;
  readonly stateOf: (podUid: string, credential: string) => CredentialState | null;
}): (object: RawResource) => DesiredStatus {
  return (object) => {
    const { namespace = '', name } = object.metadata;
    const bound = agents
      .pods(namespace)
      .filter((pod) => rulesets.compile(agents.agentOf(pod)).credentials.has(name))
      .map(({ metadata }) => stateOf(metadata.uid ?? '', name));
    return decideCredentialStatus(object, { context: gatherContext(informers, namespace), bound });
  };
}

export function decideCredentialStatus(
  object: RawResource,
  { context, bound }: CredentialFacts,
): DesiredStatus {
  const failing = bound.filter((state) => state?.state === 'Failing');
  const agents = {
    bound: bound.length,
    resolved: bound.filter((state) => state?.state === 'Resolved').length,
    failing: failing.length,
  };
  const lastRotationTime = latest([
    object.status?.['lastRotationTime'],
    ...bound.map((state) => state?.rotatedAt),
  ]);
  const found = splitFindings(withdrawn(object, checkCredential(object, context)));
  const trouble = failureCause(failing, agents.bound);
  const everyAgentFails = agents.bound > 0 && agents.failing === agents.bound;
  return {
    conditions: conditionsOf({
      broken: found.broken ?? (everyAgentFails ? trouble : null),
      degraded: found.degraded ?? trouble,
      working: workingCause(agents),
    }),
    fields: { agents, ...(lastRotationTime === null ? {} : { lastRotationTime }) },
  };
}

/** An entry that is too wide is not used; a credential without any other entry cannot be used at all. */
function withdrawn(object: RawResource, findings: readonly Finding[]): readonly Finding[] {
  const credential = parseResource('AgentCredential', object);
  const tooWide = findings.filter(({ reason }) => reason === 'CeilingTooWide').length;
  if (!isParsed<AgentCredential>(credential) || tooWide < credential.spec.allow.length) return findings;
  return findings.map((finding) =>
    finding.reason === 'CeilingTooWide' ? { ...finding, blocking: true } : finding,
  );
}

function workingCause(agents: { readonly bound: number; readonly resolved: number }): Verdict['working'] {
  if (agents.bound === 0)
    return { reason: 'NotInUse', message: 'accepted; no policy of a running agent names it' };
  if (agents.resolved === agents.bound) {
    return { reason: 'Resolved', message: `${agents.resolved} of ${agents.bound} agents hold the secret` };
  }
  return {
    reason: 'Pending',
    message: `${agents.resolved} of ${agents.bound} agents hold the secret so far`,
  };
}

/** What most of the failing agents say; of two as frequent the first by code, so that replicas agree. */
function failureCause(failing: readonly (CredentialState | null)[], bound: number): Cause | null {
  if (failing.length === 0) return null;
  const byCode = Map.groupBy(failing, (state) => state?.code ?? 'UNKNOWN');
  const [code, agents] = [...byCode].toSorted(
    ([codeA, a], [codeB, b]) => b.length - a.length || (codeA < codeB ? -1 : 1),
  )[0] ?? ['UNKNOWN', failing];
  const { reason, message } = causeOfCode(code);
  return { reason, message: `${message} (${agents.length} of ${bound} agents)` };
}

function latest(times: readonly unknown[]): string | null {
  return (
    times
      .filter((time) => typeof time === 'string')
      .toSorted()
      .at(-1) ?? null
  );
}
