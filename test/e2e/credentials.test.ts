// What users write agents with, as agents on a real node: each SDK configured by what the webhook injected, and by nothing
// else; each API as strict about its credential as the real one; none of the secrets anywhere that an agent or a person
// can look.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { stringify } from 'yaml';
import { waitFor } from '../cluster/deadline.ts';
import { startNode, type ClusterNode } from '../cluster/node.ts';
import { nodeSkipReason } from '../cluster/node-availability.ts';
import { findGitBackend } from '../sidecar/proxy/git-backend.ts';
import { createGithubTokens } from '../support/github-tokens.ts';
import { createGoogleTokens } from '../support/google-tokens.ts';
import { createAgent, type AgentHandle } from './agent.ts';
import { apiHosts, startApis, type Apis, type ApiSecrets } from './apis.ts';
import { allowVaultLogin, installOutrider } from './installation.ts';
import { fileSearch, placesThatLeak } from './leak-hunt.ts';
import { everythingObservable } from './observation.ts';
import { untilRow } from './rows.ts';
import { buildSdkImage } from './sdk-image.ts';
import { entriesByHost, unledPrograms, withoutProxy } from './unled-programs.ts';

const run = promisify(execFile);
const canary = (name: string): string => `canary-${name}-${randomBytes(12).toString('hex')}`;

describe('agents and their SDKs', { skip: nodeSkipReason() ?? false, timeout: 900_000 }, () => {
  let node: ClusterNode;
  let apis: Apis;
  let agent: AgentHandle;
  const keys = { github: rsaKey(), google: rsaKey() };
  const secrets: ApiSecrets = {
    stripe: canary('stripe'),
    search: canary('search'),
    tickets: canary('tickets'),
    maps: canary('maps'),
    bot: canary('bot'),
    exchange: canary('exchange'),
    aws: { accessKeyId: 'AKIACANARY0123456789', secretAccessKey: canary('aws') },
  };
  const github = createGithubTokens({
    appId: 'Iv1.0123456789abcdef',
    publicKey: keys.github.publicKey,
    installations: { 42: { repositories: ['docs'], permissions: { contents: 'write', issues: 'write' } } },
  });
  const kubectl = (...args: string[]) => node.kubectl(['-n', 'research', ...args], { timeoutMs: 100_000 });
  const apply = (...objects: object[]) =>
    node.kubectl(['apply', '-f', '-'], { stdin: objects.map((each) => stringify(each)).join('---\n') });
  /** The last line of what a program prints, as JSON. */
  const program = async (...command: string[]): Promise<Readonly<Record<string, unknown>>> => {
    const output = await agent.exec(command, 60_000);
    return JSON.parse(output.trim().split('\n').at(-1) ?? '') as Record<string, unknown>;
  };
  const lastCall = () => apis.calls.at(-1);
  const sidecarLines = async () =>
    (await kubectl('logs', 'deploy/sdks', '-c', 'outrider')).trim().split('\n');

  before(async () => {
    node = await startNode();
    await installOutrider(node);
    await buildSdkImage(node);
    const email = 'reader@acme.iam.gserviceaccount.com';
    const google = await createGoogleTokens([{ email, keyId: 'k1', publicKey: keys.google.publicKey }]);
    const git = { root: join(node.folder, 'git'), backend: findGitBackend() ?? '' };
    const docs = join(git.root, 'acme/docs.git');
    await mkdir(docs, { recursive: true });
    await run('git', ['init', '--quiet', '--bare', '--initial-branch=main', docs]);
    await run('git', ['-C', docs, 'config', 'http.receivepack', 'true']);
    apis = await startApis(node, { secrets, github, google, git });

    const stored: Record<string, Record<string, string>> = {
      github: { privateKey: keys.github.privateKey },
      stripe: { token: secrets.stripe },
      aws: { access_key: secrets.aws.accessKeyId, secret_key: secrets.aws.secretAccessKey },
      google: {
        key: JSON.stringify({
          type: 'service_account',
          project_id: 'acme',
          private_key_id: 'k1',
          private_key: keys.google.privateKey,
          client_email: email,
          token_uri: 'https://oauth2.googleapis.com/token',
        }),
      },
      tickets: { password: secrets.tickets },
      maps: { key: secrets.maps },
      bot: { token: secrets.bot },
      exchange: { key: secrets.exchange },
    };
    for (const [name, data] of Object.entries(stored)) {
      await node.vault.request('PUT', `secret/data/agents/${name}`, { data });
    }
    await allowVaultLogin(node, 'research-agents', { name: 'sdks', namespace: 'research' });
    await kubectl('create', 'namespace', 'research');
    await kubectl('label', 'namespace', 'research', 'team=research');
    await kubectl('create', 'secret', 'generic', 'search-key', `--from-literal=key=${secrets.search}`);
    await apply(
      ...apiHosts.map((name) => ({
        apiVersion: 'outrider.dev/v1alpha1',
        kind: 'AgentDestination',
        metadata: { name: name.replaceAll('.', '-') },
        spec: {
          namespaceSelector: { matchLabels: { team: 'research' } },
          host: { name, port: 443, scheme: 'https', cidrs: [`${node.address}/32`] },
          caBundle: apis.caPem,
        },
      })),
    );
    await node.kubectl(['apply', '-f', '-'], {
      stdin: await readFile(join(import.meta.dirname, 'sdks/resources.yaml'), 'utf8'),
    });
    await kubectl('rollout', 'status', 'deploy/sdks', '--timeout=120s');
    agent = createAgent(node, 'sdks');
  });
  after(async () => {
    apis?.close();
    await node?.stop();
  });

  it('kubectl shows every credential resolved, before anything was called', async () => {
    for (const name of [
      'github',
      'stripe',
      'reports',
      'storage',
      'search',
      'tickets',
      'maps',
      'bot',
      'exchange',
    ]) {
      await untilRow(node, `agcred/${name}`, { ready: 'True', bound: '1', resolved: '1', failing: '0' });
    }
  });

  it('K-04: what the agent holds opens nothing: placeholders, and no token that Vault takes', async () => {
    const environment = await agent.exec(['env']);
    for (const name of ['GITHUB_TOKEN', 'STRIPE_API_KEY', 'AWS_SECRET_ACCESS_KEY', 'BOT_TOKEN']) {
      assert.match(environment, new RegExp(`^${name}=outrider-placeholder\\.research\\.[a-z]+$`, 'm'));
    }
    const found = await agent.exec([
      'sh',
      '-c',
      'find / -name "*token*" -path "*serviceaccount*" 2>/dev/null; true',
    ]);
    for (const path of found
      .trim()
      .split('\n')
      .filter((line) => line !== '')) {
      const jwt = (await agent.exec(['cat', path])).trim();
      const login = { role: 'research-agents', jwt };
      await assert.rejects(node.vault.request('POST', 'auth/kubernetes/login', login), /40[03]/, path);
    }
  });

  it('octokit, with an installation token of a GitHub App that never leaves the sidecar', async () => {
    const { status, issues } = await program('node', '/sdks/octokit.mjs');
    assert.deepEqual([status, issues], [200, [{ number: 7, title: 'A leak' }]]);
    assert.deepEqual(
      [...github.issued.values()],
      [{ repositories: ['docs'], permissions: { metadata: 'read', contents: 'write', issues: 'read' } }],
    );
  });

  it('git over HTTPS: clone, commit and push, with the same token as Basic', async () => {
    const script = `cd /tmp && git clone -q https://github.com/acme/docs.git docs 2>&1 && cd docs &&
      echo a > a.txt && git add a.txt && git -c user.name=bot -c user.email=bot@acme.example commit -qm first &&
      git push -q origin HEAD:agent/first 2>&1 && git ls-remote origin`;
    assert.match(await agent.exec(['sh', '-c', script], 60_000), /refs\/heads\/agent\/first/);
    assert.equal(github.issued.size, 1, 'one token for both');
  });

  it('stripe', async () => {
    assert.equal((await program('node', '/sdks/stripe.mjs'))['status'], 'succeeded');
  });

  it('@aws-sdk/client-s3: signed again, for strings, streams and ranges', async () => {
    const { text, keys: listed } = await program('node', '/sdks/s3.mjs');
    assert.equal(text, 'report');
    // The SDK leaves keys as S3 encodes them in XML.
    const names = (listed as string[]).map(decodeURIComponent);
    assert.deepEqual(names, ['weekly/a b+ü.txt', 'weekly/stream']);
    assert.equal(apis.s3.objects.get('acme-reports/weekly/stream')?.toString(), 'in parts');
  });

  it('boto3', async () => {
    const { text, keys: listed } = await program('python3', '/sdks/reports.py');
    assert.equal(text, 'report');
    assert.ok((listed as string[]).includes('weekly/from python.txt'));
    assert.equal(apis.s3.objects.get('acme-reports/weekly/from python.txt')?.toString(), 'a report');
  });

  for (const [what, command] of Object.entries({
    'google-auth-library for Node': ['node', '/sdks/google.mjs'],
    'google-auth for Python': ['python3', '/sdks/storage.py'],
  })) {
    it(`${what}: its own token dance ends in a placeholder`, async () => {
      const before = apis.calls.length;
      assert.match(JSON.stringify(await program(...command)), /weekly\.txt/);
      const calls = apis.calls.slice(before).map(({ host }) => host);
      assert.deepEqual(calls.filter((host) => host === 'storage.googleapis.com').length, 1);
      assert.ok(
        calls.filter((host) => host === 'oauth2.googleapis.com').length <= 1,
        'only the sidecar asks it',
      );
    });
  }

  it('requests, with a key in a header from a Secret that another operator fills', async () => {
    assert.deepEqual(await program('python3', '/sdks/search.py'), { status: 200, json: { found: 1 } });
  });

  it('Java', async () => {
    const output = await agent.exec(['/usr/lib/java/bin/java', '-cp', '/sdks', 'Client'], 60_000);
    assert.match(output, /^200 {"tickets":2}/m);
  });

  it('curl: keys in the query and in the path, and a signature', async () => {
    const rows: Record<string, readonly [url: string, ...options: string[]]> = {
      maps: ['https://maps.example/geocode?key=outrider-placeholder.research.maps&q=Berlin'],
      bots: ['https://bots.example/botoutrider-placeholder.research.bot/getMe'],
      exchange: ['https://exchange.example/orders?dry=1', '-d', '{"side":"buy"}'],
    };
    for (const [what, [url, ...options]] of Object.entries(rows)) {
      const { status, text } = await agent.curl(url, options);
      assert.equal(status, 200, `${what}: ${text} after ${JSON.stringify(lastCall())}`);
    }
  });

  it('each of them came as its variables lead it, and by capture where it reads none', async () => {
    const wait = { what: 'the last decision line', timeoutMs: 20_000, everyMs: 1000 };
    const byHost = await waitFor(wait, async () => {
      const found = entriesByHost(await sidecarLines(), apiHosts);
      return found['exchange.example'] === undefined ? undefined : found;
    });
    assert.deepEqual(byHost, {
      'api.github.com': ['connect'],
      'github.com': ['connect'],
      'api.stripe.com': ['captured_tls'],
      // boto3 and the SDK for JavaScript.
      'acme-reports.s3.eu-central-1.amazonaws.com': ['captured_tls', 'connect'],
      'oauth2.googleapis.com': ['connect'],
      'storage.googleapis.com': ['connect'],
      'api.search.example': ['connect'],
      'tickets.example': ['connect'],
      'maps.example': ['connect'],
      'bots.example': ['connect'],
      'exchange.example': ['connect'],
    });
  });

  describe('N-21: without proxy variables, which it may ignore or unset', { concurrency: 4 }, () => {
    let linesBefore = 0;
    before(async () => {
      linesBefore = (await sidecarLines()).length;
    });

    for (const [what, { command, check }] of Object.entries(unledPrograms)) {
      it(`${what} is led by netfilter and DNS, to the same answer`, async () => {
        check(await agent.exec([...withoutProxy, ...command], 90_000));
      });
    }

    after(async () => {
      const hosts = Object.values(unledPrograms).flatMap((each) => each.hosts);
      await waitFor({ what: 'all decision lines', timeoutMs: 20_000, everyMs: 1000 }, async () => {
        const lines = (await sidecarLines()).slice(linesBefore);
        assert.deepEqual(
          entriesByHost(lines, hosts),
          Object.fromEntries(hosts.map((host) => [host, ['captured_tls']])),
        );
        return true;
      });
    });
  });

  it('H-61: where credentials are minted nothing goes through, though a rule covers all of the host', async () => {
    const before = apis.calls.length;
    const url = 'https://api.github.com/app/installations/42/access_tokens';
    const { status, json } = await agent.curl(url, ['-X', 'POST']);
    assert.deepEqual([status, json.code], [403, 'no_grant']);
    assert.equal(apis.calls.length, before);
  });

  it('S-22: a placeholder in another slot is refused, in a body it passes', async () => {
    const placeholder = 'outrider-placeholder.research.stripe';
    const refund = 'https://api.stripe.com/v1/refunds';
    const elsewhere = await agent.curl(refund, ['-d', 'amount=1', '-H', `x-api-key: ${placeholder}`]);
    assert.deepEqual([elsewhere.status, elsewhere.json.code], [403, 'credential_ambiguous']);
    const quoted = await agent.curl(refund, ['-d', `amount=1&note=${placeholder}`]);
    assert.equal(quoted.status, 200, quoted.text);
  });

  it('a key that is rotated in the Secret is used within a kubelet’s sync, without a restart', async (test) => {
    const next = canary('search');
    const changed = { ...secrets, search: next };
    Object.assign(secrets, changed);
    const data = JSON.stringify({ stringData: { key: next } });
    await kubectl('patch', 'secret', 'search-key', '--type=merge', '-p', data);
    const startedAt = performance.now();
    await waitFor({ what: 'the new key', timeoutMs: 150_000, everyMs: 2000 }, async () => {
      return (await program('python3', '/sdks/search.py'))['status'] === 200;
    });
    test.diagnostic(`used after ${Math.round((performance.now() - startedAt) / 1000)} s`);
    const field = 'jsonpath={.status.lastRotationTime}';
    await waitFor({ what: 'the time of the rotation', timeoutMs: 30_000 }, async () => {
      return (await kubectl('get', 'agcred', 'search', '-o', field)) !== '';
    });
  });

  it('none of the secrets is anywhere: logs, spans, statuses, events, metrics, the agent’s files', async () => {
    const places = await everythingObservable(node);
    const minted = [...github.issued.keys()];
    const pem = (key: string): string => key.split('\n')[3] ?? '';
    const { aws, ...plain } = secrets;
    const all = [...Object.values(plain), aws.secretAccessKey, ...minted, pem(keys.github.privateKey)];
    all.push(pem(keys.google.privateKey));
    for (const secret of all) {
      assert.deepEqual(
        placesThatLeak(places, secret),
        [],
        `the secret that begins with ${secret.slice(0, 12)}`,
      );
    }
    const { read, hits } = await program('node', '-e', fileSearch(all));
    assert.ok(Number(read) > 50);
    assert.deepEqual(hits, []);
  });
});

function rsaKey(): { readonly publicKey: string; readonly privateKey: string } {
  return generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
}
