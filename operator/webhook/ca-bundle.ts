// The API server's trust in the webhook: the leader keeps `caBundle` in the operator's own webhook configurations,
// which the chart leaves out. It writes nothing else there, and an admission policy holds it to that.

import { setTimeout as sleep } from 'node:timers/promises';
import type { KubeClient } from '../kube/client.ts';
import type { PatchOperation } from '../injector/patch.ts';
import type { Authority } from './authority.ts';

interface WebhookConfiguration {
  readonly webhooks?: readonly {
    readonly name: string;
    readonly clientConfig: { readonly caBundle?: string };
  }[];
}

export interface CaBundlePublisher {
  /** Publishes now, on every change of the authority and every `checkEveryMs`, until the signal. */
  run(signal: AbortSignal): Promise<void>;
}

export interface CaBundleDeps {
  readonly kube: KubeClient;
  /** Of the MutatingWebhookConfiguration and of the ValidatingWebhookConfiguration. */
  readonly name: string;
  readonly authority: Authority;
  /** What failed; it is tried again. */
  readonly fail: (error: unknown) => void;
  readonly checkEveryMs?: number;
}

/** A chart upgrade that replaces the configuration stops admission for at most this long. */
const defaultCheckEveryMs = 10_000;
const retryMs = 1000;

export function createCaBundlePublisher(deps: CaBundleDeps): CaBundlePublisher {
  const { kube, authority } = deps;
  const paths = ['mutatingwebhookconfigurations', 'validatingwebhookconfigurations'].map(
    (kind) => `/apis/admissionregistration.k8s.io/v1/${kind}/${encodeURIComponent(deps.name)}`,
  );
  const checkEveryMs = deps.checkEveryMs ?? defaultCheckEveryMs;

  async function publishAt(path: string, signal: AbortSignal): Promise<void> {
    const configuration = await kube.request<WebhookConfiguration>({ method: 'GET', path, signal });
    const body = bundlePatch(configuration, authority.bundle());
    if (body.length > 0) await kube.request({ method: 'PATCH', patch: 'json-patch', path, body, signal });
  }

  /** What hinders one does not hinder the other. */
  async function publish(signal: AbortSignal): Promise<void> {
    const results = await Promise.allSettled(paths.map((path) => publishAt(path, signal)));
    for (const result of results) if (result.status === 'rejected') throw result.reason;
  }

  return {
    run: async (signal) => {
      while (!signal.aborted) {
        const changed = new AbortController();
        const forget = authority.onChange(() => changed.abort());
        try {
          await publish(signal);
          await pause(checkEveryMs, AbortSignal.any([signal, changed.signal]));
        } catch (error) {
          if (!signal.aborted) deps.fail(error);
          await pause(retryMs, signal);
        } finally {
          forget();
        }
      }
    },
  };
}

type TestOperation = { readonly op: 'test'; readonly path: string; readonly value: unknown };

/** The tests make it fail, and be tried again, when an upgrade has reordered or replaced the entries meanwhile. */
export function bundlePatch(
  { webhooks = [] }: WebhookConfiguration,
  bundle: string,
): readonly (PatchOperation | TestOperation)[] {
  const caBundle = Buffer.from(bundle).toString('base64');
  return webhooks.flatMap(({ name, clientConfig }, index): (PatchOperation | TestOperation)[] =>
    clientConfig.caBundle === caBundle
      ? []
      : [
          { op: 'test', path: `/webhooks/${index}/name`, value: name },
          { op: 'add', path: `/webhooks/${index}/clientConfig/caBundle`, value: caBundle },
        ],
  );
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => undefined);
}
