// A secret that changes in Vault while its agents go on: nobody notices, and Vault is not stormed.

import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { ProxyAgent, request } from 'undici';
import { secretDirectory } from '../../../policy/contract.ts';
import type { RulesetCredential, RulesetStore } from '../../../policy/ruleset-credential.ts';
import { createCredentials } from '../../../sidecar/credentials/credentials.ts';
import { createVaultProvider } from '../../../sidecar/credentials/vault/vault.ts';
import { startVault, type Vault } from '../../cluster/vault.ts';
import { startFixture, type Fixture } from '../proxy/fixture.ts';
import { createTestCa, originName, startOrigin, type Origin, type TestCa } from '../proxy/origin.ts';

const path = 'agents/tracker';
let vault: Vault & { stop(): Promise<void> };
let ca: TestCa;
let origin: Origin;
let fixture: Fixture;
let agent: ProxyAgent;
let folder = '';
let accepted = 'first';
/** Of each request that came to the origin: when, and whether its token was good. */
const refusals: number[] = [];

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'outrider-rotation-'));
  [vault, ca] = await Promise.all([startVault(), createTestCa()]);
  await vault.request('PUT', 'sys/audit/file', {
    type: 'file',
    options: { file_path: join(folder, 'audit.jsonl') },
  });
  await vault.request('POST', 'sys/auth/approle', { type: 'approle' });
  await vault.request('PUT', 'sys/policies/acl/tracker', {
    policy: `path "secret/data/${path}" { capabilities = ["read"] }`,
  });
  await vault.request('POST', 'auth/approle/role/tracker', { token_policies: 'tracker', token_ttl: '1h' });
  const role = (await vault.request('GET', 'auth/approle/role/tracker/role-id')).data?.['role_id'] as string;
  const secretId = (await vault.request('POST', 'auth/approle/role/tracker/secret-id')).data?.['secret_id'];
  const secrets = join(folder, secretDirectory({ secret: 'approle' }));
  mkdirSync(secrets, { recursive: true });
  writeFileSync(join(secrets, 'secret-id'), String(secretId));
  await rotate('first');

  origin = await startOrigin(ca, {
    answer: (message, response) => {
      const isGood = message.headers.authorization === `Bearer ${accepted}`;
      if (!isGood) refusals.push(performance.now());
      response.writeHead(isGood ? 200 : 401).end();
    },
  });
  const store: RulesetStore = {
    kind: 'vault',
    address: vault.address,
    caBundle: vault.caPem,
    auth: { kind: 'appRole', mount: 'approle', secretId: { secret: 'approle', key: 'secret-id' } },
  };
  const credential: RulesetCredential = {
    source: { kind: 'vault', store: 'corp', role, kv: { mount: 'secret', path, version: 2, field: 'token' } },
    allow: [{ destination: 'origin' }],
    inject: { kind: 'bearer' },
    refreshIntervalMs: 300_000,
  };
  fixture = await startFixture({
    ca,
    origin,
    ruleset: { stores: { corp: store }, credentials: { token: credential } },
    credentials: ({ snapshots, egress }) => {
      const unused = { read: () => Promise.reject(new Error('unused')), forget: async () => {} };
      const directories = { tokensDirectory: folder, secretsDirectory: folder };
      return createCredentials({
        snapshots,
        providers: { vault: createVaultProvider(directories), awsSecretsManager: unused, file: unused },
        dial: egress.dial,
      });
    },
  });
  agent = new ProxyAgent({
    uri: `http://127.0.0.1:${fixture.port}`,
    requestTls: { ca: fixture.caPem },
    connections: 64,
  });
});
after(async () => {
  await agent?.close();
  await fixture?.close();
  await origin?.close();
  ca?.close();
  await vault?.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function rotate(token: string): Promise<void> {
  await vault.request('PUT', `secret/data/${path}`, { data: { token } });
}

async function call(method: 'GET' | 'POST' = 'GET'): Promise<number> {
  const url = `https://${originName}:${origin.port}/token/x`;
  const { statusCode, body } = await request(url, {
    method,
    dispatcher: agent,
    ...(method === 'POST' ? { body: 'a=1' } : {}),
  });
  await body.dump();
  return statusCode;
}

/** Reads of the secret that Vault has answered. */
function reads(): number {
  const lines = readFileSync(join(folder, 'audit.jsonl'), 'utf8').trim().split('\n');
  return lines
    .map((line) => JSON.parse(line) as { type: string; request: { path: string; operation: string } })
    .filter(({ type, request: asked }) => type === 'response' && asked.path === `secret/data/${path}`)
    .filter(({ request: asked }) => asked.operation === 'read').length;
}

/** Calls at a steady rate, whatever becomes of each. */
async function load(perSecond: number, durationMs: number, during: () => Promise<void>): Promise<number[]> {
  const calls: Promise<number>[] = [];
  const startedAtMs = performance.now();
  let begun: Promise<void> | null = null;
  for (let at = 0; at < durationMs; at = performance.now() - startedAtMs) {
    while (calls.length < (at * perSecond) / 1000) calls.push(call());
    if (at > durationMs / 3) begun ??= during();
    await sleep(5);
  }
  await begun;
  return Promise.all(calls);
}

describe('a rotation', () => {
  test('P-20: 200 requests a second while the value changes and the old one is refused: no request fails, and Vault is read once', async (t) => {
    assert.equal(await call(), 200);
    const before = reads();
    const statuses = await load(200, 6000, async () => {
      await rotate('second');
      accepted = 'second';
    });
    const failed = statuses.filter((status) => status !== 200).length;
    t.diagnostic(`${statuses.length} requests, ${refusals.length} of them refused upstream at first`);
    assert.ok(statuses.length > 1000, `${statuses.length} requests`);
    assert.equal(failed, 0);
    assert.equal(reads() - before, 1);
  });

  test('P-20: a value that the upstream refuses before Vault has the next one: refused meanwhile, and not stormed', async () => {
    await sleep(5500);
    const before = reads();
    accepted = 'third';
    const startedAtMs = performance.now();
    const statuses = await load(100, 4500, async () => rotate('third'));
    const isMixed = statuses.includes(401) && statuses.at(-1) === 200;
    assert.ok(isMixed, `${statuses.filter((status) => status === 401).length} of ${statuses.length} refused`);
    const seconds = (performance.now() - startedAtMs) / 1000;
    assert.ok(reads() - before <= Math.ceil(seconds), `${reads() - before} reads in ${seconds} s`);
  });

  test('P-20: a request that must not be sent twice fails at most once', async () => {
    await sleep(5500);
    await rotate('fourth');
    accepted = 'fourth';
    const statuses: number[] = [];
    for (let each = 0; each < 20; each += 1) {
      statuses.push(await call('POST'));
      await sleep(100);
    }
    assert.ok(statuses.filter((status) => status !== 200).length <= 1, statuses.join(' '));
  });
});
