// The sidecar as a process in a pod that was captured: what netfilter would redirect is sent to its ports directly, and
// the init container's report is the test's. The rules themselves are met in test/sidecar/capture and test/e2e.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
  captureReportFile,
  encodePlan,
  relayAddress,
  syntheticAddress,
  type CapturePlan,
  type CaptureReport,
} from '../../policy/capture-plan.ts';
import type { Ruleset } from '../../policy/ruleset.ts';
import { waitFor } from '../cluster/deadline.ts';
import { findFreePort } from '../cluster/free-port.ts';
import { startCollector, type Collector } from './audit/otlp-collector.ts';
import { startTlsOperator, type TlsOperator } from './control/tls-operator.ts';
import { askUdp, query, typeCodes, type Answered } from './dns/dns-query.ts';
import { startNameServer, type NameServer } from './dns/name-server.ts';
import { createPodFolders, startPod, type Pod } from './pod.ts';
import { openCapturedTls } from './proxy/entries.ts';
import { createTestCa, originName, startOrigin, type Origin, type TestCa } from './proxy/origin.ts';
import { compose, openSocket, send } from './proxy/raw-client.ts';
import { rulesetWith } from './settable-snapshots.ts';

const database = 'db.example.test';
let ca: TestCa;
let origin: Origin;
let operator: TlsOperator;
let collector: Collector;
let names: NameServer;
let folder = '';
let plan: CapturePlan;

before(async () => {
  ca = await createTestCa();
  origin = await startOrigin(ca);
  const issue = { subject: '/CN=x', alternativeNames: ['IP:127.0.0.1'], usages: ['serverAuth'] } as const;
  operator = await startTlsOperator(await ca.authority.issue({ ...issue, name: 'operator' }));
  collector = await startCollector(await ca.authority.issue({ ...issue, name: 'collector' }));
  names = await startNameServer((name, type) =>
    name === originName && type === 'A' ? ['127.0.0.1'] : 'NXDOMAIN',
  );
  folder = mkdtempSync(join(tmpdir(), 'outrider-captured-'));
  const [listener, relay] = [await findFreePort(), await findFreePort()];
  plan = {
    ports: [{ port: origin.port, listener }],
    relays: [{ name: database, port: 5432, listener: relay, slot: 1 }],
  };
});
after(async () => {
  await Promise.all([operator.close(), collector.close(), origin.close()]);
  names.close();
  ca.close();
  rmSync(folder, { recursive: true, force: true });
});

let pods = 0;

interface Start {
  /** Null: the init container left none. */
  readonly report?: string | null;
  readonly environment?: Readonly<Record<string, string>>;
  readonly ports?: Readonly<Partial<Record<'tls' | 'dns', number>>>;
}

function reportOf(changes: Partial<CaptureReport> = {}): string {
  const report: CaptureReport = {
    level: 'captured',
    plan: encodePlan(plan),
    families: ['four'],
    at: '2026-05-01T12:00:00Z',
  };
  return JSON.stringify({ ...report, ...changes });
}

async function start({ report = reportOf(), environment, ports = {} }: Start = {}): Promise<Pod> {
  pods += 1;
  const root = join(folder, String(pods));
  createPodFolders(root);
  writeFileSync(join(root, 'tokens', 'operator'), 'token.of.the-pod');
  if (report !== null) writeFileSync(join(root, 'keys', captureReportFile), report);
  return startPod({
    root,
    operator: operator.address,
    operatorCa: ca.authority.certPem,
    environment: environment ?? { OUTRIDER_CAPTURE: encodePlan(plan), OUTRIDER_DNS_SERVERS: names.address },
    ports,
  });
}

describe('it does not start', () => {
  const cases: Record<string, [options: () => Start, code: string]> = {
    'K-10: without the report of a capture': [() => ({ report: null }), 'CAPTURE_UNREPORTED'],
    'K-10: with a report that cannot be read': [() => ({ report: '{}' }), 'CAPTURE_REPORT_UNREADABLE'],
    'K-10: when another plan was written as rules': [
      () => ({ report: reportOf({ plan: encodePlan({ ports: [], relays: [] }) }) }),
      'CAPTURE_PLAN_DIFFERS',
    ],
    'K-10: when rules were written and nobody told it to listen': [
      () => ({ environment: {} }),
      'CAPTURE_PLAN_DIFFERS',
    ],
    'K-26: without DNS servers of the platform': [
      () => ({ environment: { OUTRIDER_CAPTURE: encodePlan(plan) } }),
      'CONFIG_INVALID',
    ],
  };
  for (const [title, [options, code]] of Object.entries(cases)) {
    test(title, async () => {
      const failed = await start(options());
      assert.match(failed.stderr(), new RegExp(`"code":"${code}"`));
      assert.equal(await failed.end('SIGKILL'), 1);
    });
  }

  for (const name of ['tls', 'dns', 'planned', 'relay'] as const) {
    test(`K-22: when something else holds its port: ${name}`, async () => {
      const squatter = createServer();
      const taken =
        { planned: plan.ports[0]?.listener, relay: plan.relays[0]?.listener }[name as string] ?? 0;
      squatter.listen(taken, '127.0.0.1');
      await once(squatter, 'listening');
      const { port } = squatter.address() as AddressInfo;
      const failed = await start(name === 'tls' || name === 'dns' ? { ports: { [name]: port } } : {});
      assert.match(failed.stderr(), /"code":"PORT_TAKEN"/);
      assert.equal(await failed.end('SIGKILL'), 1);
      squatter.close();
      await once(squatter, 'close');
    });
  }
});

describe('in a captured pod', () => {
  let pod: Pod;
  let streamsBefore = 0;
  const place = (): string => `${originName}:${origin.port}`;

  before(async () => {
    streamsBefore = operator.streams.length;
    pod = await start();
    assert.notEqual(pod.ports.tls, 0, pod.stderr());
  });
  after(() => pod.end('SIGKILL'));

  async function ask(name: string, type: keyof typeof typeCodes = 'A'): Promise<Answered> {
    const answered = await askUdp(pod.ports.dns, query({ name, type: typeCodes[type] }));
    assert.ok(answered !== null, 'no answer');
    return answered;
  }

  const addressIn = ({ bytes }: Answered): string => [...bytes.subarray(-4)].join('.');

  function ruleset(): Ruleset {
    return rulesetWith({
      grants: [
        { policy: 'team', name: 'api', action: 'Allow', destination: 'api', paths: ['/v1/**'] },
        { policy: 'team', name: 'db', action: 'Allow', destination: 'db' },
      ],
      destinations: {
        api: {
          names: [originName],
          port: origin.port,
          scheme: 'https',
          cidrs: ['127.0.0.0/8'],
          caBundle: ca.authority.certPem,
        },
        db: { names: [database], port: 5432, scheme: 'tcp', cidrs: ['127.0.0.0/8'] },
      },
      telemetry: { endpoint: collector.endpoint, caBundle: ca.authority.certPem },
    });
  }

  test('N-05: no name is decided before there is a ruleset', async () => {
    assert.equal((await ask(originName)).rcode, 2);
  });

  test('K-14: no request is let through before there is a ruleset, by any listener', async () => {
    const socket = await openSocket(pod.ports.http);
    const answer = await send(socket, compose('GET', originName, '/'));
    assert.deepEqual([answer.status, answer.problem?.code], [503, 'policy_stale']);
    socket.destroy();
    const caPem = readFileSync(join(folder, String(pods), 'trust', 'ca.crt'), 'utf8');
    const secure = await openCapturedTls({ caPem }, plan.ports[0]?.listener ?? 0, originName);
    assert.equal((await send(secure, compose('GET', place(), '/v1/items'))).problem?.code, 'policy_stale');
    secure.destroy();
    const relayed = connect(plan.relays[0]?.listener ?? 0, '127.0.0.1');
    const [error] = (await once(relayed.resume(), 'error')) as [NodeJS.ErrnoException];
    assert.equal(error.code, 'ECONNRESET');
    const wait = { what: 'the lines', timeoutMs: 5000, everyMs: 10 };
    await waitFor(wait, async () => pod.decisions().length === 3);
    const said = pod.decisions().map(({ entry, reason }) => [entry, reason]);
    assert.deepEqual(
      said,
      ['captured_http', 'captured_tls', 'captured_tcp'].map((entry) => [entry, 'policy_stale']),
    );
  });

  test('N-05: names that rules know have an address that leads to the sidecar, others none', async () => {
    const wait = { what: 'readiness', timeoutMs: 10_000, everyMs: 10, evidence: pod.stderr };
    await waitFor(wait, async () => operator.streams.length > streamsBefore);
    operator.sendRuleset(ruleset(), { AgentPolicy: '1' });
    await waitFor(wait, async () => (await pod.health('/readyz')) === 200);
    const [relay] = plan.relays;
    assert.ok(relay !== undefined);
    assert.equal(addressIn(await ask(originName)), syntheticAddress(originName).four);
    assert.equal(addressIn(await ask(database)), relayAddress(relay).four);
    assert.deepEqual((await ask(originName, 'AAAA')).counts.slice(1, 2), [0]);
    assert.equal((await ask('evil.test')).rcode, 3);
    assert.equal((await ask(`secret.${originName}`)).rcode, 3);
    assert.deepEqual(names.questions, [], 'nothing is asked upstream');
  });

  test('N-21: a captured request is decided, sent where its name leads, and recorded with its level', async () => {
    const listener = plan.ports[0]?.listener ?? 0;
    const caPem = readFileSync(join(folder, String(pods), 'trust', 'ca.crt'), 'utf8');
    const seen = pod.decisions().length;
    const socket = await openCapturedTls({ caPem }, listener, originName);
    assert.equal((await send(socket, compose('GET', place(), '/v1/items'))).body, 'hello');
    assert.equal((await send(socket, compose('GET', place(), '/admin'))).problem?.code, 'no_grant');
    socket.destroy();
    await waitFor({ what: 'the lines', timeoutMs: 5000 }, async () => pod.decisions().length === seen + 2);
    assert.deepEqual(
      pod
        .decisions()
        .slice(seen)
        .map(({ decision, host, path, entry, capture }) => [decision, host, path, entry, capture]),
      [
        ['allow', originName, '/v1/items', 'captured_tls', 'captured'],
        ['deny', originName, '/admin', 'captured_tls', 'captured'],
      ],
    );
    assert.deepEqual([...new Set(names.questions)].toSorted(), [`A ${originName}`, `AAAA ${originName}`]);
    const spans = await waitFor({ what: 'the spans', timeoutMs: 10_000 }, async () => {
      const servers = collector.spans.filter(({ kind }) => kind === 2);
      return servers.length === 2 ? servers : undefined;
    });
    for (const { attributes } of spans) {
      assert.equal(attributes['outrider.capture'], 'captured');
      assert.equal(attributes['outrider.entry'], 'captured_tls');
    }
  });

  test('a request by the proxy port is of a captured agent, too', async () => {
    const socket = await openSocket(pod.ports.proxy);
    const seen = pod.decisions().length;
    await send(socket, compose('GET', 'evil.test', 'https://evil.test/'));
    socket.destroy();
    await waitFor({ what: 'the line', timeoutMs: 5000 }, async () => pod.decisions().length > seen);
    const line = pod.decisions().at(-1);
    assert.deepEqual([line?.['entry'], line?.['capture']], ['absolute', 'captured']);
  });

  test('it says at its start what it listens on', () => {
    assert.match(pod.stderr(), /"event":"listening".*"capture":"captured"/);
  });
});
