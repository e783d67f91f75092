// What a pod sees of a Vault: TLS of its own, every call noted, and a test can make it slow or mute. Whatever is said
// comes from the Vault behind it.

import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { VaultStore } from '../../../policy/ruleset-credential.ts';
import { waitFor } from '../../cluster/deadline.ts';
import { callHttps } from '../../cluster/https-call.ts';
import type { TestCa } from '../proxy/origin.ts';

export interface VaultFrontCall {
  /** Below `/v1/`. */
  readonly path: string;
  readonly atMs: number;
  /** 0 until it is answered. */
  status: number;
}

export interface VaultFront {
  /** `store`, reached through here. */
  readonly store: VaultStore;
  readonly calls: VaultFrontCall[];
  /** Before each answer; Infinity: none is given. */
  delayMs: number;
  /** The next good answer to a call whose path begins so. */
  answered(path: string): Promise<void>;
  stop(): Promise<void>;
}

let fronts = 0;

export async function startVaultFront(ca: TestCa, store: VaultStore): Promise<VaultFront> {
  fronts += 1;
  const { certPem, keyPem } = await ca.authority.issue({
    name: `vault-front-${fronts}`,
    subject: '/CN=vault-front',
    alternativeNames: ['IP:127.0.0.1'],
    usages: ['serverAuth'],
  });

  async function handle(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming as AsyncIterable<Buffer>) chunks.push(chunk);
    const { method = '', url = '', headers } = incoming;
    const call: VaultFrontCall = { path: url.slice('/v1/'.length), atMs: performance.now(), status: 0 };
    front.calls.push(call);
    if (front.delayMs === Infinity) return;
    await sleep(front.delayMs);
    const body = Buffer.concat(chunks).toString();
    const token = headers['x-vault-token'];
    const { status, text } = await callHttps({
      url: `${store.address}${url}`,
      caPem: store.caBundle ?? '',
      method,
      headers: {
        'x-vault-request': 'true',
        ...(typeof token === 'string' ? { 'x-vault-token': token } : {}),
      },
      ...(body === '' ? {} : { body }),
    });
    call.status = status;
    response.writeHead(status, { 'content-type': 'application/json' }).end(text);
  }

  const server = createServer({ cert: certPem, key: keyPem }, (incoming, response) => {
    handle(incoming, response).catch(() => response.destroy());
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const front: VaultFront = {
    store: {
      ...store,
      address: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
      caBundle: ca.authority.certPem,
    },
    calls: [],
    delayMs: 0,
    async answered(path) {
      const from = front.calls.length;
      await waitFor({ what: `an answer to ${path}`, timeoutMs: 10_000, everyMs: 5 }, async () =>
        front.calls.slice(from).some((call) => call.path.startsWith(path) && call.status === 200),
      );
    },
    async stop() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close').catch(() => undefined);
    },
  };
  return front;
}

/** The most calls that came within one second, less what a busy machine makes of the time between two of them. */
export function mostPerSecond(calls: readonly { readonly atMs: number }[]): number {
  const windowMs = 900;
  return Math.max(
    0,
    ...calls.map(
      ({ atMs: from }) => calls.filter(({ atMs }) => atMs >= from && atMs < from + windowMs).length,
    ),
  );
}
