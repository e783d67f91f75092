// The golden cases: `pod.yaml` holds what a user applied, `patch.json` what the injector makes of the pod.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { injectPod, type Injection } from '../../operator/injector/injection.ts';
import { parsePod, type Pod } from '../../operator/injector/pod.ts';
import type { InjectorSettings } from '../../operator/injector/settings.ts';
import { createGather } from '../../operator/webhook/gather.ts';

export const settings: InjectorSettings = {
  capture: { level: 'captured', allowCooperative: true },
  dnsServers: ['10.96.0.10'],
  version: '0.1.0',
  operator: 'outrider.outrider-system.svc.cluster.local:8443',
  sidecar: {
    image: 'registry.example/outrider-sidecar:0.1.0',
    imagePullPolicy: 'IfNotPresent',
    args: [],
    cpu: '10m',
    memory: '64Mi',
    stateSize: '256Mi',
  },
};

export const operatorCas = '-----BEGIN CERTIFICATE-----\nof the operator\n-----END CERTIFICATE-----\n';

/** Draws 31001, 31002, … */
export function countingIds(): () => number {
  let last = 31_000;
  return () => ++last;
}

export interface GoldenCase {
  readonly name: string;
  readonly goldenPath: string;
  readonly pod: Pod;
  readonly inject: (pod: Pod) => Injection;
}

export function goldenCases(): readonly GoldenCase[] {
  return readdirSync(import.meta.dirname, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => readCase(name))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly namespace?: string; readonly labels?: Readonly<Record<string, string>> };
}

function readCase(name: string): GoldenCase {
  const folder = join(import.meta.dirname, name);
  const documents = parseAllDocuments(readFileSync(join(folder, 'pod.yaml'), 'utf8'));
  const manifests = documents.map((document) => document.toJS() as Manifest);
  const ofKind = (kind: string) => manifests.filter((manifest) => manifest.kind === kind);
  const pod = ofKind('Pod')[0];
  const namespaceLabels = ofKind('Namespace')[0]?.metadata.labels ?? {};
  const gather = createGather({
    namespaceLabels: () => Promise.resolve(namespaceLabels),
    stores: () => ofKind('AgentSecretStore'),
    isInjected: () => Promise.resolve(false),
    destinations: () => ofKind('AgentDestination'),
    credentials: () => ofKind('AgentCredential'),
    policies: () => ofKind('AgentPolicy'),
  });
  return {
    name,
    goldenPath: join(folder, 'patch.json'),
    pod: parsePod(pod),
    inject: (it) =>
      injectPod({
        pod: it,
        namespaceLabels,
        ...gather(it, pod?.metadata.namespace ?? 'default', namespaceLabels),
        operatorCas,
        settings,
        drawId: countingIds(),
      }),
  };
}
