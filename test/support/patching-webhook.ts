// Another mutating webhook of the cluster, which patches every pod that is created.

import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Pod } from '../../operator/injector/pod.ts';
import type { FixedAuthority } from './fixed-authority.ts';
import type { InstalledChart } from './installed-chart.ts';

export interface PatchingWebhook {
  readonly calls: () => number;
  close(): Promise<void>;
}

/**
 * The API server calls webhooks in the order of their configurations' names.
 * @param operationsOf the JSON patch of a pod.
 * @param reinvocationPolicy `IfNeeded`: it has the last word after ours, if its name sorts after ours.
 */
export async function startPatchingWebhook(
  chart: InstalledChart,
  authority: FixedAuthority,
  name: string,
  operationsOf: (pod: Pod) => readonly object[],
  reinvocationPolicy: 'Never' | 'IfNeeded' = 'Never',
): Promise<PatchingWebhook> {
  let calls = 0;
  const server: Server = createServer(authority.serving(), (request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
    request.on('end', () => {
      calls += 1;
      const review = JSON.parse(body) as { readonly request: { readonly uid: string; readonly object: Pod } };
      const { uid, object } = review.request;
      const patch = Buffer.from(JSON.stringify(operationsOf(object))).toString('base64');
      response.setHeader('content-type', 'application/json');
      response.end(
        JSON.stringify({
          apiVersion: 'admission.k8s.io/v1',
          kind: 'AdmissionReview',
          response: { uid, allowed: true, patchType: 'JSONPatch', patch },
        }),
      );
    });
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', () => resolve()));
  const { port } = server.address() as AddressInfo;
  const manifest = {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'MutatingWebhookConfiguration',
    metadata: { name },
    webhooks: [
      {
        name: `${name}.hostile.example`,
        admissionReviewVersions: ['v1'],
        sideEffects: 'None',
        reinvocationPolicy,
        clientConfig: {
          url: `https://localhost:${port}/`,
          caBundle: Buffer.from(authority.bundle()).toString('base64'),
        },
        rules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods'] }],
      },
    ],
  };
  await chart.cluster.kubectl(['create', '-f', '-'], { stdin: JSON.stringify(manifest) });
  return {
    calls: () => calls,
    close: async () => {
      await chart.cluster.kubectl(['delete', 'mutatingwebhookconfiguration', name]);
      server.closeAllConnections();
      await new Promise<void>((resolve) => void server.close(() => resolve()));
    },
  };
}
