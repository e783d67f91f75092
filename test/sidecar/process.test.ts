// The sidecar as a process, between a real Vault, a real API server and an upstream that rejects other tokens.
// The operator's side of the stream is the test's; the real one is met in test/e2e.

import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { storeTokenFile, type Watermark } from '../../policy/contract.ts';
import type { Ruleset } from '../../policy/ruleset.ts';
import { startControlPlane, type ControlPlane } from '../cluster/control-plane.ts';
import { waitFor } from '../cluster/deadline.ts';
import { enableKubernetesAuth } from '../cluster/vault-kubernetes.ts';
import { startVault, type Vault } from '../cluster/vault.ts';
import { startCollector, type Collector } from './audit/otlp-collector.ts';
import { startTlsOperator, type TlsOperator } from './control/tls-operator.ts';
import { createPodFolders, startPod, type Pod } from './pod.ts';
import { createTestCa, startOrigin, type Origin, type TestCa } from './proxy/origin.ts';
import { openSocket, send, type Answer } from './proxy/raw-client.ts';
import { rulesetWith } from './settable-snapshots.ts';

const canary = 'canary-7d1e';
const audience = 'outrider.dev/corp';
/** The address itself, so that no name server is needed. */
const host = '127.0.0.1';

let cluster: ControlPlane;
let vault: Vault & { stop(): Promise<void> };
let ca: TestCa;
let origin: Origin;
let operator: TlsOperator;
let collector: Collector;
let folder = '';
let root = '';
let pod: Pod;
let version = 100;

before(async () => {
  [cluster, vault, ca] = await Promise.all([startControlPlane(), startVault(), createTestCa()]);
  await enableKubernetesAuth(vault, cluster);
  await vault.request('PUT', 'sys/policies/acl/research', {
    policy: 'path "secret/data/agents/*" { capabilities = ["read"] }',
  });
  await vault.request('POST', 'auth/kubernetes/role/research', {
    bound_service_account_names: 'agent',
    bound_service_account_namespaces: 'research',
    audience,
    token_policies: 'research',
  });
  await vault.request('POST', 'secret/data/agents/github', { data: { token: canary } });
  await cluster.kubectl(['create', 'namespace', 'research']);
  await cluster.kubectl(['create', 'serviceaccount', 'agent', '-n', 'research']);

  origin = await startOrigin(ca, {
    names: [`IP:${host}`],
    answer: ({ headers }, response) =>
      response.writeHead(headers.authorization === `Bearer ${canary}` ? 200 : 401).end('from the API'),
  });
  const issue = { subject: '/CN=x', alternativeNames: [`IP:${host}`], usages: ['serverAuth'] } as const;
  operator = await startTlsOperator(await ca.authority.issue({ ...issue, name: 'operator' }));
  collector = await startCollector(await ca.authority.issue({ ...issue, name: 'collector' }));

  folder = mkdtempSync(join(tmpdir(), 'outrider-pod-'));
  root = join(folder, 'run');
  createPodFolders(root);
  writeFileSync(join(root, 'tokens', 'operator'), 'token.of.the-pod');
  const token = await cluster.kubectl([
    'create',
    'token',
    'agent',
    '-n',
    'research',
    `--audience=${audience}`,
  ]);
  writeFileSync(join(root, 'tokens', storeTokenFile('corp')), token);
});
after(async () => {
  await pod?.end('SIGKILL');
  await Promise.all([operator?.close(), collector?.close(), origin?.close()]);
  await Promise.all([vault?.stop(), cluster?.stop()]);
  ca?.close();
  rmSync(folder, { recursive: true, force: true });
});

async function start(): Promise<void> {
  pod = await startPod({ root, operator: operator.address, operatorCa: ca.authority.certPem });
  assert.notEqual(pod.ports.proxy, 0, pod.stderr());
}

async function until(what: string, probe: () => boolean | Promise<boolean>): Promise<void> {
  await waitFor({ what, timeoutMs: 10_000, everyMs: 10, evidence: () => pod.stderr() }, async () => probe());
}

function next(): Watermark {
  version += 1;
  return { AgentPolicy: String(version) };
}

/** GET /repos/** with the credential, nothing else. */
function granting(): Ruleset {
  const place = { destination: 'api', methods: ['GET'], paths: ['/repos/**'] };
  return rulesetWith({
    grants: [{ policy: 'research', name: 'read', action: 'Allow', credential: 'bot', ...place }],
    credentials: {
      bot: {
        source: {
          kind: 'vault',
          store: 'corp',
          role: 'research',
          kv: { mount: 'secret', path: 'agents/github', version: 2, field: 'token' },
        },
        allow: [place],
        inject: { kind: 'bearer' },
        refreshIntervalMs: 300_000,
      },
    },
    stores: {
      corp: {
        kind: 'vault',
        address: vault.address,
        caBundle: vault.caPem,
        auth: { kind: 'kubernetes', mount: 'kubernetes' },
      },
    },
    destinations: {
      api: {
        names: [host],
        port: origin.port,
        scheme: 'https',
        cidrs: ['127.0.0.0/8'],
        caBundle: ca.authority.certPem,
      },
    },
    telemetry: { endpoint: collector.endpoint, caBundle: ca.authority.certPem },
  });
}

async function ask(target: string): Promise<Answer> {
  const socket = await openSocket(pod.ports.proxy);
  const place = `${host}:${origin.port}`;
  const answer = await send(socket, `GET https://${place}${target} HTTP/1.1\r\nHost: ${place}\r\n\r\n`);
  socket.destroy();
  return answer;
}

describe('it does not start', () => {
  const environments: Record<string, [change: Record<string, string>, code: string]> = {
    'K-20: with an inspector asked for': [{ NODE_OPTIONS: '--inspect=127.0.0.1:0' }, 'ENVIRONMENT_FORBIDDEN'],
    'K-25: with a proxy': [{ https_proxy: 'http://127.0.0.1:1' }, 'ENVIRONMENT_FORBIDDEN'],
    'T-06: with a log of TLS keys': [{ SSLKEYLOGFILE: '/tmp/keys' }, 'ENVIRONMENT_FORBIDDEN'],
    'without an operator': [{ OUTRIDER_OPERATOR: '' }, 'CONFIG_INVALID'],
  };
  for (const [what, [environment, code]] of Object.entries(environments)) {
    test(what, async () => {
      const options = { root, operator: operator.address, operatorCa: ca.authority.certPem, environment };
      const failed = await startPod(options);
      assert.match(failed.stderr(), new RegExp(`"code":"${code}"`));
      assert.equal(await failed.end('SIGKILL'), 1);
    });
  }

  test('K-22: when something else holds its port', async () => {
    const squatter = createServer().listen(0, '127.0.0.1');
    await once(squatter, 'listening');
    const proxyPort = (squatter.address() as { port: number }).port;
    const other = join(folder, 'squatted');
    createPodFolders(other);
    const failed = await startPod({
      root: other,
      operator: operator.address,
      operatorCa: ca.authority.certPem,
      ports: { proxy: proxyPort },
    });
    assert.match(failed.stderr(), /"code":"PORT_TAKEN"/);
    assert.equal(await failed.end('SIGKILL'), 1);
    squatter.close();
  });
});

describe('it serves', () => {
  test('no agent before its ruleset: alive, but not ready', async () => {
    await start();
    await until('the stream', () => operator.streams.length > 0);
    assert.deepEqual([await pod.health('/livez'), await pod.health('/readyz')], [200, 503]);
    operator.sendRuleset(granting(), next());
    await until('readiness', async () => (await pod.health('/readyz')) === 200);
    assert.deepEqual(readdirSync(join(root, 'trust')).toSorted(), ['bundle.crt', 'ca.crt', 'truststore.jks']);
  });

  test("an allowed request with Vault's token, and a refused one without reaching the API", async () => {
    const answer = await ask('/repos/acme?canary-query');
    assert.deepEqual([answer.status, answer.body], [200, 'from the API']);
    const refused = await ask('/admin');
    assert.deepEqual([refused.status, refused.problem?.code], [403, 'no_grant']);
    assert.deepEqual(
      origin.received.map(({ url }) => url),
      ['/repos/acme?canary-query'],
    );
  });

  test('a decision line and a trace for each', async () => {
    await until('the decision lines', () => pod.decisions().length === 2);
    assert.deepEqual(
      pod
        .decisions()
        .map(({ decision, reason, path, status, credential }) => [
          decision,
          reason,
          path,
          status,
          credential,
        ]),
      [
        ['allow', null, '/repos/acme', 200, 'bot'],
        ['deny', 'no_grant', '/admin', 403, null],
      ],
    );
    await until('the spans', () => collector.spans.filter(({ kind }) => kind === 2).length === 2);
    const [allowed] = pod.decisions();
    const trace = collector.spans.filter(({ traceId }) => traceId === allowed?.['traceId']);
    assert.deepEqual(trace.map(({ name }) => name).toSorted(), ['GET', 'GET', 'decide', 'resolve']);
    const sent = origin.received[0]?.headers['traceparent'];
    const client = trace.find(({ kind }) => kind === 3);
    assert.equal(sent, `00-${client?.traceId}-${client?.spanId}-01`);
  });

  test('reports of the revision it enforces and of its credential', async () => {
    await until('the report', () => operator.reports.at(-1)?.report.credentials[0]?.state === 'Resolved');
    assert.match(operator.reports.at(-1)?.report.revision ?? '', /^[0-9a-f]{16}$/);
  });

  test('K-20: SIGUSR1 opens no inspector', async () => {
    process.kill(pod.process.pid ?? 0, 'SIGUSR1');
    await new Promise((resolve) => setTimeout(resolve, 300));
    assert.doesNotMatch(pod.stderr(), /Debugger/);
    assert.equal((await ask('/repos/acme')).status, 200);
  });
});

describe('it holds on', () => {
  test('P-11: killed while halted, it refuses everything until the operator speaks, and no older ruleset after', async () => {
    const halt = { ...granting(), halt: { policy: 'stop' } };
    operator.sendRuleset(halt, next());
    await until('the halt', async () => (await ask('/repos/acme')).problem?.code === 'halted');
    const acknowledged = operator.reports.length;
    await until('its acknowledgement', () => operator.reports.length > acknowledged);
    const trusted = readFileSync(join(root, 'trust', 'ca.crt'), 'utf8');
    assert.equal(await pod.end('SIGKILL'), 'SIGKILL');
    const [streams, seen] = [operator.streams.length, origin.received.length];

    await start();
    assert.equal(
      readFileSync(join(root, 'trust', 'ca.crt'), 'utf8'),
      trusted,
      'running agents keep their trust',
    );
    await until('the stream', () => operator.streams.length > streams);
    assert.equal((await ask('/repos/acme')).problem?.code, 'policy_stale');
    operator.sendRuleset(granting(), { AgentPolicy: String(version - 1) });
    await until('another stream', () => operator.streams.length > streams + 1);
    assert.equal((await ask('/repos/acme')).problem?.code, 'policy_stale');
    assert.equal(origin.received.length, seen);
    operator.sendRuleset(granting(), next());
    await until('it to work again', async () => (await ask('/repos/acme')).status === 200);
  });

  test('P-21: a Vault that is sealed costs nothing until the lease of the value ends', async () => {
    await vault.request('PUT', 'sys/seal');
    assert.equal((await ask('/repos/acme')).status, 200);
  });
});

describe('S-12, K-07: the secret is nowhere but in the request', () => {
  test('neither in its environment, arguments, files and output, nor in spans and reports', async () => {
    const files = ['trust', 'keys', 'state'].flatMap((name) =>
      readdirSync(join(root, name)).map((file) => readFileSync(join(root, name, file), 'latin1')),
    );
    const own = ['environ', 'cmdline', 'maps'].map((name) =>
      readFileSync(`/proc/${pod.process.pid}/${name}`, 'latin1'),
    );
    const told = [
      pod.stdout(),
      pod.stderr(),
      collector.text,
      JSON.stringify(operator.reports.map(({ report }) => report)),
    ];
    for (const text of [...files, ...own, ...told]) {
      assert.doesNotMatch(text, /canary|hvs\.|eyJhbGciOi|token\.of\.the-pod/);
    }
  });
});

test('it ends on SIGTERM with 0, after its spans', async () => {
  const answered = await ask('/repos/acme');
  assert.equal(answered.status, 200);
  const before = collector.spans.length;
  const startedAtMs = performance.now();
  assert.equal(await pod.end('SIGTERM'), 0);
  assert.ok(performance.now() - startedAtMs < 5000);
  assert.ok(collector.spans.length >= before + 4);
});
