import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { features, rulesetRevision } from '../../../policy/ruleset.ts';
import { createKeptWatermark } from '../../../sidecar/control/kept-watermark.ts';
import { createOperatorEndpoint, type OperatorEndpoint } from '../../../sidecar/control/operator-endpoint.ts';
import { createOperatorStream, type OperatorStream } from '../../../sidecar/control/operator-stream.ts';
import { createPolicyState, type PolicyState } from '../../../sidecar/control/policy-state.ts';
import { createReports } from '../../../sidecar/control/reports.ts';
import type { Diagnostics } from '../../../sidecar/diagnostics.ts';
import { createAuthority, type Authority, type Certificate } from '../../cluster/certificates.ts';
import { waitFor } from '../../cluster/deadline.ts';
import { rulesetWith } from '../settable-snapshots.ts';
import { startTlsOperator, type TlsOperator } from './tls-operator.ts';

let folder = '';
let authority: Authority;
let certificate: Certificate;
let operator: TlsOperator;
let state: PolicyState;
let endpoint: OperatorEndpoint;
let stream: OperatorStream;
let running: Promise<void> | null = null;
let codes: string[] = [];
let [keysDirectory, tokensDirectory, stateDirectory] = ['', '', ''];

const grants = rulesetWith({
  grants: [{ policy: 'p', name: 'read', action: 'Allow', hosts: ['api.example'] }],
});
const other = rulesetWith({
  grants: [{ policy: 'p', name: 'write', action: 'Allow', hosts: ['api.example'] }],
});
const mark = (version: number): Record<string, string> => ({ AgentPolicy: String(version) });
const diagnostics: Diagnostics = { failed: ({ code }) => codes.push(code), happened: () => {} };
const timing = { connectMs: 1000, silenceMs: 400, firstBackoffMs: 20, maxBackoffMs: 100 };

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'outrider-stream-'));
  authority = await createAuthority(folder);
  certificate = await authority.issue({
    name: 'operator',
    subject: '/CN=outrider',
    alternativeNames: ['IP:127.0.0.1', 'DNS:localhost'],
    usages: ['serverAuth'],
  });
});
after(() => rmSync(folder, { recursive: true, force: true }));

beforeEach(async () => {
  [keysDirectory, tokensDirectory, stateDirectory] = ['keys-', 'tokens-', 'state-'].map((name) =>
    mkdtempSync(join(folder, name)),
  ) as [string, string, string];
  writeFileSync(join(tokensDirectory, 'operator'), 'canary.token.1\n');
  codes = [];
  operator = await startTlsOperator(certificate);
  build();
});
afterEach(async () => {
  stream.close();
  await running;
  running = null;
  await operator.close();
});

function build(ca = authority.certPem, address = operator.address): void {
  const kept = createKeptWatermark({ directory: stateDirectory });
  state = createPolicyState({ kept, onFailure: (error) => codes.push(error.code) });
  endpoint = createOperatorEndpoint({ address, ca, keysDirectory, tokensDirectory });
  stream = createOperatorStream({ endpoint, state, diagnostics, timing });
}

function start(): void {
  running = stream.run();
}

async function until(what: string, probe: () => boolean): Promise<void> {
  await waitFor({ what, timeoutMs: 5000, everyMs: 5, evidence: () => codes.join(' ') }, async () => probe());
}

const streams = (count: number) => (): boolean => operator.streams.length >= count;
const failed = (code: string) => (): boolean => codes.includes(code);

describe('not followed', () => {
  test('T-07: an operator that another CA signed; the token is not shown to it', async () => {
    const elsewhere = mkdtempSync(join(folder, 'elsewhere-'));
    build((await createAuthority(elsewhere)).certPem);
    start();
    await until('the failure', failed('OPERATOR_UNTRUSTED'));
    assert.equal(operator.streams.length, 0);
  });

  test('T-07: an operator whose certificate is for another name', async () => {
    const foreign = await authority.issue({
      name: 'foreign',
      subject: '/CN=x',
      alternativeNames: ['DNS:elsewhere'],
      usages: ['serverAuth'],
    });
    operator.setCertificate(foreign);
    start();
    await until('the failure', failed('OPERATOR_UNTRUSTED'));
    assert.equal(operator.streams.length, 0);
  });

  const answers: Record<string, [status: number, headers: Record<string, string>, code: string]> = {
    'an operator that refuses the token': [401, {}, 'OPERATOR_REFUSED'],
    'an operator that does not know the pod': [403, {}, 'OPERATOR_REFUSED'],
    'a replica that is behind or cut off': [503, {}, 'OPERATOR_UNAVAILABLE'],
    'a redirect': [307, { location: 'https://127.0.0.1:1/v1/ruleset' }, 'OPERATOR_UNAVAILABLE'],
    'something that is no stream': [200, { 'content-type': 'text/html' }, 'STREAM_MALFORMED'],
  };
  for (const [what, [status, headers, code]] of Object.entries(answers)) {
    test(`${what}, which is asked again`, async () => {
      let asked = 0;
      operator.onStream = (_, response) => {
        asked += 1;
        response.writeHead(status, headers).end('event: ruleset\ndata: {}\n\n');
      };
      start();
      await until('the failure', failed(code));
      await until('another attempt', () => asked > 1);
      assert.equal(state.current(), null);
    });
  }

  test('a pod without its token', async () => {
    rmSync(join(tokensDirectory, 'operator'));
    start();
    await until('the failure', failed('OPERATOR_TOKEN_MISSING'));
    writeFileSync(join(tokensDirectory, 'operator'), 'later');
    await until('the stream', streams(1));
    assert.equal(operator.streams[0]?.headers.authorization, 'Bearer later');
  });

  test('events that are no JSON', async () => {
    start();
    await until('the stream', streams(1));
    operator.send('event: ruleset\ndata: {nonsense\n\n');
    await until('the failure', failed('STREAM_MALFORMED'));
    await until('another stream', streams(2));
  });

  test('O-10: a replica that is behind, which is left for another', async () => {
    start();
    await until('the stream', streams(1));
    operator.sendRuleset(grants, mark(10));
    await until('the ruleset', () => state.current() !== null);
    operator.sendRuleset(other, mark(9));
    await until('another stream', streams(2));
    assert.ok(codes.includes('RULESET_OLDER'));
    assert.equal(operator.streams[1]?.headers['outrider-watermark'], '{"AgentPolicy":"10"}');
    operator.sendHeartbeat(mark(9));
    await until('a third stream', streams(3));
    assert.equal(state.current()?.revision, rulesetRevision(grants));
  });

  test('O-11: a ruleset that cannot be enforced, while the stream goes on', async () => {
    start();
    await until('the stream', streams(1));
    operator.sendRuleset({ ...grants, requires: ['rules/v9'] }, mark(10));
    await until('the failure', failed('RULESET_UNREADABLE'));
    operator.sendRuleset(other, mark(11));
    await until('the next ruleset', () => state.current()?.revision === rulesetRevision(other));
    assert.equal(operator.streams.length, 1);
  });
});

describe('followed', () => {
  test('with the token of now, our features and the highest watermark', async () => {
    start();
    await until('the stream', streams(1));
    const { headers } = operator.streams[0] ?? assert.fail();
    assert.equal(headers.authorization, 'Bearer canary.token.1');
    assert.equal(headers['outrider-features'], features.join(','));
    assert.equal(headers['outrider-watermark'], '{}');
    writeFileSync(join(tokensDirectory, 'operator'), 'canary.token.2');
    operator.sendRuleset(grants, mark(10));
    await until('the ruleset', () => state.fresh());
    operator.streams[0]?.response.end();
    await until('the next stream', streams(2));
    assert.equal(operator.streams[1]?.headers.authorization, 'Bearer canary.token.2');
    assert.equal(operator.streams[1]?.headers['outrider-watermark'], '{"AgentPolicy":"10"}');
  });

  test('events in pieces, and events of a newer operator between them', async () => {
    start();
    await until('the stream', streams(1));
    const data = { revision: rulesetRevision(grants), watermark: mark(1), lease: 60, ruleset: grants };
    const text = `: hello\nevent: weather\ndata: sunny\n\nevent: ruleset\ndata: ${JSON.stringify(data)}\n\n`;
    for (const piece of text.match(/[^]{1,7}/g) ?? []) operator.send(piece);
    await until('the ruleset', () => state.current() !== null);
    assert.deepEqual(codes, []);
  });

  test('P-11: a stream that falls silent is dropped and opened again, also when bytes trickle', async () => {
    start();
    await until('the stream', streams(1));
    operator.sendRuleset(grants, mark(10));
    await until('the ruleset', () => state.current() !== null);
    const trickle = setInterval(() => operator.streams[0]?.response.write(': alive\n'), 50);
    await until('the next stream', streams(2));
    clearInterval(trickle);
    assert.ok(codes.includes('OPERATOR_SILENT'));
    assert.equal(state.current()?.revision, rulesetRevision(grants), 'the last good ruleset stays');
  });

  test('heartbeats keep a stream open', async () => {
    start();
    await until('the stream', streams(1));
    operator.sendRuleset(grants, mark(10));
    const beat = setInterval(() => operator.sendHeartbeat(mark(10)), 100);
    await new Promise((resolve) => setTimeout(resolve, 1200));
    clearInterval(beat);
    assert.equal(operator.streams.length, 1);
    assert.deepEqual(codes, []);
  });

  test('a stream that the operator ends is opened again without a failure', async () => {
    start();
    await until('the stream', streams(1));
    operator.sendRuleset(grants, mark(10));
    await until('the ruleset', () => state.current() !== null);
    operator.streams[0]?.response.end();
    await until('the next stream', streams(2));
    assert.deepEqual(codes, []);
  });

  test('an operator that comes back after an outage, by backing off no more than the limit', async () => {
    const port = Number(operator.address.split(':')[1]);
    await operator.close();
    start();
    await until('the failure', failed('OPERATOR_UNREACHABLE'));
    const before = codes.length;
    await new Promise((resolve) => setTimeout(resolve, 500));
    const attempts = codes.length - before;
    assert.ok(attempts >= 2 && attempts <= 500 / (timing.maxBackoffMs / 2) + 1, `${attempts} attempts`);
    operator = await startTlsOperator(certificate, port);
    await until('the stream', streams(1));
  });
});

describe('trust', () => {
  test('a CA that a ruleset announces is believed, and still is after a restart', async () => {
    const next = await createAuthority(mkdtempSync(join(folder, 'next-')), 'next');
    const rotated = await next.issue({
      name: 'operator',
      subject: '/CN=outrider',
      alternativeNames: ['IP:127.0.0.1'],
      usages: ['serverAuth'],
    });
    start();
    await until('the stream', streams(1));
    const announcing = { ...grants, operatorCas: authority.certPem + next.certPem };
    operator.sendRuleset(announcing, mark(10));
    await until('the announcement', () => endpoint.ca().includes(next.certPem.trim()));
    operator.setCertificate(rotated);
    operator.streams[0]?.response.end();
    await until('a stream under the new CA', streams(2));
    assert.deepEqual(codes, []);
    stream.close();
    await running;
    build();
    start();
    await until('a stream after the restart', streams(3));
    assert.deepEqual(codes, []);
  });

  test('an announcement of nothing, or of something that is no CA, changes nothing', async () => {
    await endpoint.keepCas('');
    await endpoint.keepCas('-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----');
    await endpoint.keepCas(certificate.certPem);
    assert.equal(endpoint.ca().match(/BEGIN CERTIFICATE/g)?.length, 1);
  });
});

describe('reports', () => {
  test('tell the revision and the credentials when they change, and again after a failure', async () => {
    const listeners = new Set<() => void>();
    let credentials = [{ name: 'bot', state: 'Pending' as string }];
    const reports = createReports({
      endpoint,
      state,
      credentials: {
        report: () => credentials as never,
        onChange: (listener) => {
          listeners.add(listener);
          return () => listeners.delete(listener);
        },
      },
      diagnostics,
      timing: { everyMs: 60_000, retryMs: 50, gatherMs: 5 },
    });
    const reporting = reports.run();
    state.acceptRuleset({
      revision: rulesetRevision(grants),
      watermark: mark(1),
      lease: 60,
      ruleset: grants,
    });
    await until('the first report', () => operator.reports.length === 1);
    assert.deepEqual(operator.reports[0]?.report, { revision: rulesetRevision(grants), credentials });
    assert.equal(operator.reports[0]?.headers.authorization, 'Bearer canary.token.1');

    operator.reportStatus = 503;
    credentials = [{ name: 'bot', state: 'Resolved' }];
    for (const listener of listeners) listener();
    await until('the failure', failed('OPERATOR_UNAVAILABLE'));
    operator.reportStatus = 204;
    const before = operator.reports.length;
    await until('the retry', () => operator.reports.length > before);
    assert.deepEqual(operator.reports.at(-1)?.report.credentials, credentials);
    reports.close();
    await reporting;
  });

  test('tell what audited policies would have changed, without waiting for a change', async () => {
    const shadow = [{ policy: 'p', wouldAllow: 0, wouldDeny: 2, wouldHold: 0 }];
    const reports = createReports({
      endpoint,
      state,
      credentials: { report: () => [], onChange: () => () => {} },
      shadow: { report: () => shadow },
      diagnostics,
      timing: { everyMs: 5, retryMs: 50, gatherMs: 1 },
    });
    const reporting = reports.run();
    await until('the report', () => operator.reports.length > 0);
    reports.close();
    await reporting;
    assert.deepEqual(operator.reports[0]?.report, { revision: '', credentials: [], shadow });
  });

  test('lose their sentences rather than grow beyond what the operator takes', async () => {
    const message = 'x'.repeat(400);
    const credentials = Array.from({ length: 256 }, (_, index) => ({
      name: `credential-${index}`,
      state: 'Failing' as const,
      code: 'VAULT_UNREACHABLE',
      field: 'spec.vault.address',
      message,
    }));
    const timingNow = { everyMs: 5, retryMs: 50, gatherMs: 1 };
    const source = { report: () => credentials, onChange: () => () => {} };
    const reports = createReports({ endpoint, state, credentials: source, diagnostics, timing: timingNow });
    const reporting = reports.run();
    await until('the report', () => operator.reports.length > 0);
    reports.close();
    await reporting;
    const { report, headers } = operator.reports[0] ?? assert.fail();
    assert.ok(Number(headers['content-length']) <= 64 * 1024);
    assert.equal(report.credentials.length, 256);
    assert.deepEqual(report.credentials[0], {
      name: 'credential-0',
      state: 'Failing',
      code: 'VAULT_UNREACHABLE',
    });
  });
});
