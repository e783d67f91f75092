// Which namespaces a change of a ClusterAgentPolicy can concern: those that it selects, or selected before. A floor for
// one team must not make every agent of the cluster be compiled anew.

import { clusterAgentSelector, selectsLabels, type Labels } from '../../policy/resources/selector.ts';
import type { KubeObject } from '../kube/client.ts';
import type { RawResource } from '../kube/informers.ts';
import type { Change } from '../kube/store.ts';
import type { Scope } from './rulesets.ts';

const selectorSchema = clusterAgentSelector();

export function concernedNamespaces(
  { current, previous }: Change<RawResource>,
  namespaces: readonly KubeObject[],
): readonly Scope[] {
  const selects = [current, previous].filter((object) => object !== undefined).map(selectionOf);
  const isConcerned = (labels: Labels): boolean => selects.some((select) => select(labels));
  // Also of a namespace whose pods were seen before itself: it is taken for one without labels.
  if (isConcerned({})) return [null];
  return namespaces
    .filter(({ metadata }) => isConcerned(metadata.labels ?? {}))
    .map(({ metadata }) => metadata.name);
}

/** A selector that cannot be read selects every agent, as in policy/. */
function selectionOf({ spec }: RawResource): (labels: Labels) => boolean {
  const { agents } = (spec ?? {}) as { readonly agents?: unknown };
  const selector = selectorSchema.safeParse(agents);
  if (!selector.success) return () => true;
  const { namespaceSelector } = selector.data;
  return (labels) => namespaceSelector === undefined || selectsLabels(namespaceSelector, labels);
}
