// What the kubelet asks: the one port of the sidecar that listens beyond loopback. It answers yes or no and
// nothing else, whoever asks (K-20).

import type { AddressInfo } from 'node:net';
import { SidecarError } from './errors.ts';
import { createServer } from './node-http.ts';

export interface Health {
  /** @throws SidecarError PORT_TAKEN */
  listen(port: number, host: string): Promise<{ readonly port: number }>;
  close(): Promise<void>;
}

export interface HealthOptions {
  /** Whether agents may start: a ruleset, the CA and the listener are there. */
  readonly ready: () => boolean;
}

/** The kubelet sends little and at once; nobody else has anything to send. */
const requestTimeoutMs = 2000;
const maxHeaderBytes = 4096;
const maxConnections = 16;

export function createHealth({ ready }: HealthOptions): Health {
  const server = createServer(
    { requestTimeout: requestTimeoutMs, headersTimeout: requestTimeoutMs, maxHeaderSize: maxHeaderBytes },
    (request, response) => {
      response.setHeader('connection', 'close').removeHeader('date');
      response.writeHead(statusOf(request.method, request.url)).end();
    },
  );
  server.maxConnections = maxConnections;

  function statusOf(method: string | undefined, url: string | undefined): number {
    if (url !== '/livez' && url !== '/readyz') return 404;
    if (method !== 'GET' && method !== 'HEAD') return 405;
    return url === '/livez' || ready() ? 200 : 503;
  }

  return {
    async listen(port, host) {
      await new Promise<void>((resolve, reject) => {
        server.once('error', ({ code }: NodeJS.ErrnoException) => {
          reject(new SidecarError('PORT_TAKEN', { detail: `${host} port ${port}: ${code}.` }));
        });
        server.listen(port, host, resolve);
      });
      return { port: (server.address() as AddressInfo).port };
    },
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}
