// What the operator was granted beside what it asked for, by the API server's own audit log.

import { readFileSync } from 'node:fs';
import type { ClusterNode } from '../cluster/node.ts';

interface AuditEvent {
  readonly verb: string;
  readonly requestReceivedTimestamp: string;
  readonly user: { readonly username: string };
  readonly objectRef?: {
    readonly apiGroup?: string;
    readonly resource?: string;
    readonly subresource?: string;
  };
  readonly annotations?: Readonly<Record<string, string>>;
}

interface Role {
  readonly rules: readonly {
    readonly apiGroups: readonly string[];
    readonly resources: readonly string[];
    readonly verbs: readonly string[];
  }[];
}

export interface VerbUse {
  /** `group/resource verb` that roles grant and nobody asked for. */
  readonly unused: string[];
  /** What was asked for and refused. */
  readonly refused: string[];
}

/**
 * @param starting when an API server was starting: its authorizer forbids everything until it has read the roles.
 */
export async function operatorVerbs(
  node: ClusterNode,
  starting: { readonly fromMs: number; readonly untilMs: number },
): Promise<VerbUse> {
  const user = 'system:serviceaccount:outrider-system:outrider';
  const events = readFileSync(node.auditLogPath, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as AuditEvent)
    .filter((event) => event.user.username === user);
  const asked = (event: AuditEvent): string => {
    const { apiGroup = '', resource = '', subresource } = event.objectRef ?? {};
    return `${apiGroup}/${[resource, subresource].filter(Boolean).join('/')} ${event.verb}`;
  };
  const decided = (decision: string): AuditEvent[] =>
    events.filter(({ annotations }) => annotations?.['authorization.k8s.io/decision'] === decision);
  const settled = ({ requestReceivedTimestamp }: AuditEvent): boolean => {
    const atMs = Date.parse(requestReceivedTimestamp);
    return atMs < starting.fromMs || atMs > starting.untilMs;
  };
  const used = new Set(decided('allow').map(asked));
  const roles = [
    await node.kubectl(['get', 'clusterrole', 'outrider', '-o', 'json']),
    await node.kubectl(['get', 'role', 'outrider', '-n', 'outrider-system', '-o', 'json']),
  ].map((json) => JSON.parse(json) as Role);
  const granted = roles.flatMap(({ rules }) =>
    rules.flatMap(({ apiGroups, resources, verbs }) =>
      apiGroups.flatMap((group) =>
        resources.flatMap((resource) => verbs.map((verb) => `${group}/${resource} ${verb}`)),
      ),
    ),
  );
  return {
    unused: [...new Set(granted)].filter((each) => !used.has(each)),
    refused: [...new Set(decided('forbid').filter(settled).map(asked))],
  };
}
