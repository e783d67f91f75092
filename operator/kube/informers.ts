// Everything that the operator watches: our kinds, namespaces, the pods that are injected, and the addresses of nodes and
// Services. It never reads a Secret of anybody else, and no pod that is not an agent.

import type { FastifyBaseLogger } from 'fastify';
import { apiVersion, labels } from '../../policy/contract.ts';
import { kinds, type KindName, type ObjectMeta } from '../../policy/resources/kinds.ts';
import { readInjectionStatus, type InjectionStatus } from '../injector/annotations.ts';
import type { Metrics } from '../metrics.ts';
import type { KubeClient, KubeObject } from './client.ts';
import { createReflector, type Reflector } from './reflector.ts';
import type { StatusObject } from './status.ts';

/** One of ours, as the API server returned it; `policy/` reads it. */
export interface RawResource extends StatusObject {
  readonly spec?: unknown;
}

/** What is needed of an injected pod. */
export interface Pod extends KubeObject {
  readonly serviceAccount: string;
  readonly node: string | undefined;
  readonly phase: string;
  /** What the webhook did to it; null where that cannot be told. */
  readonly injected: InjectionStatus | null;
}

/** What is needed of a Node or a ServiceCIDR: CIDR ranges and single addresses. */
export interface Addressed extends KubeObject {
  readonly ranges: readonly string[];
}

export interface Informers {
  readonly resources: Readonly<Record<KindName, Reflector<RawResource>>>;
  readonly namespaces: Reflector<KubeObject>;
  readonly pods: Reflector<Pod>;
  readonly nodes: Reflector<Addressed>;
  readonly serviceCidrs: Reflector<Addressed>;
  /** What rulesets are made from; the addresses of the cluster are not among them, as nothing is granted by them. */
  readonly all: readonly Reflector<KubeObject>[];
  synced(): boolean;
  start(): void;
  stop(): Promise<void>;
}

export function createInformers(deps: {
  readonly client: KubeClient;
  readonly log: FastifyBaseLogger;
  readonly metrics: Metrics;
  readonly watchSeconds?: number | undefined;
}): Informers {
  const ours = (kind: KindName): Reflector<RawResource> =>
    createReflector({
      ...deps,
      kind,
      path: `/apis/${apiVersion}/${kinds[kind].plural}`,
      project: projectResource(kind),
    });
  const resources = {
    AgentPolicy: ours('AgentPolicy'),
    ClusterAgentPolicy: ours('ClusterAgentPolicy'),
    AgentCredential: ours('AgentCredential'),
    AgentSecretStore: ours('AgentSecretStore'),
    AgentDestination: ours('AgentDestination'),
  };
  const namespaces = createReflector({
    ...deps,
    kind: 'Namespace',
    path: '/api/v1/namespaces',
    project: ({ metadata }): KubeObject => ({ metadata: trim(metadata) }),
  });
  const pods = createReflector({
    ...deps,
    kind: 'Pod',
    path: '/api/v1/pods',
    labelSelector: `${labels.injected}=true`,
    project: projectPod,
  });
  const nodes = createReflector({ ...deps, kind: 'Node', path: '/api/v1/nodes', project: projectNode });
  const serviceCidrs = createReflector({
    ...deps,
    kind: 'ServiceCIDR',
    path: '/apis/networking.k8s.io/v1/servicecidrs',
    project: projectServiceCidr,
  });
  const all = [...Object.values(resources), namespaces, pods];
  const watched = [...all, nodes, serviceCidrs];
  return {
    resources,
    namespaces,
    pods,
    nodes,
    serviceCidrs,
    all,
    synced: () => watched.every((reflector) => reflector.synced()),
    start: () => {
      for (const reflector of watched) reflector.start();
    },
    stop: async () => {
      await Promise.all(watched.map((reflector) => reflector.stop()));
    },
  };
}

/** Without managedFields and annotations (kubectl's copy of the whole object), which nothing here reads. */
function trim(metadata: ObjectMeta): ObjectMeta {
  const { name, namespace, uid, generation, resourceVersion, deletionTimestamp } = metadata;
  const present = Object.entries({ namespace, uid, generation, resourceVersion, deletionTimestamp });
  return {
    name,
    labels: metadata.labels ?? {},
    ...Object.fromEntries(present.filter(([, value]) => value !== undefined)),
  };
}

/** Items of a list come without apiVersion and kind, which `policy/` checks. */
function projectResource(kind: KindName): (object: KubeObject) => RawResource {
  return (object) => {
    const { spec, status } = object as RawResource;
    return {
      apiVersion,
      kind,
      metadata: trim(object.metadata),
      spec,
      ...(status === undefined ? {} : { status }),
    };
  };
}

function projectPod(object: KubeObject): Pod {
  const { spec, status } = object as KubeObject & {
    readonly spec?: { readonly serviceAccountName?: string; readonly nodeName?: string };
    readonly status?: { readonly phase?: string };
  };
  return {
    metadata: trim(object.metadata),
    serviceAccount: spec?.serviceAccountName ?? 'default',
    node: spec?.nodeName,
    phase: status?.phase ?? 'Pending',
    injected: readInjectionStatus(object.metadata.annotations),
  };
}

function projectNode(object: KubeObject): Addressed {
  const { spec, status } = object as KubeObject & {
    readonly spec?: { readonly podCIDRs?: readonly string[] };
    readonly status?: { readonly addresses?: readonly { readonly type: string; readonly address: string }[] };
  };
  // Among addresses are host names too, which are no ranges.
  const addresses = (status?.addresses ?? []).map(({ address }) => address);
  return {
    metadata: trim({ ...object.metadata, labels: {} }),
    ranges: [...(spec?.podCIDRs ?? []), ...addresses],
  };
}

function projectServiceCidr(object: KubeObject): Addressed {
  const { spec } = object as KubeObject & { readonly spec?: { readonly cidrs?: readonly string[] } };
  return { metadata: trim(object.metadata), ranges: spec?.cidrs ?? [] };
}
