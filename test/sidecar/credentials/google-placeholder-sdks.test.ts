// Google's own libraries, with a placeholder file for a key file, behind a proxy that answers their token requests: all
// that reaches an API is the placeholder, or what can be told to stand for it.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { createServer as createTlsServer } from 'node:tls';
import { promisify } from 'node:util';
import { trustFiles } from '../../../policy/contract.ts';
import {
  answerTokenRequest,
  createPlaceholderKey,
  credentialOfToken,
  googleKeyFile,
  isTokenRequest,
} from '../../../sidecar/credentials/google-placeholder.ts';
import { createAuthority } from '../../../sidecar/tls/authority.ts';
import { writeTrustStore } from '../../../sidecar/tls/trust-store.ts';
import { canonicalRequest } from '../../support/canonical-request.ts';
import { pythonWithGoogleAuth } from '../../support/google-auth-python.ts';

const run = promisify(execFile);
const root = join(import.meta.dirname, '..', '..', '..');
const held = { namespace: 'research', credentials: ['calendar', 'storage'] };
const placeholder = 'outrider-placeholder.research.storage';

interface Seen {
  readonly line: string;
  readonly authorization: string;
}

let folder = '';
let port = 0;
let python = '';
let close = (): void => {};
const seen: Seen[] = [];

before(async () => {
  python = await pythonWithGoogleAuth();
  folder = mkdtempSync(join(tmpdir(), 'outrider-google-'));
  const authority = createAuthority({ keysDirectory: folder });
  writeTrustStore({ directory: folder, certificatePem: authority.certificatePem });
  writeFileSync(join(folder, 'key.json'), googleKeyFile('research', 'storage', await createPlaceholderKey()));

  const inner = createServer((request, response) => void respond(request, response));
  const tls = createTlsServer(
    {
      SNICallback: (name, done) => done(null, authority.leaf(name) ?? undefined),
      ALPNProtocols: ['http/1.1'],
    },
    (socket) => inner.emit('connection', socket),
  );
  const outer = createServer((_, response) => response.writeHead(403).end());
  outer.on('connect', (_, socket) => {
    socket.on('error', () => socket.destroy());
    socket.write('HTTP/1.1 200 OK\r\n\r\n');
    tls.emit('connection', socket);
  });
  tls.on('tlsClientError', () => {});
  await new Promise<void>((resolve) => void outer.listen(0, '127.0.0.1', resolve));
  ({ port } = outer.address() as AddressInfo);
  close = () => {
    outer.closeAllConnections();
    outer.close();
  };
});
after(() => {
  close();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(() => void seen.splice(0));

async function respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  const line = `${request.method} https://${request.headers.host}${request.url}`;
  response.setHeader('content-type', 'application/json');
  if (isTokenRequest(canonicalRequest(line))) {
    const type = request.headers['content-type'] ?? null;
    const answer = answerTokenRequest(Buffer.concat(chunks), type, held, Date.now());
    response.writeHead(answer?.status ?? 403).end(answer?.body ?? '{"error":"invalid_grant"}');
    return;
  }
  // Python's asks for it in the background, and does without.
  if (request.headers.host === 'iamcredentials.googleapis.com') {
    assert.match(request.url ?? '', /\/allowedLocations$/);
    response.writeHead(403).end('{"reason":"no_grant"}');
    return;
  }
  seen.push({ line, authorization: request.headers.authorization ?? '' });
  response.end('{"kind":"storage#buckets"}');
}

const environment = (): NodeJS.ProcessEnv => ({
  PATH: process.env['PATH'],
  HOME: folder,
  HTTPS_PROXY: `http://127.0.0.1:${port}`,
  NODE_EXTRA_CA_CERTS: join(folder, trustFiles.ca),
  REQUESTS_CA_BUNDLE: join(folder, trustFiles.bundle),
  GOOGLE_APPLICATION_CREDENTIALS: join(folder, 'key.json'),
});

async function runAgent(command: string, args: readonly string[]): Promise<Seen> {
  const options = { cwd: root, env: environment(), timeout: 60_000, killSignal: 'SIGKILL' } as const;
  const { stdout } = await run(command, args, options);
  assert.equal(stdout.trim(), '200');
  assert.deepEqual(
    seen.map(({ line }) => line),
    ['GET https://storage.googleapis.com/storage/v1/b'],
  );
  const [only] = seen;
  assert.ok(only !== undefined);
  return only;
}

const url = `'https://storage.googleapis.com/storage/v1/b'`;
const scope = `'https://www.googleapis.com/auth/devstorage.read_only'`;

function bearerOf({ authorization }: Seen): string {
  return /^Bearer (\S+)$/.exec(authorization)?.[1] ?? '';
}

describe('google-auth-library for Node', () => {
  const runNode = (script: string): Promise<Seen> =>
    runAgent(process.execPath, [
      '--input-type=module',
      '-e',
      `import { GoogleAuth, JWT } from 'google-auth-library'; ${script} console.log(status);`,
    ]);

  test('finds the file by its variable, and sends the placeholder', async () => {
    const agent = await runNode(
      `const client = await new GoogleAuth({ scopes: [${scope}] }).getClient();
       const { status } = await client.request({ url: ${url} });`,
    );
    assert.equal(bearerOf(agent), placeholder);
  });

  test('sends the placeholder for a user that it would act for', async () => {
    const agent = await runNode(
      `const client = await new GoogleAuth({ scopes: [${scope}], clientOptions: { subject: 'ceo@acme.example' } }).getClient();
       const { status } = await client.request({ url: ${url} });`,
    );
    assert.equal(bearerOf(agent), placeholder);
  });

  test('sends the placeholder from a JWT client', async () => {
    const agent = await runNode(
      `const client = new JWT({ keyFile: process.env.GOOGLE_APPLICATION_CREDENTIALS, scopes: [${scope}] });
       const { status } = await client.request({ url: ${url} });`,
    );
    assert.equal(bearerOf(agent), placeholder);
  });

  test('sends a token that it signs itself, as Google Cloud’s SDKs have it do, which can be told', async () => {
    const agent = await runNode(
      `const client = await new GoogleAuth().getClient();
       client.useJWTAccessWithScope = true;
       client.defaultScopes = [${scope}];
       const { status } = await client.request({ url: ${url} });`,
    );
    assert.equal(credentialOfToken(bearerOf(agent)), 'research.storage');
  });

  test('sends an ID token, which can be told', async () => {
    const agent = await runNode(
      `const client = await new GoogleAuth().getIdTokenClient('https://run.example');
       const { status } = await client.request({ url: ${url} });`,
    );
    assert.equal(credentialOfToken(bearerOf(agent)), 'research.storage');
  });
});

describe('google-auth for Python', () => {
  const runPython = (lines: string): Promise<Seen> =>
    runAgent(python, [
      '-c',
      `import google.auth, os
from google.auth.transport.requests import AuthorizedSession, Request
from google.oauth2 import service_account, id_token
file = os.environ["GOOGLE_APPLICATION_CREDENTIALS"]
${lines}
print(AuthorizedSession(credentials).get(${url}).status_code)`,
    ]);

  test('finds the file by its variable, and sends the placeholder', async () => {
    const agent = await runPython(`credentials, project = google.auth.default(scopes=[${scope}])`);
    assert.equal(bearerOf(agent), placeholder);
  });

  test('sends a token that it signs itself, which can be told', async () => {
    const agent = await runPython(
      `credentials = service_account.Credentials.from_service_account_file(file).with_always_use_jwt_access(True)
credentials._create_self_signed_jwt("https://storage.googleapis.com/")`,
    );
    assert.equal(credentialOfToken(bearerOf(agent)), 'research.storage');
  });

  test('sends an ID token, which can be told', async () => {
    const agent = await runPython(
      `credentials = service_account.IDTokenCredentials.from_service_account_file(file, target_audience="https://run.example")`,
    );
    assert.equal(credentialOfToken(bearerOf(agent)), 'research.storage');
  });

  test('fetches an ID token by the variable alone', async () => {
    const agent = await runPython(
      `token = id_token.fetch_id_token(Request(), "https://run.example")
import google.oauth2.credentials
credentials = google.oauth2.credentials.Credentials(token)`,
    );
    assert.equal(credentialOfToken(bearerOf(agent)), 'research.storage');
  });
});
