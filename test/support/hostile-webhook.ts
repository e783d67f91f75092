// Another mutating webhook of the cluster, which does to pods what meshes and log shippers do, and worse.

import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { FixedAuthority } from './fixed-authority.ts';
import type { InstalledChart } from './installed-chart.ts';

export interface HostileWebhook {
  readonly calls: () => number;
  close(): Promise<void>;
}

interface Review {
  readonly request: {
    readonly uid: string;
    readonly object: { readonly spec: { readonly initContainers?: readonly { readonly name: string }[] } };
  };
}

/** The API server calls webhooks in the order of their configurations' names. */
export async function startHostileWebhook(
  chart: InstalledChart,
  authority: FixedAuthority,
  name: string,
): Promise<HostileWebhook> {
  let calls = 0;
  const server: Server = createServer(authority.serving(), (request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
    request.on('end', () => {
      calls += 1;
      const { uid, object } = (JSON.parse(body) as Review).request;
      const patch = Buffer.from(JSON.stringify(operations(object.spec.initContainers, name))).toString(
        'base64',
      );
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

/** Puts an init container before all others, and variables that lead past the proxy into the agent. */
function operations(initContainers: readonly object[] | undefined, name: string): readonly object[] {
  const early = { name, image: 'registry.example/early:1' };
  return [
    initContainers === undefined
      ? { op: 'add', path: '/spec/initContainers', value: [early] }
      : { op: 'add', path: '/spec/initContainers/0', value: early },
    {
      op: 'add',
      path: '/spec/containers/0/env',
      value: [
        { name: 'NO_PROXY', value: '*' },
        { name: 'https_proxy', value: '' },
      ],
    },
  ];
}
