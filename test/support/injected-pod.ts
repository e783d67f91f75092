// A pod as the webhook leaves it, for tests in which no webhook runs.

import assert from 'node:assert/strict';
import { injectPod, type InjectionInput } from '../../operator/injector/injection.ts';
import { parsePod, type Pod } from '../../operator/injector/pod.ts';
import type { CaptureLevel } from '../../policy/capture-plan.ts';
import { countingIds, operatorCas, settings } from '../golden/cases.ts';
import { applyPatch } from './apply-patch.ts';

/** Values of a chart whose policies let such pods in. */
export const chartOfInjectedPods = { images: { registry: 'registry.example' } } as const;

/** The ids that the sidecar of `injectedPod` has. */
export const sidecarIds = { uid: 31_001, gid: 31_002 } as const;

export interface InjectedPodOptions {
  readonly level?: CaptureLevel;
  readonly image?: string;
}

export function injectedPod(manifest: object, options: InjectedPodOptions = {}): Pod {
  const pod = parsePod(manifest);
  const asking = {
    ...pod,
    metadata: {
      ...pod.metadata,
      annotations: { ...pod.metadata.annotations, 'outrider.dev/inject': 'true' },
    },
  };
  const injection = injectPod(injectionOf(asking, options));
  assert.ok(injection.kind === 'patch', JSON.stringify(injection));
  return applyPatch(asking, injection.operations);
}

/** What the webhook knows when it is shown such a pod. */
export function injectionOf(pod: Pod, options: InjectedPodOptions = {}): InjectionInput {
  const { level = 'captured', image = settings.sidecar.image } = options;
  return {
    pod,
    namespaceLabels: {},
    stores: [
      { store: 'corp-vault', audience: 'outrider.dev/corp-vault', file: 'store.corp-vault' },
      { store: 'eks', audience: 'pods.eks.amazonaws.com', file: 'pod-identity.eks', onlyCaptured: true },
    ],
    secrets: [{ volume: { secret: 'synced' }, keys: null }],
    placeholders: [],
    destinations: [
      { destination: 'ledger', name: 'ledger.corp.example', port: 8443, scheme: 'https' },
      { destination: 'database', name: 'db.corp.example', port: 5432, scheme: 'tcp' },
    ],
    operatorCas,
    settings: {
      ...settings,
      capture: { level, allowCooperative: false },
      sidecar: { ...settings.sidecar, image },
    },
    drawId: countingIds(),
  };
}
