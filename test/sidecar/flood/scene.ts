// A sidecar in a process of its own, as its image runs it, before an upstream that does what a path asks for.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadSidecarImage } from '../../../bench/sidecar-image.ts';
import { operatorTokenFile, trustFiles } from '../../../policy/contract.ts';
import type { Ruleset, RulesetRule } from '../../../policy/ruleset.ts';
import { waitFor } from '../../cluster/deadline.ts';
import { startTlsOperator } from '../control/tls-operator.ts';
import { createPodFolders, startPod, type Pod } from '../pod.ts';
import { createTestCa, originName, startOrigin } from '../proxy/origin.ts';
import { rulesetWith } from '../settable-snapshots.ts';
import { bundlePodProgram } from './bundle.ts';
import type { Target } from './connection.ts';
import { useOf, type ProcessUse } from './process-use.ts';

export interface FloodScene {
  readonly target: Target;
  readonly pod: Pod;
  readonly pid: number;
  use(): ProcessUse;
  /** How long the event loop stood still since this was asked last. */
  stalls(): Promise<{ readonly maxMs: number; readonly p99Ms: number }>;
  close(): Promise<void>;
}

export async function startFloodScene(): Promise<FloodScene> {
  const folder = mkdtempSync(join(tmpdir(), 'outrider-flood-'));
  const program = await bundlePodProgram(join(folder, 'app'));
  const ca = await createTestCa();
  const origin = await startOrigin(ca, { answer });
  const names = [`IP:127.0.0.1`];
  const certificate = {
    name: 'operator',
    subject: '/CN=x',
    alternativeNames: names,
    usages: ['serverAuth'],
  } as const;
  const operator = await startTlsOperator(await ca.authority.issue(certificate));
  const root = join(folder, 'run');
  createPodFolders(root);
  writeFileSync(join(root, 'tokens', operatorTokenFile), 'token');
  const meter = new URL('stall-meter.ts', import.meta.url).href;
  const image = loadSidecarImage();
  const pod = await startPod({
    root,
    operator: operator.address,
    operatorCa: ca.authority.certPem,
    program,
    nodeFlags: [...image.nodeFlags, '--import', meter],
    environment: image.environment,
  });
  const wait = { timeoutMs: 10_000, everyMs: 10, evidence: () => pod.stderr() };
  await waitFor({ what: 'the stream', ...wait }, async () => operator.streams.length > 0);
  operator.sendRuleset(ruleset(origin.port, ca.authority.certPem), { AgentPolicy: '1' });
  const heartbeat = setInterval(() => operator.sendHeartbeat({ AgentPolicy: '1' }), 5000);
  await waitFor({ what: 'readiness', ...wait }, async () => (await pod.health('/readyz')) === 200);
  const pid = pod.process.pid ?? 0;
  let told = 0;

  return {
    target: {
      proxyPort: pod.ports.proxy,
      ca: readFileSync(join(root, 'trust', trustFiles.ca), 'utf8'),
      host: originName,
      port: origin.port,
    },
    pod,
    pid,
    use: () => useOf(pid),
    stalls: () => {
      process.kill(pid, 'SIGUSR2');
      return waitFor({ what: 'the stalls', ...wait }, async () => {
        const all = [...pod.stderr().matchAll(/^\{"event":"stalls".*\}$/gm)];
        const next = all[told];
        if (next === undefined) return undefined;
        told += 1;
        return JSON.parse(next[0]) as { maxMs: number; p99Ms: number };
      });
    },
    close: async () => {
      clearInterval(heartbeat);
      await pod.end('SIGKILL');
      await Promise.all([operator.close(), origin.close()]);
      ca.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function ruleset(port: number, caBundle: string): Ruleset {
  const rule = (name: string, rest: Partial<RulesetRule>): RulesetRule => ({
    policy: 'flood',
    name,
    action: 'Allow',
    destination: 'origin',
    paths: [`/${name}`],
    ...rest,
  });
  const open = { resolveAs: '127.0.0.1', cidrs: ['127.0.0.0/8'], scheme: 'https', caBundle } as const;
  return rulesetWith({
    grants: [
      ...['plain', 'endless', 'endless-head', 'endless-interim'].map((name) => rule(name, {})),
      rule('json', {
        body: { types: ['Json'], maxBytes: 1024 * 1024, fields: { '/amount': { max: 100 } } },
      }),
      rule('query', { query: { fields: { '1': { equals: '1' } }, others: 'Deny' } }),
    ],
    destinations: { origin: { names: [originName], port, ...open } },
  });
}

function answer({ url }: IncomingMessage, response: ServerResponse): void {
  const { socket } = response;
  const forever = (write: () => boolean, emitter: NodeJS.EventEmitter): void => {
    const more = (): void => {
      while (!response.destroyed && write());
    };
    emitter.on('drain', more);
    more();
  };
  const block = Buffer.alloc(16 * 1024, 'x');
  if (url === '/endless') forever(() => response.write(block), response);
  else if (socket !== null && url === '/endless-head') {
    socket.write('HTTP/1.1 200 OK\r\n');
    forever(() => socket.write('x-a: b\r\n'.repeat(500)), socket);
  } else if (socket !== null && url === '/endless-interim') {
    forever(() => socket.write('HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n'.repeat(100)), socket);
  } else response.end('hello');
}
