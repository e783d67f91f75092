import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { connect as connectPlain } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { waitFor } from '../cluster/deadline.ts';
import { startJaeger } from '../cluster/jaeger.ts';
import { call, openStream } from './control/sidecar-client.ts';
import { startTestCluster, type PreparedReplica, type TestCluster } from './operator-under-test.ts';
import { policy } from './resources.ts';

interface Process {
  readonly child: ChildProcess;
  readonly output: () => string;
  readonly exit: Promise<number | null>;
}

function start(environment: Readonly<Record<string, string>>): Process {
  const child = spawn(process.execPath, ['operator/main.ts'], {
    env: { ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const exit = once(child, 'exit').then(([code]) => code as number | null);
  return { child, output: () => output, exit };
}

async function get(port: number, path: string): Promise<{ status: number; text: string }> {
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, { signal: AbortSignal.timeout(5_000) });
  return { status: answer.status, text: await answer.text() };
}

describe('the operator’s process', () => {
  let test: TestCluster;
  let jaeger: Awaited<ReturnType<typeof startJaeger>>;
  let replica: PreparedReplica;
  let running: Process;

  before(async () => {
    [test, jaeger] = [await startTestCluster(), await startJaeger()];
    await test.createNamespace('team');
    replica = await test.prepareReplica();
    const caFile = join(test.cluster.folder, 'jaeger-ca.crt');
    await writeFile(caFile, jaeger.caPem);
    running = start({
      ...replica.environment,
      OUTRIDER_OTLP_ENDPOINT: jaeger.otlpEndpoint,
      OUTRIDER_OTLP_CA_FILE: caFile,
    });
  });

  after(async () => {
    running?.child.kill('SIGKILL');
    await jaeger?.stop();
    await test?.stop();
  });

  const isReady = (port: number): Promise<boolean> =>
    get(port, '/readyz').then(
      ({ status }) => status === 200,
      () => false,
    );

  it('a wrong setting ends it at once with the variable’s name and what is allowed', async () => {
    const { exit, output } = start({ ...replica.environment, OUTRIDER_POD_IP: 'here' });
    assert.equal(await exit, 1);
    assert.match(output(), /OUTRIDER_POD_IP must be an IPv4 or IPv6 address\.\n$/);
  });

  it('is live before it is ready, and ready when it has read the cluster and its ports are open', async () => {
    const { ports } = replica;
    await waitFor(
      { what: 'life', timeoutMs: 20_000, evidence: running.output },
      async () => (await get(ports.health, '/livez')).status === 200,
    );
    await waitFor({ what: 'readiness', timeoutMs: 20_000, evidence: running.output }, () =>
      isReady(ports.health),
    );
    assert.deepEqual(JSON.parse((await get(ports.health, '/readyz')).text), {
      informers: true,
      ports: true,
      running: true,
    });
  });

  it('logs one JSON object a line, with level, time and pod', () => {
    const lines = running.output().trim().split('\n');
    for (const line of lines) {
      const { level, time, pod, msg } = JSON.parse(line) as Record<string, string>;
      assert.match(level ?? '', /^(?:trace|debug|info|warn|error)$/, line);
      assert.match(time ?? '', /^\d{4}-.*Z$/);
      assert.deepEqual([pod, typeof msg], [replica.name, 'string']);
    }
  });

  it('serves its metrics by their names', async () => {
    const agent = await test.createAgent({ namespace: 'team', name: 'agent' });
    const ca = await test.operatorCas();
    const stream = await openStream({ port: replica.ports.control, ca, token: await test.token(agent) });
    await test.apply(policy({ namespace: 'team', name: 'p' }));
    await stream.ruleset('the policy', ({ ruleset }) => ruleset.grants.length === 1);
    await waitFor({ what: 'a reconcile', timeoutMs: 10_000 }, async () =>
      /^outrider_reconcile_total\{kind="AgentPolicy",outcome="done"\} [1-9]/m.test(
        (await get(replica.ports.health, '/metrics')).text,
      ),
    );
    const { text } = await get(replica.ports.health, '/metrics');
    assert.match(text, /^outrider_control_streams 1$/m);
    assert.match(text, /^outrider_ruleset_pushes_total [2-9]$/m);
    assert.match(text, /^outrider_ruleset_push_duration_seconds_bucket\{le="1"\} [1-9]/m);
    assert.match(text, /^outrider_leader 1$/m);
    assert.match(text, /^process_resident_memory_bytes /m);
    stream.close();
  });

  it('reviews a pod for injection, with the certificate of its own CA', async () => {
    const answer = await call(
      { port: replica.ports.webhook, ca: await test.operatorCas() },
      {
        path: '/mutate',
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({
          apiVersion: 'admission.k8s.io/v1',
          kind: 'AdmissionReview',
          request: {
            uid: 'f3a1',
            operation: 'CREATE',
            namespace: 'team',
            resource: { group: '', version: 'v1', resource: 'pods' },
            object: {
              metadata: { name: 'new', annotations: { 'outrider.dev/inject': 'true' } },
              spec: { containers: [{ name: 'agent', image: 'agent' }] },
            },
          },
        }),
      },
    );
    const { allowed, patch } = answer.body['response'] as {
      readonly allowed: boolean;
      readonly patch: string;
    };
    assert.equal(allowed, true);
    const operations = Buffer.from(patch, 'base64').toString();
    assert.match(operations, /"outrider-sidecar"/);
    assert.match(operations, /outrider\.outrider-system\.svc\.cluster\.local:8443/);
    const { text } = await get(replica.ports.health, '/metrics');
    assert.match(text, /^outrider_admission_reviews_total\{outcome="patch"\} 1$/m);
    assert.match(text, /^outrider_admission_duration_seconds_count 1$/m);
  });

  it('sends spans of admissions, streams, pushes and reconciles to the collector', async () => {
    const names = await waitFor({ what: 'the spans', timeoutMs: 20_000, everyMs: 250 }, async () => {
      const answer = await fetch(`${jaeger.queryUrl}/api/traces?service=outrider-operator&limit=200`);
      const { data } = (await answer.json()) as { data: { spans: { operationName: string }[] }[] };
      const found = new Set(data.flatMap(({ spans }) => spans.map(({ operationName }) => operationName)));
      return ['admission', 'stream', 'ruleset push', 'reconcile'].every((name) => found.has(name)) && found;
    });
    assert.ok(names.size >= 4);
  });

  const garbage: Readonly<Record<string, string | Buffer>> = {
    'a text': 'hello\r\n\r\n',
    'a request without a host': 'GET / HTTP/1.1\r\n\r\n',
    'a broken header': 'GET / HTTP/1.1\r\nHost: a\r\nbad header\r\n\r\n',
    'headers without end': `GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(100_000)}\r\n\r\n`,
    'a body that is no JSON':
      'POST /mutate HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 1\r\n\r\n{',
    'a body that is no review':
      'POST /mutate HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}',
    'a body that says it is huge':
      'POST /mutate HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 99999999999\r\n\r\n{',
    'a report without a token':
      'POST /v1/reports HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}',
  };
  for (const name of ['webhook', 'control', 'health'] as const) {
    for (const [what, bytes] of Object.entries(garbage)) {
      it(`K-35: ${what} on the ${name} port is answered 4xx`, async () => {
        const port = replica.ports[name];
        const socket =
          name === 'health'
            ? connectPlain(port, '127.0.0.1')
            : connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false });
        socket.setTimeout(5_000, () => socket.destroy(new Error('no answer in time')));
        await once(socket, name === 'health' ? 'connect' : 'secureConnect');
        socket.write(bytes);
        const [answer] = (await once(socket, 'data')) as [Buffer];
        socket.destroy();
        assert.match(answer.toString(), /^HTTP\/1\.1 4\d\d /);
      });
    }
  }
  for (const name of ['webhook', 'control'] as const) {
    it(`K-35: plain HTTP on the ${name} port is not answered`, async () => {
      const socket = connectPlain(replica.ports[name], '127.0.0.1');
      socket.setTimeout(5_000, () => socket.destroy(new Error('not closed in time')));
      let answer = '';
      socket.on('data', (chunk: Buffer) => (answer += chunk.toString('latin1')));
      socket.on('error', () => undefined);
      socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
      await once(socket, 'close');
      assert.doesNotMatch(answer, /HTTP/);
    });
  }

  it('after all that it still serves', async () => {
    assert.equal(await isReady(replica.ports.health), true);
  });

  it('on SIGTERM it ends streams, gives the lease back and exits with 0', async () => {
    const agent = await test.createAgent({ namespace: 'team', name: 'last' });
    const ca = await test.operatorCas();
    const stream = await openStream({ port: replica.ports.control, ca, token: await test.token(agent) });
    running.child.kill('SIGTERM');
    const startedAt = performance.now();
    assert.equal(await running.exit, 0);
    console.log(`stopped in ${Math.round(performance.now() - startedAt)} ms`);
    await waitFor(
      { what: 'the end of the stream', timeoutMs: 1_000 },
      async () => stream.endedAtMs() !== null,
    );
    const lease = await test.cluster.kubectl([
      'get',
      'lease',
      'outrider',
      '-n',
      'outrider-system',
      '-o',
      'jsonpath={.spec.holderIdentity}',
    ]);
    assert.equal(lease, '');
  });

  it('a SIGTERM during the start ends it as well', async () => {
    const early = await test.prepareReplica();
    // It waits for a CA that nobody mints: the API server it is told of does not answer.
    const kubeconfig = join(test.cluster.folder, 'nowhere.kubeconfig');
    const nowhere = `{apiVersion: v1, kind: Config, clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}], users: [{name: u, user: {token: t}}], contexts: [{name: x, context: {cluster: c, user: u}}], current-context: x}`;
    await writeFile(kubeconfig, nowhere);
    const { child, exit, output } = start({ ...early.environment, OUTRIDER_KUBECONFIG: kubeconfig });
    await waitFor(
      { what: 'life', timeoutMs: 20_000, evidence: output },
      async () => (await get(early.ports.health, '/livez')).status === 200,
    );
    assert.equal(await isReady(early.ports.health), false);
    child.kill('SIGTERM');
    assert.equal(await exit, 0, output());
  });
});
