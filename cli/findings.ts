// What is wrong with resources of files, as their status in the cluster would say, and where in the files.

import {
  checkClusterPolicy,
  checkCredential,
  checkDestination,
  checkPolicy,
  checkStore,
} from '../policy/check.ts';
import type { CheckContext } from '../policy/check-context.ts';
import type { Finding } from '../policy/parse.ts';
import type { AnyResource, GoodFiles, ResourceFiles } from './resource-files.ts';
import type { Place } from './source-files.ts';
import { knowNamespace } from './trial.ts';

export interface LocatedFinding {
  readonly place: Place;
  /** Such as `AgentPolicy research/triage`; null for what is no object yet. */
  readonly object: string | null;
  readonly reason: string;
  readonly field: string;
  readonly message: string;
  /** The cluster would refuse it, or could not use it. */
  readonly blocking: boolean;
}

/**
 * @param checked resources that findings are wanted of.
 * @param floors what else there is in the cluster.
 */
export function findProblems(checked: GoodFiles, floors: GoodFiles): LocatedFinding[] {
  const all = [...checked.found, ...floors.found].map(({ resource }) => resource);
  return checked.found.flatMap(({ resource, source }) => {
    const { namespace, name } = resource.metadata;
    const labels = checked.namespaces.get(namespace ?? '') ?? floors.namespaces.get(namespace ?? '');
    const { resources, namespaceLabels } = knowNamespace(all, labels);
    const ofKind = (kind: AnyResource['kind']): AnyResource[] =>
      resources.filter((other) => other.kind === kind);
    const ofNamespace = (kind: AnyResource['kind']): AnyResource[] =>
      ofKind(kind).filter(({ metadata }) => metadata.namespace === namespace);
    const findings = check(resource, {
      namespaceLabels,
      credentials: ofNamespace('AgentCredential'),
      policies: ofNamespace('AgentPolicy'),
      stores: ofKind('AgentSecretStore'),
      destinations: ofKind('AgentDestination'),
      clusterPolicies: ofKind('ClusterAgentPolicy'),
      isLocal: true,
    });
    const object = `${resource.kind} ${namespace === undefined ? '' : `${namespace}/`}${name}`;
    return findings.map((finding) => ({
      place: source.placeOf(finding.field),
      object,
      ...finding,
    }));
  });
}

function check(resource: AnyResource, context: CheckContext): readonly Finding[] {
  switch (resource.kind) {
    case 'AgentPolicy':
      return checkPolicy(resource, context);
    case 'ClusterAgentPolicy':
      return checkClusterPolicy(resource, context);
    case 'AgentCredential':
      return checkCredential(resource, context);
    case 'AgentSecretStore':
      return checkStore(resource);
    case 'AgentDestination':
      return checkDestination(resource);
  }
}

/** What is wrong with the files themselves. */
export function problemsAsFindings({ problems }: Pick<ResourceFiles, 'problems'>): LocatedFinding[] {
  return problems.map(({ place, object, field, message }) => ({
    place,
    object,
    reason: 'Invalid',
    field: field ?? '',
    message,
    blocking: true,
  }));
}
