// Status of an AgentCredential: whether it can be used, and how its agents fare. Ready does not wait for an agent,
// since credentials are synced before workloads; it is False only when every agent that is bound fails.

import type { CaptureSettings } from '../../policy/capture-level.ts';
import type { CheckContext } from '../../policy/check-context.ts';
import { checkCredential } from '../../policy/check.ts';
import { isParsed, parseResource, type Finding } from '../../policy/parse.ts';
import type { AgentCredential } from '../../policy/resources/kinds.ts';
import type { CredentialState } from '../control/reports.ts';
import type { Agents } from '../control/agents.ts';
import type { Rulesets } from '../control/rulesets.ts';
import type { Informers, RawResource } from '../kube/informers.ts';
import type { DesiredStatus } from '../kube/status.ts';
import { countsOf, failureCause, type BoundAgent } from './bound-agents.ts';
import { conditionsOf, splitFindings, type Cause, type Verdict } from './conditions.ts';
import type { CredentialAccount } from './credential-account.ts';
import { gatherContext } from './references.ts';
import { createShortfall } from './shortfall.ts';

export interface CredentialFacts {
  readonly context: CheckContext;
  /** Each agent whose policies name the credential. */
  readonly bound: readonly BoundAgent[];
}

export function createCredentialDecision({
  informers,
  agents,
  rulesets,
  stateOf,
  account,
  capture,
}: {
  readonly informers: Informers;
  readonly agents: Agents;
  readonly rulesets: Rulesets;
  readonly stateOf: (podUid: string, credential: string) => CredentialState | null;
  readonly capture: CaptureSettings;
  readonly account: Pick<CredentialAccount, 'take'>;
}): (object: RawResource) => DesiredStatus {
  return (object) => {
    const { namespace = '', name } = object.metadata;
    const context = { ...gatherContext(informers, namespace), capture };
    const shortfallOf = createShortfall({ credential: object, ...context });
    const bound = agents.pods(namespace).flatMap((pod): BoundAgent[] => {
      const { credentials } = rulesets.compile(agents.agentOf(pod));
      if (!credentials.has(name)) return [];
      const { uid = '' } = pod.metadata;
      return [{ uid, state: stateOf(uid, name), shortfall: shortfallOf(pod.injected, credentials) }];
    });
    account.take(object, bound, lastRotationOf(object, bound));
    return decideCredentialStatus(object, { context, bound });
  };
}

export function decideCredentialStatus(
  object: RawResource,
  { context, bound }: CredentialFacts,
): DesiredStatus {
  const agents = countsOf(bound);
  const lastRotationTime = lastRotationOf(object, bound);
  const found = splitFindings(withdrawn(object, checkCredential(object, context)));
  const trouble = failureCause(bound) ?? placeholderCause(bound);
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

function placeholderCause(bound: readonly BoundAgent[]): Cause | null {
  const without = bound.filter(({ shortfall }) => shortfall.placeholder).length;
  if (without === 0) return null;
  return {
    reason: 'AgentsNeedRestart',
    message: `spec.placeholderEnv, spec.placeholderFile: agents were created before their policies named the credential, or before it asked for these variables, and lack them; recreate them (kubectl rollout restart) (${without} of ${bound.length} agents)`,
  };
}

/** Kept even when the agent that saw it has gone. */
function lastRotationOf({ status }: RawResource, bound: readonly BoundAgent[]): string | null {
  const times = [status?.['lastRotationTime'], ...bound.map(({ state }) => state?.rotatedAt)];
  return (
    times
      .filter((time) => typeof time === 'string')
      .toSorted()
      .at(-1) ?? null
  );
}
