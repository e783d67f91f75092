// A captured pod as a platform team would try it by hand: names, databases, plain HTTP, probes, neighbours, what is refused
// and how fast, and a sandbox that dies. None of its programs knows of a proxy. What an enemy tries is in bypass.test.ts.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { stringify } from 'yaml';
import { waitFor } from '../cluster/deadline.ts';
import { startNode, type ClusterNode } from '../cluster/node.ts';
import { nodeSkipReason } from '../cluster/node-availability.ts';
import { createAgent, type AgentHandle } from './agent.ts';
import { installOutrider } from './installation.ts';
import { holdConnection, tryEach, type Outcome, type Try } from './pod-tries.ts';
import { startStore, type Store } from './stores.ts';
import { startTracker, type Tracker } from './tracker.ts';
import { startWiki, type Wiki } from './wiki.ts';
import { startWorld, worldAddresses } from './world.ts';

const synthetic = /^198\.1[89]\.\d+\.\d+$/;
/** What netfilter refuses takes no time; starting to resolve or connect does, on a busy machine. */
const atOnceMs = 1000;

const granted = ['echo', 'db', 'db-encrypted', 'db-down', 'kubernetes', 'tracker', 'wiki'];

interface DecisionLine {
  readonly entry: string;
  readonly host: string;
  readonly port: number;
  readonly decision: string;
  readonly reason: string | null;
  readonly rule: string | null;
  readonly capture: string;
  readonly requestBytes: number;
  readonly responseBytes: number;
}

interface PodObject {
  readonly metadata: { readonly name: string; readonly uid: string };
  readonly status: {
    readonly podIPs: readonly { readonly ip: string }[];
    readonly initContainerStatuses: readonly {
      readonly name: string;
      readonly restartCount: number;
      readonly state: { readonly terminated?: { readonly message?: string } };
    }[];
  };
}

describe('a captured pod', { skip: nodeSkipReason() ?? false, timeout: 500_000 }, () => {
  let node: ClusterNode;
  let tracker: Tracker;
  let wiki: Wiki;
  let echo: Store;
  let plain: Store;
  let encrypted: Store;
  let agent: AgentHandle;
  const token = `token-${randomBytes(12).toString('hex')}`;
  const kubectl = (...args: string[]) => node.kubectl(['-n', 'research', ...args], { timeoutMs: 120_000 });
  const apply = (...objects: object[]) =>
    node.kubectl(['apply', '-f', '-'], {
      stdin: objects.map((each) => stringify(each)).join('---\n'),
    });

  before(async () => {
    node = await startNode();
    await installOutrider(node);
    [tracker, wiki, echo, plain, encrypted] = await Promise.all([
      startTracker(node, token),
      startWiki(node),
      startStore(node, null),
      startStore(node, null),
      startStore(node, 'db.corp.example'),
    ]);
    await node.publishHostService({ namespace: 'stores', name: 'echo', port: 5432, hostPort: echo.port });
    await node.dns.setName('db.corp.example', node.address);
    await kubectl('create', 'namespace', 'research');
    await kubectl('label', 'namespace', 'research', 'team=research');
    const db = (port: number) => ({
      host: { name: 'db.corp.example', port, scheme: 'tcp', cidrs: [`${node.address}/32`] },
    });
    await apply(
      destination('echo', { service: { namespace: 'stores', name: 'echo', port: 5432, scheme: 'tcp' } }),
      destination('db', db(plain.port)),
      destination('db-encrypted', db(encrypted.port)),
      destination('db-down', db(1)),
      destination('kubernetes', {
        service: { namespace: 'default', name: 'kubernetes', port: 443, scheme: 'tcp' },
      }),
      destination('tracker', {
        service: { namespace: 'upstream', name: 'tracker', port: 8443, scheme: 'https' },
        caBundle: tracker.caPem,
      }),
      destination('wiki', { service: { namespace: 'tools', name: 'wiki', port: 8080, scheme: 'http' } }),
      policy(granted, [{ hosts: ['api.example.com', '*.glob.example'] }]),
    );
    await apply(captured, neighbour);
    await kubectl('rollout', 'status', 'deploy/captured', '--timeout=100s');
    await kubectl('wait', '--for=condition=Ready', 'pod/neighbour', '--timeout=60s');
    agent = createAgent(node, 'captured');
  });
  after(async () => {
    for (const server of [tracker, wiki, echo, plain, encrypted]) server?.close();
    await node?.stop();
  });

  async function tries(...each: Try[]): Promise<readonly Outcome[]> {
    return JSON.parse(await agent.exec(tryEach(each), 60_000)) as Outcome[];
  }

  /** Of one try that has to be over at once. */
  async function atOnce(each: Try): Promise<string> {
    const [{ outcome, tookMs } = { outcome: '', tookMs: Infinity }] = await tries(each);
    assert.ok(tookMs < atOnceMs, `${JSON.stringify(each)}: ${outcome} after ${tookMs} ms`);
    return outcome;
  }

  async function lines(): Promise<readonly DecisionLine[]> {
    const log = await kubectl('logs', 'deploy/captured', '-c', 'outrider', '--tail=200');
    return log
      .split('\n')
      .filter((line) => line.startsWith('{') && line.includes('"kind":"decision"'))
      .map((line) => JSON.parse(line) as DecisionLine);
  }

  /** The log of a container is behind by a moment. */
  async function untilLine(wanted: (line: DecisionLine) => boolean): Promise<DecisionLine> {
    let last: readonly DecisionLine[] = [];
    return waitFor(
      {
        what: 'the decision line',
        timeoutMs: 10_000,
        evidence: () => JSON.stringify(last.slice(-5), null, 1),
      },
      async () => {
        last = await lines();
        return last.findLast(wanted);
      },
    );
  }

  async function read(): Promise<PodObject> {
    const { items } = JSON.parse(
      await kubectl(
        'get',
        'pods',
        '-l',
        'app=captured',
        '-o',
        'json',
        '--field-selector=status.phase=Running',
      ),
    ) as { items: PodObject[] };
    return items.at(-1) ?? assert.fail('no pod');
  }

  const insist = (name: string): Try => ({ say: 'SELECT 1', host: name, port: 5432 });

  for (const [what, each, code] of [
    ['N-05: a name that no rule knows', { lookup: 'unknown.example.org' }, 'ENOTFOUND'],
    ['a name of the cluster that no rule knows', { lookup: 'kube-dns.kube-system.svc' }, 'ENOTFOUND'],
    ['what a glob does not match', { lookup: 'glob.example' }, 'ENOTFOUND'],
    ['N-05: other types of a name that a rule knows', { records: 'api.example.com', type: 'TXT' }, 'ENODATA'],
    [
      'IPv6 addresses of such a name, where the pod has IPv4',
      { records: 'api.example.com', type: 'AAAA' },
      'ENODATA',
    ],
    ['records of an unknown name', { records: 'unknown.example.org', type: 'MX' }, 'ENOTFOUND'],
    ['N-04: UDP to another host', { send: 'x', host: '203.0.113.10', port: 9999 }, 'EPERM'],
    ['N-03, N-04: UDP to another host over IPv6', { send: 'x', host: '2001:db8:6::10', port: 9999 }, 'EPERM'],
    ['N-02: another port of another host', { say: 'x', host: '203.0.113.10', port: 22 }, 'ECONNREFUSED'],
    [
      'N-02, N-03: another port of another host over IPv6',
      { say: 'x', host: '2001:db8:6::10', port: 22 },
      'ECONNREFUSED',
    ],
    [
      'another port of a name that a rule knows',
      { say: 'x', host: 'echo.stores.svc', port: 5433 },
      'ECONNREFUSED',
    ],
    [
      'a Service’s own address instead of its name',
      { say: 'x', host: '10.198.0.10', port: 9153 },
      'ECONNREFUSED',
    ],
  ] as const) {
    it(`${what}: refused at once`, async () => {
      assert.equal(await atOnce(each), code);
    });
  }

  it('a name that a rule knows has a synthetic address, whoever asks', async () => {
    for (const name of ['api.example.com', 'deep.glob.example', 'tracker.upstream.svc', 'db.corp.example']) {
      assert.match(await atOnce({ lookup: name }), synthetic, name);
    }
    const shown = await agent.exec(['nslookup', 'api.example.com']);
    assert.match(shown, /Name:\s*api\.example\.com\nAddress: 198\.1[89]\./);
    await assert.rejects(agent.exec(['nslookup', 'unknown.example.org']), /NXDOMAIN/);
  });

  it('a short name is found by the search list of the pod, with ndots:5', async () => {
    assert.match(await agent.exec(['cat', '/etc/resolv.conf']), /ndots:5/);
    const [short, whole] = await tries(
      { lookup: 'echo.stores' },
      { lookup: 'echo.stores.svc.cluster.local' },
    );
    assert.match(short?.outcome ?? '', synthetic);
    assert.equal(short?.outcome, whole?.outcome);
  });

  it('names are answered over TCP too, whichever server is meant', async () => {
    const script = [...tryEach([{ lookup: 'api.example.com' }, { lookup: 'unknown.example.org' }])];
    const output = await agent.exec(['env', 'RES_OPTIONS=use-vc', ...script]);
    const [known, unknown] = JSON.parse(output) as Outcome[];
    assert.match(known?.outcome ?? '', synthetic);
    assert.equal(unknown?.outcome, 'ENOTFOUND');
    assert.match(await agent.exec(['nslookup', 'api.example.com', '203.0.113.10']), /Address: 198\.1[89]\./);
  });

  it('a Service that speaks no HTTP is reached by name and port, and the connection is one line', async () => {
    const before = echo.received();
    assert.equal(await atOnce({ say: 'SELECT 1', host: 'echo.stores.svc', port: 5432 }), 'SELECT 1');
    assert.equal(await atOnce({ say: 'SELECT 22', host: 'echo.stores', port: 5432 }), 'SELECT 22');
    assert.equal(echo.received() - before, 19);
    const line = await untilLine(
      ({ entry, requestBytes }) => entry === 'captured_tcp' && requestBytes === 10,
    );
    assert.deepEqual(
      [line.host, line.port, line.decision, line.rule, line.capture, line.responseBytes],
      ['echo.stores.svc', 5432, 'allow', 'echo', 'captured', 10],
    );
  });

  it('two destinations of one name are told apart by their ports, and TLS of the server’s own goes through unread', async () => {
    const name = 'db.corp.example';
    const ca = node.authority.certPem;
    const [clear, secret, wrong] = await tries(
      { say: 'one', host: name, port: plain.port },
      { say: 'two', host: name, port: encrypted.port, servername: name, ca },
      { say: 'three', host: name, port: 2 },
    );
    assert.deepEqual([clear?.outcome, secret?.outcome, wrong?.outcome], ['one', 'two', 'ECONNREFUSED']);
    assert.deepEqual([plain.connections(), encrypted.connections()], [1, 1]);
  });

  it('a client of the API server that trusts the cluster’s own CA: by name, where a destination relays it unread', async () => {
    const ca = '/var/run/secrets/kubernetes.io/serviceaccount/ca.crt';
    const url = 'https://kubernetes.default.svc/version';
    for (const how of [[], ['--noproxy', '*']]) {
      const { text } = await agent.curl(url, ['--cacert', ca, ...how]);
      assert.match(text, /"gitVersion"/);
    }
  });

  it('a server that is down: the connection is made, since the sidecar takes it, and reset at once', async () => {
    assert.equal(await atOnce({ say: 'one', host: 'db.corp.example', port: 1 }), 'ECONNRESET');
    const line = await untilLine(({ port }) => port === 1);
    assert.deepEqual(
      [line.entry, line.decision, line.rule, line.reason],
      ['captured_tcp', 'deny', 'db-down', 'upstream_unreachable'],
    );
  });

  it('an API on another port is reached with TLS by its name, without proxy variables, over IPv6 too', async () => {
    const bearer = ['-H', `authorization: Bearer ${token}`];
    const direct = await agent.curl('/issues', ['--noproxy', '*', ...bearer]);
    assert.equal(direct.status, 200, direct.text);
    // Any address will do, since none is dialled.
    const six = await agent.curl('/issues', [
      '--noproxy',
      '*',
      '--resolve',
      'tracker.upstream.svc:8443:[2001:db8:6::10]',
      ...bearer,
    ]);
    assert.equal(six.status, 200, six.text);
    const line = await untilLine(({ entry, port }) => entry === 'captured_tls' && port === 8443);
    assert.deepEqual([line.host, line.decision, line.rule], ['tracker.upstream.svc', 'allow', 'tracker']);
  });

  it('plain HTTP goes by its Host, without proxy variables', async () => {
    const { status, text } = await agent.curl('http://wiki.tools.svc:8080/pages/1', ['--noproxy', '*']);
    assert.equal(status, 200, text);
    assert.equal(wiki.seen.at(-1)?.path, '/pages/1');
    const line = await untilLine(({ entry }) => entry === 'captured_http');
    assert.deepEqual([line.host, line.port, line.rule], ['wiki.tools.svc', 8080, 'wiki']);
  });

  it('N-07: TLS without a name is ended by an alert, at once', async () => {
    const outcome = await atOnce({ say: 'x', host: '203.0.113.10', port: 443, servername: '' });
    assert.equal(outcome, 'SSL alert number 40');
  });

  it('a name that no rule allows is refused with its reason, even when the client knows an address', async () => {
    const answer = await agent.curl('http://elsewhere.example/', [
      '--noproxy',
      '*',
      '--resolve',
      'elsewhere.example:80:203.0.113.10',
    ]);
    assert.deepEqual([answer.status, answer.json.code], [403, 'no_grant']);
  });

  it('containers of the pod reach each other by localhost and by the pod’s addresses, on any port', async () => {
    const { podIPs } = (await read()).status;
    assert.equal(podIPs.length, 2);
    const hosts = ['127.0.0.1', 'localhost', '::1', ...podIPs.map(({ ip }) => ip)];
    const places = hosts.flatMap((host) => [53, 80, 443, 5432, 8080].map((port) => ({ host, port })));
    const answers = await tries(...places.map((place) => ({ say: 'GET / HTTP/1.0\r\n\r', ...place })));
    assert.deepEqual(
      answers.map(({ outcome }) => outcome.split('\n').at(-1)),
      places.map(({ port }) => `server on ${port}`),
    );
    const [datagram] = await tries({ send: 'hello', host: '127.0.0.1', port: 53 });
    assert.equal(datagram?.outcome, 'hello from 53');
  });

  it('another pod, which is not injected, calls the agent’s server, by both families', async () => {
    for (const { ip } of (await read()).status.podIPs) {
      const url = `http://${ip.includes(':') ? `[${ip}]` : ip}:8080/`;
      assert.equal(await kubectl('exec', 'neighbour', '--', 'curl', '-sS', '-m', '5', url), 'server on 8080');
    }
  });

  it('a destination that was opened after the pod was created is refused, said to need a restart, and works after it', async () => {
    await node.publishHostService({ namespace: 'stores', name: 'late', port: 5432, hostPort: echo.port });
    await apply(
      destination('late', { service: { namespace: 'stores', name: 'late', port: 5432, scheme: 'tcp' } }),
      policy([...granted, 'late'], []),
    );
    await waitFor({ what: 'the name', timeoutMs: 10_000 }, async () =>
      synthetic.test(await atOnce({ lookup: 'late.stores.svc' })),
    );
    assert.equal(await atOnce(insist('late.stores.svc')), 'ECONNREFUSED');
    await waitFor({ what: 'the condition AgentsNeedRestart', timeoutMs: 30_000 }, async () =>
      /"AgentsNeedRestart"/.test(await kubectl('get', 'agpol', 'captured', '-o', 'json')),
    );
    await kubectl('rollout', 'restart', 'deploy/captured');
    await kubectl('rollout', 'status', 'deploy/captured', '--timeout=100s');
    assert.equal(await atOnce(insist('late.stores.svc')), 'SELECT 1');
  });

  it('the sandbox dies: the rules are written again before anything else starts, and the agent works again', async () => {
    const before = await read();
    const world = await startWorld(
      before.status.podIPs.map(({ ip }) => ip),
      [],
    );
    try {
      await killSandbox(before.metadata.name);
      const again = await waitFor(
        { what: 'the pod of a new sandbox', timeoutMs: 60_000, everyMs: 300 },
        async () => {
          const now = await read();
          const capture = now.status.initContainerStatuses.find(({ name }) => name === 'outrider-capture');
          await kubectl('wait', '--for=condition=Ready', `pod/${now.metadata.name}`, '--timeout=1s');
          return (capture?.restartCount ?? 0) > 0 && now;
        },
      );
      assert.equal(again.metadata.uid, before.metadata.uid);
      const outcomes = await tries(
        insist('echo.stores.svc'),
        ...worldAddresses.four.map((host) => ({ say: 'x', host, port: 22 })),
        ...worldAddresses.six.map((host) => ({ say: 'x', host, port: 22 })),
      );
      const [allowed, ...others] = outcomes.map(({ outcome }) => outcome);
      assert.equal(allowed, 'SELECT 1');
      assert.deepEqual([...new Set(others)], ['ECONNREFUSED']);
      assert.deepEqual(
        Object.entries(await world.packets()).filter(([, packets]) => packets > 0),
        [],
      );
    } finally {
      await world.close();
    }
  });

  it('haltAgents cuts an open connection within 2 s, and refuses new ones', async () => {
    const held = agent.exec(holdConnection('echo.stores.svc', 5432, 20_000), 40_000);
    const connections = echo.connections();
    await waitFor(
      { what: 'the connection', timeoutMs: 20_000 },
      async () => echo.connections() > connections,
    );
    await delay(200);
    await kubectl('patch', 'agpol', 'captured', '--type=merge', '-p', '{"spec":{"haltAgents":true}}');
    const haltedAt = Date.now();
    const [opened, closedAt] = (await held).trim().split('\n');
    assert.equal(opened, 'open');
    assert.ok(Number(closedAt) > 0, 'the connection was never cut');
    const cutMs = Number(closedAt) - haltedAt;
    assert.ok(cutMs < 2000, `cut after ${cutMs} ms`);
    assert.match(await atOnce(insist('echo.stores.svc')), /^(?:closed|ECONNRESET)$/);
    const line = await untilLine(({ entry, reason }) => entry === 'captured_tcp' && reason === 'halted');
    assert.deepEqual([line.host, line.decision, line.requestBytes], ['echo.stores.svc', 'deny', 0]);
    await kubectl('patch', 'agpol', 'captured', '--type=merge', '-p', '{"spec":{"haltAgents":false}}');
    await waitFor(
      { what: 'the agent goes on', timeoutMs: 10_000 },
      async () => (await atOnce(insist('echo.stores.svc'))) === 'SELECT 1',
    );
  });

  async function killSandbox(pod: string): Promise<void> {
    const label = (name: string, value: string): string => `labels."io.${name}"==${value}`;
    const filter = [label('cri-containerd.kind', 'sandbox'), label('kubernetes.pod.name', pod)].join(',');
    const id = (await node.containerd.ctr(['containers', 'list', '--quiet', filter])).trim();
    const task = (await node.containerd.ctr(['tasks', 'list']))
      .split('\n')
      .find((line) => line.startsWith(id));
    process.kill(Number(task?.trim().split(/\s+/)[1]), 'SIGKILL');
  }
});

function destination(name: string, spec: object): object {
  const namespaceSelector = { matchLabels: { team: 'research' } };
  return {
    apiVersion: 'outrider.dev/v1alpha1',
    kind: 'AgentDestination',
    metadata: { name },
    spec: { namespaceSelector, ...spec },
  };
}

/** Grants each destination by a rule of its name. */
function policy(destinations: readonly string[], others: readonly object[]): object {
  const rules = [
    ...destinations.map((name) => ({ name, action: 'Allow', destination: name })),
    ...others.map((rule, index) => ({ name: `other-${index}`, action: 'Allow', ...rule })),
  ];
  return {
    apiVersion: 'outrider.dev/v1alpha1',
    kind: 'AgentPolicy',
    metadata: { name: 'captured', namespace: 'research' },
    spec: { agents: { podSelector: { matchLabels: { app: 'captured' } } }, rules },
  };
}

/** Says which port was called, on each that something else might want, and tells the kubelet that it is ready. */
const server = `
  for (const port of [53, 80, 443, 5432, 8080])
    require('node:http').createServer((request, response) => response.end('server on ' + port)).listen(port);
  const socket = require('node:dgram').createSocket('udp4');
  socket.on('message', (text, { port, address }) => socket.send(text + ' from 53', port, address)).bind(53);
  process.on('SIGTERM', () => process.exit());`;

const captured = {
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'captured', namespace: 'research' },
  spec: {
    strategy: { type: 'Recreate' },
    selector: { matchLabels: { app: 'captured' } },
    template: {
      metadata: { labels: { app: 'captured' }, annotations: { 'outrider.dev/inject': 'true' } },
      spec: {
        terminationGracePeriodSeconds: 1,
        containers: [
          {
            name: 'agent',
            image: 'localhost/node:26',
            command: ['sleep', 'infinity'],
            securityContext: { runAsUser: 1000 },
          },
          {
            name: 'server',
            image: 'localhost/node:26',
            command: ['node', '-e', server],
            securityContext: { runAsUser: 0, capabilities: { add: ['NET_BIND_SERVICE'] } },
            readinessProbe: { httpGet: { path: '/ready', port: 8080 }, periodSeconds: 1 },
            livenessProbe: { tcpSocket: { port: 53 }, periodSeconds: 2 },
          },
        ],
      },
    },
  },
};

const neighbour = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'neighbour', namespace: 'research' },
  spec: {
    terminationGracePeriodSeconds: 0,
    containers: [{ name: 'neighbour', image: 'localhost/node:26', command: ['sleep', 'infinity'] }],
  },
};
