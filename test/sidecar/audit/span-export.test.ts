import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import type { RulesetTelemetry } from '../../../policy/ruleset.ts';
import type { Audit } from '../../../sidecar/audit/record.ts';
import { createSpanExport } from '../../../sidecar/audit/span-export.ts';
import { createAuthority, type Authority, type Certificate } from '../../cluster/certificates.ts';
import { waitFor } from '../../cluster/deadline.ts';
import { createSettableSnapshots, rulesetWith, type SettableSnapshots } from '../settable-snapshots.ts';
import { agentSpan, agentTrace, denied, exchange, unreadable, withoutSecret, relayed } from './exchanges.ts';
import { startCollector, type CollectedSpan, type Collector } from './otlp-collector.ts';

let folder = '';
let authority: Authority;
let certificate: Certificate;
let collector: Collector;
let snapshots: SettableSnapshots;
let spans: Audit;
let codes: string[] = [];

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'outrider-spans-'));
  authority = await createAuthority(folder);
  certificate = await authority.issue({
    name: 'collector',
    subject: '/CN=collector',
    alternativeNames: ['IP:127.0.0.1'],
    usages: ['serverAuth'],
  });
});
after(() => rmSync(folder, { recursive: true, force: true }));

beforeEach(async () => {
  codes = [];
  collector = await startCollector();
  snapshots = createSettableSnapshots();
  spans = createSpanExport({
    snapshots,
    diagnostics: { failed: ({ code }) => codes.push(code), happened: () => {} },
    resource: {
      'service.name': 'outrider-sidecar',
      'k8s.pod.name': 'triage-1',
      'k8s.namespace.name': 'support',
    },
  });
});
afterEach(async () => {
  await spans.close();
  await collector.close();
});

function direct(telemetry: RulesetTelemetry | null): void {
  snapshots.set(rulesetWith({ telemetry }));
}

async function collected(count: number, from = collector): Promise<CollectedSpan[]> {
  const evidence = (): string => codes.join(' ');
  await waitFor(
    { what: `${count} spans`, timeoutMs: 8000, everyMs: 10, evidence },
    async () => from.spans.length >= count,
  );
  return from.spans;
}

describe('an exchange', () => {
  test("is a SERVER span under the agent's, with a child for each phase", async () => {
    direct({ endpoint: collector.endpoint });
    const record = exchange();
    spans.record(record);
    const [server, decide, resolve, upstream] = await collected(4);
    assert.deepEqual(
      [server, decide, resolve, upstream].map((span) => [span?.name, span?.kind, span?.parentSpanId]),
      [
        ['GET', 2, agentSpan],
        ['decide', 1, record.trace.spanId],
        ['resolve', 1, record.trace.spanId],
        ['GET', 3, record.trace.spanId],
      ],
    );
    assert.deepEqual(new Set(collector.spans.map(({ traceId }) => traceId)), new Set([agentTrace]));
    assert.equal(server?.spanId, record.trace.spanId);
    assert.equal(upstream?.spanId, record.trace.upstreamSpanId, 'the one that the upstream was told');
    assert.equal(server?.traceState, 'vendor=1');
    assert.equal(server?.startTimeUnixNano, 1777636800000250000n);
    assert.equal(server?.endTimeUnixNano, 1777636800012750000n);
    assert.deepEqual(server?.attributes, {
      'http.request.method': 'GET',
      'url.scheme': 'https',
      'server.address': 'api.github.com',
      'server.port': 443,
      'url.path': '/repos/acme/docs',
      'http.response.status_code': 200,
      'http.request.body.size': 0,
      'http.response.body.size': 1024,
      'network.protocol.version': '1.1',
      'outrider.decision': 'allow',
      'outrider.policy': 'research',
      'outrider.rule': 'read',
      'outrider.credential': 'github-bot',
      'outrider.revision': '0123456789abcdef',
      'outrider.decision_id': 'decision-1',
      'outrider.capture': 'cooperative',
      'outrider.entry': 'connect',
    });
    assert.deepEqual(resolve?.attributes, { 'outrider.credential': 'github-bot' });
    assert.deepEqual(upstream?.attributes, {
      'http.request.method': 'GET',
      'url.scheme': 'https',
      'server.address': 'api.github.com',
      'server.port': 443,
      'url.full': 'https://api.github.com:443/repos/acme/docs',
      'http.response.status_code': 200,
    });
    assert.deepEqual(server?.resource, {
      'service.name': 'outrider-sidecar',
      'k8s.pod.name': 'triage-1',
      'k8s.namespace.name': 'support',
    });
  });

  test('that nobody read is a connection with its bytes, and no request', async () => {
    direct({ endpoint: collector.endpoint });
    spans.record(exchange(relayed));
    const [server, , upstream] = await collected(3);
    assert.deepEqual([server?.name, upstream?.name], ['TCP', 'TCP']);
    assert.deepEqual(server?.attributes, {
      'network.transport': 'tcp',
      'server.address': 'db.example',
      'server.port': 5432,
      'outrider.request_bytes': 311,
      'outrider.response_bytes': 1024,
      'outrider.decision': 'allow',
      'outrider.policy': 'research',
      'outrider.rule': 'read',
      'outrider.revision': '0123456789abcdef',
      'outrider.decision_id': 'decision-1',
      'outrider.capture': 'captured',
      'outrider.entry': 'captured_tcp',
    });
    assert.deepEqual(upstream?.attributes, {
      'network.transport': 'tcp',
      'server.address': 'db.example',
      'server.port': 5432,
    });
  });

  test('that was refused has its reason, and is an error only when we or a dependency failed', async () => {
    direct({ endpoint: collector.endpoint });
    spans.record(exchange(denied));
    spans.record(exchange(withoutSecret));
    spans.record(exchange(unreadable));
    await collected(6);
    const servers = collector.spans.filter(({ kind }) => kind === 2);
    assert.deepEqual(
      servers.map(({ name, statusCode, attributes }) => [
        name,
        statusCode,
        attributes['outrider.reason'],
        attributes['error.type'],
      ]),
      [
        ['GET', 0, 'no_grant', undefined],
        ['GET', 2, 'secret_unavailable', 'VAULT_SEALED'],
        ['HTTP', 0, 'request_ambiguous', undefined],
      ],
    );
    assert.ok(servers.every(({ attributes }) => attributes['outrider.decision'] === 'deny'));
    const resolve = collector.spans.find(({ name }) => name === 'resolve');
    assert.deepEqual([resolve?.statusCode, resolve?.attributes['error.type']], [2, 'VAULT_SEALED']);
  });

  test('S-12: leaves no query and no message behind', async () => {
    direct({ endpoint: collector.endpoint });
    for (const changes of [{}, denied, withoutSecret, unreadable]) spans.record(exchange(changes));
    await collected(10);
    assert.doesNotMatch(collector.text, /canary/);
  });

  test('is recorded although the agent sampled its trace out', async () => {
    direct({ endpoint: collector.endpoint });
    spans.record(exchange({ trace: { ...exchange().trace, flags: 0 } }));
    await collected(4);
  });

  test('with a method of its own is named by none', async () => {
    direct({ endpoint: collector.endpoint });
    const { request } = exchange();
    spans.record(exchange({ request: request && { ...request, method: 'PURGE' } }));
    const [server] = await collected(4);
    assert.equal(server?.name, 'HTTP');
    assert.equal(server?.attributes['http.request.method'], '_OTHER');
    assert.equal(server?.attributes['http.request.method_original'], 'PURGE');
  });
});

describe('the collector', () => {
  test('T-07: is verified against its CA', async () => {
    const secure = await startCollector(certificate);
    direct({ endpoint: secure.endpoint });
    spans.record(exchange());
    await waitFor({ what: 'the failure', timeoutMs: 15_000 }, async () =>
      codes.includes('SPANS_UNDELIVERED'),
    );
    direct({ endpoint: secure.endpoint, caBundle: authority.certPem });
    spans.record(exchange());
    await collected(4, secure);
    assert.equal(secure.spans.length, 4);
    await secure.close();
  });

  test('changes with the ruleset, and none is none', async () => {
    const next = await startCollector();
    spans.record(exchange());
    direct({ endpoint: collector.endpoint });
    spans.record(exchange());
    direct({ endpoint: next.endpoint });
    spans.record(exchange());
    await Promise.all([collected(4), collected(4, next)]);
    direct(null);
    spans.record(exchange());
    await spans.close();
    assert.deepEqual([collector.spans.length, next.spans.length], [4, 4]);
    await next.close();
  });

  test('that fails, redirects or is nonsense costs spans and nothing else', async () => {
    collector.status = 400;
    direct({ endpoint: collector.endpoint });
    spans.record(exchange());
    await waitFor({ what: 'the failure', timeoutMs: 8000 }, async () => codes.length > 0);
    direct({ endpoint: 'nonsense' });
    spans.record(exchange());
    direct({ endpoint: 'http://127.0.0.1:1' });
    for (let index = 0; index < 20_000; index += 1) spans.record(exchange());
    direct({ endpoint: collector.endpoint });
    collector.status = 200;
    spans.record(exchange());
    await collected(4);
    assert.deepEqual(new Set(codes), new Set(['SPANS_UNDELIVERED']));
  });
});
