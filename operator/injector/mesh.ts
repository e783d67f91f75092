// Service meshes that redirect a pod's traffic themselves. Two of them and us in one pod would each send it somewhere else,
// so a captured pod has to leave the mesh, in the words that this mesh understands.

import type { Labels } from '../../policy/resources/selector.ts';
import { containersOf, type Pod } from './pod.ts';
import type { Problem } from './problem.ts';

interface Mesh {
  readonly name: string;
  /** That it adds; its webhook may have run before ours. */
  readonly containers: readonly string[];
  /** The field that asks for it, null if none does. What a namespace has as annotations is not known here. */
  readonly asks: (labels: Labels, annotations: Labels, namespace: Labels) => string | null;
  /** How a pod template declines it. */
  readonly decline: string;
}

const ofNamespace = (key: string): string => `metadata.labels[${key}] of the namespace`;
const label = (key: string): string => `metadata.labels[${key}]`;
const annotation = (key: string): string => `metadata.annotations[${key}]`;

export const meshes: readonly Mesh[] = [
  {
    // https://istio.io/latest/docs/setup/additional-setup/sidecar-injection/#controlling-the-injection-policy
    name: 'Istio',
    containers: ['istio-init', 'istio-validation', 'istio-proxy'],
    asks: (labels, annotations, namespace) => {
      const key = 'sidecar.istio.io/inject';
      const injection = namespace['istio-injection'];
      // The label wins over the annotation, which is deprecated.
      const wish = labels[key] ?? annotations[key];
      if (wish === 'false' || injection === 'disabled') return null;
      if (injection === 'enabled') return ofNamespace('istio-injection');
      if (namespace['istio.io/rev'] !== undefined) return ofNamespace('istio.io/rev');
      if (labels[key] === 'true') return label(key);
      return labels['istio.io/rev'] === undefined ? null : label('istio.io/rev');
    },
    decline: 'write the label sidecar.istio.io/inject: "false" on the pod template',
  },
  {
    // https://istio.io/latest/docs/ambient/usage/add-workloads/
    name: 'Istio’s ambient mode',
    containers: [],
    asks: (labels, annotations, namespace) => {
      const key = 'istio.io/dataplane-mode';
      if (annotations['ambient.istio.io/redirection'] === 'enabled') {
        return annotation('ambient.istio.io/redirection');
      }
      if (labels[key] !== undefined) return labels[key] === 'ambient' ? label(key) : null;
      return namespace[key] === 'ambient' ? ofNamespace(key) : null;
    },
    decline: 'write the label istio.io/dataplane-mode: none on the pod template',
  },
  {
    // https://linkerd.io/2/features/proxy-injection/
    name: 'Linkerd',
    containers: ['linkerd-init', 'linkerd-network-validator', 'linkerd-proxy'],
    asks: (_, annotations) =>
      ['enabled', 'ingress'].includes(annotations['linkerd.io/inject'] ?? '')
        ? annotation('linkerd.io/inject')
        : null,
    decline: 'write the annotation linkerd.io/inject: disabled on the pod template',
  },
  {
    // https://kuma.io/docs/latest/production/dp-config/dpp-on-kubernetes/
    name: 'Kuma',
    containers: ['kuma-init', 'kuma-validation', 'kuma-sidecar'],
    asks: (labels, annotations, namespace) => {
      const key = 'kuma.io/sidecar-injection';
      const isAsking = (value: string | undefined): boolean => value === 'enabled' || value === 'true';
      if (labels[key] !== undefined) return isAsking(labels[key]) ? label(key) : null;
      if (annotations[key] !== undefined) return isAsking(annotations[key]) ? annotation(key) : null;
      return isAsking(namespace[key]) ? ofNamespace(key) : null;
    },
    decline: 'write the label kuma.io/sidecar-injection: disabled on the pod template',
  },
  {
    // https://developer.hashicorp.com/consul/docs/reference/k8s/annotation-label
    name: 'Consul',
    containers: ['consul-connect-inject-init', 'consul-dataplane'],
    asks: (_, annotations) =>
      annotations['consul.hashicorp.com/connect-inject'] === 'true'
        ? annotation('consul.hashicorp.com/connect-inject')
        : null,
    decline: 'write the annotation consul.hashicorp.com/connect-inject: "false" on the pod template',
  },
];

/** Of a pod that is captured; a cooperative one shares nothing with a mesh but the network. */
export function meshProblems(pod: Pod, namespaceLabels: Labels): readonly Problem[] {
  const { labels = {}, annotations = {} } = pod.metadata;
  return meshes.flatMap(({ name, containers, asks, decline }) => {
    const added = containersOf(pod).find(({ container }) => containers.includes(container.name));
    const field = added?.field ?? asks(labels, annotations, namespaceLabels);
    if (field === null) return [];
    return [
      { field, message: `must be absent: outrider captures the pod, and ${name} would too; ${decline}` },
    ];
  });
}
