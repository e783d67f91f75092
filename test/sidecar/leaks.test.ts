// A hunt for secrets in all that a sidecar's process leaves behind, its death included: one canary per credential and per
// token that is minted, none of which may be found in any spelling.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { operatorTokenFile, secretDirectory } from '../../policy/contract.ts';
import type { RulesetCredential } from '../../policy/ruleset-credential.ts';
import type { Ruleset } from '../../policy/ruleset.ts';
import { waitFor } from '../cluster/deadline.ts';
import { placesThatLeak } from '../e2e/leak-hunt.ts';
import { startCollector, type Collector } from './audit/otlp-collector.ts';
import { startTlsOperator, type TlsOperator } from './control/tls-operator.ts';
import { createSchemes, type Schemes } from './credentials/schemes.ts';
import { createVolume } from './credentials/volume.ts';
import { createPodFolders, startPod, type Pod } from './pod.ts';
import { createTestCa, startOrigin, type Origin, type TestCa } from './proxy/origin.ts';
import { openSocket, send } from './proxy/raw-client.ts';
import { rulesetWith } from './settable-snapshots.ts';

/** The address itself, so that no name server is needed. */
const host = '127.0.0.1';

let ca: TestCa;
let origin: Origin;
let operator: TlsOperator;
let collector: Collector;
let schemes: Schemes;
let folder = '';
let isRefusing = false;
const pods: Pod[] = [];

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'outrider-leaks-'));
  [ca, schemes] = await Promise.all([createTestCa(), createSchemes()]);
  origin = await startOrigin(ca, {
    names: [`IP:${host}`],
    answer: (message, response, body) => {
      if (isRefusing && !/token/.test(message.url ?? '')) response.writeHead(401).end();
      else void schemes.answer(message, response, body);
    },
  });
  const issue = { subject: '/CN=x', alternativeNames: [`IP:${host}`], usages: ['serverAuth'] } as const;
  operator = await startTlsOperator(await ca.authority.issue({ ...issue, name: 'operator' }));
  collector = await startCollector(await ca.authority.issue({ ...issue, name: 'collector' }));
});
after(async () => {
  for (const { process: child } of pods) child.kill('SIGKILL');
  await Promise.all([operator?.close(), collector?.close(), origin?.close()]);
  ca?.close();
  rmSync(folder, { recursive: true, force: true });
});

function ruleset(): Ruleset {
  const names = Object.keys(schemes.schemes);
  const credentials = Object.entries(schemes.schemes).map(([name, { parts, inject }]) => {
    const fields = Object.keys(parts).length === 1 ? {} : { fields: Object.keys(parts) };
    const credential: RulesetCredential = {
      source: { kind: 'file', volume: { secret: name.toLowerCase() }, path: 'secret', ...fields },
      allow: [{ destination: 'origin' }],
      inject,
      refreshIntervalMs: 300_000,
    };
    return [name, credential] as const;
  });
  return rulesetWith({
    grants: names.map((name) => ({
      policy: 'leaks',
      name: name.toLowerCase(),
      action: 'Allow',
      destination: 'origin',
      paths: [`/${name}`, `/${name}/**`],
      credential: name,
    })),
    credentials: Object.fromEntries(credentials),
    destinations: {
      origin: {
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

interface Life {
  readonly pod: Pod;
  readonly root: string;
  /** All that agents were answered. */
  readonly answers: string;
}

/** Starts a sidecar, has it use each credential in good and in bad, and leaves it running. */
async function live(name: string, nodeFlags: readonly string[]): Promise<Life> {
  const root = join(folder, name);
  createPodFolders(root);
  writeFileSync(join(root, 'tokens', operatorTokenFile), 'token.of.the-pod');
  for (const [scheme, { parts }] of Object.entries(schemes.schemes)) {
    const directory = join(root, 'secrets', secretDirectory({ secret: scheme.toLowerCase() }));
    mkdirSync(directory, { recursive: true });
    const values = Object.values(parts);
    createVolume(directory, { secret: values.length === 1 ? (values[0] ?? '') : JSON.stringify(parts) });
  }
  const streams = operator.streams.length;
  const pod = await startPod({
    root,
    operator: operator.address,
    operatorCa: ca.authority.certPem,
    nodeFlags: [...nodeFlags, `--report-directory=${join(root, 'state')}`],
  });
  pods.push(pod);
  const until = (what: string, probe: () => boolean | Promise<boolean>): Promise<unknown> =>
    waitFor({ what, timeoutMs: 15_000, everyMs: 10, evidence: pod.stderr }, async () => probe());
  await until('the stream', () => operator.streams.length > streams);
  operator.sendRuleset(ruleset(), { AgentPolicy: '1' });
  await until('readiness', async () => (await pod.health('/readyz')) === 200);

  let answers = '';
  for (const refusing of [false, true]) {
    isRefusing = refusing;
    for (const [scheme, { method = 'GET', rest = '', headers = {}, body = '' }] of Object.entries(
      schemes.schemes,
    )) {
      const socket = await openSocket(pod.ports.proxy);
      const place = `${host}:${origin.port}`;
      const lines = Object.entries({ host: place, 'content-length': String(body.length), ...headers });
      const head = lines.map(([header, value]) => `${header}: ${value}\r\n`).join('');
      // With the whole URL as its target, since a certificate for an address has no name to be asked for by.
      const target = `https://${place}/${scheme}${rest}`;
      const answer = await send(socket, `${method} ${target} HTTP/1.1\r\n${head}\r\n${body}`);
      socket.destroy();
      assert.equal(
        answer.status,
        refusing ? 401 : 200,
        `${scheme} ${JSON.stringify(answer)} ${pod.stderr()}`,
      );
      answers += JSON.stringify(answer);
    }
  }
  isRefusing = false;
  // A secret that its slot cannot carry: whatever is said of it must not be it.
  const broken = join(root, 'secrets', secretDirectory({ secret: 'bearer' }), '..data', 'secret');
  rmSync(broken);
  return { pod, root, answers };
}

/** Names of the places, of all that this life left behind, that hold one of the secrets. */
function found({ pod, root, answers }: Life): string[] {
  const state = join(root, 'state');
  const files = ['state', 'trust', 'keys'].flatMap((part) =>
    readdirSync(join(root, part)).map((name) => join(root, part, name)),
  );
  const places = {
    answers,
    stdout: pod.stdout(),
    stderr: pod.stderr(),
    spans: collector.text,
    reports: JSON.stringify(operator.reports),
    ...Object.fromEntries(files.map((path) => [path, readFileSync(path, 'latin1')])),
  };
  assert.ok(readdirSync(state).length > 0);
  return schemes
    .secrets()
    .flatMap((secret) => placesThatLeak(places, secret).map((place) => `${secret.slice(0, 14)} in ${place}`));
}

function crashReports({ root }: Life): string[] {
  return readdirSync(join(root, 'state')).filter((name) => name.startsWith('report.'));
}

describe('no secret is left behind', () => {
  test('S-12: by a sidecar that works, refuses and ends', async () => {
    const life = await live('orderly', []);
    await waitFor({ what: 'spans', timeoutMs: 10_000, everyMs: 50 }, async () => collector.spans.length > 20);
    await life.pod.end('SIGTERM');
    assert.ok(life.pod.decisions().length >= 2 * Object.keys(schemes.schemes).length);
    assert.deepEqual(found(life), []);
  });

  const crashes: Record<string, [flags: string[], trouble: string]> = {
    'S-12: by one that meets a rejection that nobody handles': [
      ['--report-uncaught-exception'],
      'Promise.reject(new Error("boom"))',
    ],
    'S-12: by one that throws where nobody catches': [
      ['--report-uncaught-exception'],
      'setImmediate(() => { throw new TypeError("boom"); })',
    ],
    'S-12: by one that runs out of memory': [
      ['--report-on-fatalerror', '--max-old-space-size=48'],
      'const held = []; for (;;) held.push(new Array(100_000).fill({}))',
    ],
    'S-12: by one that is asked for a report': [
      ['--report-on-signal', '--report-signal=SIGPIPE'],
      'process.report.writeReport()',
    ],
  };
  for (const [what, [flags, trouble]] of Object.entries(crashes)) {
    test(what, async () => {
      // What a signal would do to no sidecar: the test's own way to make this one meet its end.
      const onSignal = `process.on('SIGUSR2', () => { ${trouble}; });`;
      const life = await live(what.slice(-12).replaceAll(' ', '-'), [
        ...flags,
        `--import=data:text/javascript,${encodeURIComponent(onSignal)}`,
      ]);
      const exited = once(life.pod.process, 'exit');
      life.pod.process.kill('SIGUSR2');
      const isReport = trouble.includes('writeReport');
      if (isReport) {
        await waitFor(
          { what: 'the report', timeoutMs: 10_000, everyMs: 20 },
          async () => crashReports(life).length > 0,
        );
        life.pod.process.kill('SIGKILL');
      }
      const deadline = setTimeout(() => life.pod.process.kill('SIGKILL'), 30_000);
      await exited;
      clearTimeout(deadline);
      // Node writes none for a rejection that is handled, as ours is: the process says its code and exits.
      const wroteReport = isReport || flags.includes('--report-on-fatalerror');
      assert.equal(crashReports(life).length > 0, wroteReport, life.pod.stderr().slice(-2000));
      assert.deepEqual(found(life), []);
    });
  }
});
