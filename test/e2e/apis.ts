// The APIs that agents of users call, as strict about credentials as the real ones: GitHub and its git, S3, Stripe,
// Google, and three that want their key elsewhere. One TLS server of the test's process under their real names.

import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { ClusterNode } from '../cluster/node.ts';
import { createGitAnswer } from '../sidecar/proxy/git-backend.ts';
import type { GithubTokens } from '../support/github-tokens.ts';
import type { GoogleTokens } from '../support/google-tokens.ts';
import { createS3Store, type S3Store } from '../support/s3-store.ts';
import { verifyAws, type AwsKeys } from '../support/s3-signature.ts';
import type { AnswerTokens } from '../support/token-endpoints.ts';

export interface ApiSecrets {
  readonly stripe: string;
  readonly search: string;
  readonly tickets: string;
  readonly maps: string;
  readonly bot: string;
  readonly exchange: string;
  readonly aws: AwsKeys;
}

export interface ApiCall {
  readonly host: string;
  readonly method: string;
  readonly url: string;
  readonly authorization: string | undefined;
  readonly status: number;
}

export interface Apis {
  readonly caPem: string;
  readonly calls: ApiCall[];
  readonly s3: S3Store;
  close(): void;
}

export interface ApisOptions {
  readonly secrets: ApiSecrets;
  readonly github: GithubTokens;
  readonly google: GoogleTokens;
  /** Of bare repositories, with git's own server for them. */
  readonly git: { readonly root: string; readonly backend: string };
}

const bucket = 'acme-reports';

interface Asked {
  readonly message: IncomingMessage;
  readonly response: ServerResponse;
  readonly url: string;
  readonly authorization: string;
  readonly body: Buffer;
}

export const apiHosts = [
  'api.github.com',
  'github.com',
  'api.stripe.com',
  `${bucket}.s3.eu-central-1.amazonaws.com`,
  'oauth2.googleapis.com',
  'storage.googleapis.com',
  'api.search.example',
  'tickets.example',
  'maps.example',
  'bots.example',
  'exchange.example',
] as const;

export async function startApis(node: ClusterNode, options: ApisOptions): Promise<Apis> {
  const { secrets, github, google, git } = options;
  const certificate = await node.authority.issue({
    name: 'apis',
    subject: '/CN=apis',
    alternativeNames: apiHosts.map((host) => `DNS:${host}`),
    usages: ['serverAuth'],
  });
  const s3 = createS3Store();
  const calls: ApiCall[] = [];
  const isInstallation = (token: string): boolean => github.issued.has(token);

  const apis: Record<(typeof apiHosts)[number], (asked: Asked) => Promise<void> | void> = {
    'api.github.com': async (asked) => {
      if (asked.url.startsWith('/app/')) return tokens(github.answer, asked);
      const token = /^(?:Bearer|token) (\S+)$/.exec(asked.authorization)?.[1] ?? '';
      json(asked, isInstallation(token) ? 200 : 401, [{ number: 7, title: 'A leak' }]);
    },
    'github.com': (asked) => {
      const [, encoded = ''] = /^Basic (\S+)$/.exec(asked.authorization) ?? [];
      const [user, token = ''] = Buffer.from(encoded, 'base64').toString().split(':');
      if (user === 'x-access-token' && isInstallation(token)) {
        createGitAnswer(git.backend, git.root)(asked.message, asked.response, asked.body.toString('latin1'));
        return;
      }
      asked.response.setHeader('www-authenticate', 'Basic realm="GitHub"');
      json(asked, 401, {});
    },
    'api.stripe.com': (asked) => {
      const isKnown = asked.authorization === `Bearer ${secrets.stripe}`;
      json(asked, isKnown ? 200 : 401, { id: 're_1', object: 'refund', amount: 500, status: 'succeeded' });
    },
    'acme-reports.s3.eu-central-1.amazonaws.com': (asked) => {
      const { message, response, url, body } = asked;
      const { method = '', rawHeaders } = message;
      try {
        const { payload } = verifyAws({ method, url, rawHeaders, body }, secrets.aws, 's3');
        const path = url.startsWith('/?') ? `/${bucket}${url.slice(1)}` : `/${bucket}${url}`;
        const answer = s3.answer({ method, url: path }, message.headers.range, payload);
        response.writeHead(answer.status, answer.headers).end(answer.body);
      } catch (error) {
        response.writeHead(403).end(`<Error><Code>SignatureDoesNotMatch</Code>${String(error)}</Error>`);
      }
    },
    'oauth2.googleapis.com': async (asked) => tokens(google.answer, asked),
    'storage.googleapis.com': (asked) => {
      const isIssued = google.issued.has(asked.authorization.replace('Bearer ', ''));
      json(asked, isIssued ? 200 : 401, { kind: 'storage#objects', items: [{ name: 'weekly.txt' }] });
    },
    'api.search.example': (asked) => {
      json(asked, asked.message.headers['x-api-key'] === secrets.search ? 200 : 401, { found: 1 });
    },
    'tickets.example': (asked) => {
      const login = `Basic ${Buffer.from(`robot:${secrets.tickets}`).toString('base64')}`;
      json(asked, asked.authorization === login ? 200 : 401, { tickets: 2 });
    },
    'maps.example': (asked) => {
      json(asked, asked.url === `/geocode?q=Berlin&key=${secrets.maps}` ? 200 : 401, { lat: 52 });
    },
    'bots.example': (asked) =>
      json(asked, asked.url === `/bot${secrets.bot}/getMe` ? 200 : 401, { ok: true }),
    'exchange.example': (asked) => {
      const { headers, method } = asked.message;
      const canonical = `${String(headers['x-timestamp'])}${method}${asked.url}${asked.body.toString()}`;
      const signature = createHmac('sha256', secrets.exchange).update(canonical).digest('hex');
      json(asked, headers['x-signature'] === signature ? 200 : 401, { order: 1 });
    },
  };

  const server = createServer({ key: certificate.keyPem, cert: certificate.certPem }, (message, response) => {
    const chunks: Buffer[] = [];
    const { host = '', authorization = '' } = message.headers;
    const { method = '', url = '' } = message;
    response.on('finish', () => {
      calls.push({ host, method, url, authorization, status: response.statusCode });
    });
    message.on('data', (chunk: Buffer) => chunks.push(chunk));
    message.on('end', () => {
      const answer = apis[host as (typeof apiHosts)[number]];
      const asked = { message, response, url, authorization, body: Buffer.concat(chunks) };
      Promise.resolve(answer?.(asked)).catch((error: unknown) => json(asked, 500, { error: String(error) }));
    });
  });
  server.listen(443, node.address);
  await once(server, 'listening');
  for (const host of apiHosts) await node.dns.setName(host, node.address);
  return {
    caPem: node.authority.certPem,
    calls,
    s3,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

async function tokens(answer: AnswerTokens, asked: Asked): Promise<void> {
  const { method = '', headers } = asked.message;
  const reply = await answer({ method, path: asked.url, headers, body: asked.body.toString() });
  json(asked, reply.status, reply.body);
}

function json({ response }: Asked, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
