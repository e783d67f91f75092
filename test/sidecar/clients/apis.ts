// The APIs that clients in the namespaces call, under their real names: one server of TLS and one without.

import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import { once } from 'node:events';
import { awsKeys } from '../../support/s3-agent.ts';
import { verifyAws } from '../../support/s3-signature.ts';
import { createS3Store } from '../../support/s3-store.ts';
import { createGitAnswer } from '../proxy/git-backend.ts';
import type { TestCa } from '../proxy/origin.ts';
import { apiHosts, type ApiHost, type ReceivedCall } from './pod.ts';

export interface Apis {
  readonly received: ReceivedCall[];
}

export async function startApis(options: {
  readonly ca: TestCa;
  readonly backend: string;
  readonly gitRoot: string;
}): Promise<Apis> {
  const { ca, backend, gitRoot } = options;
  const certificate = await ca.authority.issue({
    name: 'apis',
    subject: '/CN=apis',
    alternativeNames: apiHosts.map((host) => `DNS:${host}`),
    usages: ['serverAuth'],
  });
  const s3 = createS3Store();
  const git = createGitAnswer(backend, gitRoot);
  const received: ReceivedCall[] = [];
  const asJson = (response: ServerResponse, value: object): void => {
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value));
  };

  function answer(host: ApiHost, message: IncomingMessage, response: ServerResponse, body: Buffer): void {
    const { method = '', url = '', rawHeaders, headers } = message;
    switch (host) {
      case 's3.eu-central-1.amazonaws.com':
        try {
          const { payload } = verifyAws({ method, url, rawHeaders, body }, awsKeys, 's3');
          const found = s3.answer({ method, url }, headers.range, payload);
          response.writeHead(found.status, { ...found.headers, 'content-length': found.body.length });
          response.end(method === 'HEAD' ? '' : found.body);
        } catch (error) {
          response.writeHead(403).end(`<Error><Code>SignatureDoesNotMatch</Code>${String(error)}</Error>`);
        }
        return;
      case 'github.com':
        return git(message, response, body.toString('latin1'));
      case 'registry.npmjs.org': {
        const name = decodeURIComponent(url.slice(1));
        const version = { name, version: '1.2.3', dist: { tarball: `https://${host}/x.tgz`, shasum: '0' } };
        return asJson(response, { name, 'dist-tags': { latest: '1.2.3' }, versions: { '1.2.3': version } });
      }
      case 'api.stripe.com':
        return asJson(response, { id: 're_1', object: 'refund', status: 'succeeded' });
      case 'gitlab.com':
        return asJson(response, [{ id: 7 }]);
      case 'api.github.com':
        return asJson(response, { ref: 'refs/heads/agent/x' });
      case 'generativelanguage.googleapis.com':
      case 'api.anthropic.com':
        return asJson(response, { content: 'generated' });
      case 'api.example.test':
        response.end(`hello to ${method}`);
    }
  }

  const onRequest = (message: IncomingMessage, response: ServerResponse): void => {
    const chunks: Buffer[] = [];
    message.on('data', (chunk: Buffer) => chunks.push(chunk));
    message.on('end', () => {
      const { method = '', url = '', headers, rawHeaders } = message;
      const names = rawHeaders.filter((_, at) => at % 2 === 0).map((name) => name.toLowerCase());
      const body = Buffer.concat(chunks);
      const host = String(headers.host) as ApiHost;
      received.push({
        host,
        method,
        url,
        headers,
        names,
        body: body.subarray(0, 4096).toString('latin1'),
        bytes: body.length,
      });
      answer(host, message, response, body);
    });
  };
  const maxHeaderSize = 128 * 1024;
  const identity = { cert: certificate.certPem, key: certificate.keyPem };
  const servers = [
    { server: createServer({ ...identity, maxHeaderSize }, onRequest), port: 443 },
    { server: createHttpServer({ maxHeaderSize }, onRequest), port: 80 },
  ];
  for (const { server, port } of servers) {
    server.on('checkContinue', onRequest);
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
  }
  return { received };
}
