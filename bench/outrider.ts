// Our contestant: the sidecar as it is shipped, in a pod's clothes (its paths, ports, environment and a user without
// privileges), with everything on.

import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { captureReportFile, encodePlan, type CaptureReport } from '../policy/capture-plan.ts';
import {
  operatorTokenFile,
  podPaths,
  sidecarEnvironment,
  sidecarPorts,
  storeTokenFile,
  trustFiles,
} from '../policy/contract.ts';
import type { RunFolder } from '../test/cluster/run-folder.ts';
import { startServer } from '../test/cluster/server-process.ts';
import type { Contestant } from './contestant.ts';
import { createLineCounter, type LineCounter } from './line-counter.ts';
import type { MemoryGroup } from './memory-group.ts';
import { agent, storeName } from './neighbours/policies.ts';
import type { Neighbours } from './neighbours-client.ts';
import { podAddress } from './room.ts';
import type { SidecarImage } from './sidecar-image.ts';

export interface OutriderOptions {
  readonly run: RunFolder;
  readonly core: number;
  readonly image: SidecarImage;
  readonly neighbours: Neighbours;
  readonly group: MemoryGroup | null;
  /** Whether a CPU profile is written when it ends; see `keepProfile`. */
  readonly profiled: boolean;
  /** As in a captured pod, with the listeners that netfilter would redirect to. */
  readonly captured?: boolean;
}

export interface Outrider extends Contestant {
  /** One per request, on standard output. */
  readonly decisionLines: LineCounter;
}

/** Drawn per pod in a cluster; any that is nobody's will do here. */
const user = 20_001;

const plan = encodePlan({ ports: [], relays: [] });
const captureReport: CaptureReport = {
  level: 'captured',
  plan,
  families: ['four'],
  at: '2026-01-01T00:00:00Z',
};
const capturedEnvironment = {
  [sidecarEnvironment.capture]: plan,
  [sidecarEnvironment.dnsServers]: '127.0.0.1',
};

/** Covers what the sidecar's batches wait for. */
const settleLimitMs = 8000;

export async function startOutrider(options: OutriderOptions): Promise<Outrider> {
  const { run, core, image, neighbours, group, profiled, captured = false } = options;
  layOutPod(run, neighbours.operatorToken);
  if (captured)
    writeFileSync(join(podPaths.keys, captureReportFile), JSON.stringify(captureReport), { mode: 0o444 });
  const place = exposeImage(run, image);
  const profiling = profiled ? ['--cpu-prof', `--cpu-prof-dir=${ownFolder(profileFolder(run))}`] : [];
  const decisionLines = createLineCounter(join(run.path, 'decisions.fifo'));
  const environment = Object.entries({
    ...image.environment,
    ...podEnvironment(neighbours),
    ...(captured ? capturedEnvironment : {}),
  }).map(([name, value]) => `${name}=${value}`);
  const asUser = [
    `--reuid=${user}`,
    `--regid=${user}`,
    '--clear-groups',
    '--no-new-privs',
    '--bounding-set=-all',
  ];
  const server = startServer(
    run,
    'outrider',
    'sh',
    [
      // Born in its group, with a pipe for standard output as a container runtime gives it.
      ['-c', 'echo $$ >"$1" && exec >"$2" && shift 2 && exec "$@"', 'sh'],
      [group?.processesPath ?? '/dev/null', decisionLines.path],
      ['taskset', '-c', String(core)],
      ['setpriv', ...asUser],
      ['env', '-i', ...environment],
      [place.node, ...image.nodeFlags, ...profiling, place.script],
    ].flat(),
  );
  await server.waitFor('the sidecar', 20_000, async () => {
    const answer = await fetch(`http://${podAddress}:${sidecarPorts.health}/readyz`);
    return answer.status === 200;
  });

  return {
    name: 'outrider',
    proxyPort: sidecarPorts.proxy,
    ca: readFileSync(join(podPaths.trust, trustFiles.ca), 'utf8'),
    process: server,
    decisionLines,
    /** Until its spans have arrived and no more come. */
    async settle() {
      const deadline = Date.now() + settleLimitMs;
      let before = -1;
      for (let quiet = 0; quiet < 3 && Date.now() < deadline;) {
        const { spans } = await neighbours.received();
        quiet = spans === before ? quiet + 1 : 0;
        before = spans;
        await sleep(500);
      }
    },
  };
}

/** Ends the sidecar, which then writes its profile, and copies that to where the caller wants it. */
export async function keepProfile(
  run: RunFolder,
  { process: server }: Contestant,
  folder: string,
): Promise<void> {
  await server.stop(20_000);
  cpSync(profileFolder(run), folder, { recursive: true });
}

function profileFolder({ path }: RunFolder): string {
  return join(path, 'profile');
}

/** The volumes: `/run` is a tmpfs of the room, as the pod's memory volumes are; the state is on disk. */
function layOutPod(run: RunFolder, operatorToken: string): void {
  const state = join(run.path, 'state');
  for (const folder of [state, ...Object.values(podPaths)]) mkdirSync(folder, { recursive: true });
  execFileSync('mount', ['--bind', state, podPaths.state]);
  for (const folder of [podPaths.trust, podPaths.keys, podPaths.state]) ownFolder(folder);
  const tokens = { [operatorTokenFile]: operatorToken, [storeTokenFile(storeName)]: 'bench-store-token' };
  for (const [name, token] of Object.entries(tokens)) {
    writeFileSync(join(podPaths.tokens, name), token, { mode: 0o444 });
  }
}

/** A copy that no other build can change, where the sidecar's user can read it, whatever the checkout lies below. */
function exposeImage(
  { path }: RunFolder,
  { folder, script }: SidecarImage,
): { readonly node: string; readonly script: string } {
  const app = join(path, 'app');
  cpSync(folder, app, { recursive: true });
  const node = '/var/run/node';
  writeFileSync(node, '');
  execFileSync('mount', ['--bind', process.execPath, node]);
  return { node, script: join(app, script) };
}

function ownFolder(folder: string): string {
  mkdirSync(folder, { recursive: true });
  chownSync(folder, user, user);
  chmodSync(folder, 0o755);
  return folder;
}

function podEnvironment({ operatorPort, caPem }: Neighbours): Record<string, string> {
  return {
    [sidecarEnvironment.operator]: `127.0.0.1:${operatorPort}`,
    [sidecarEnvironment.operatorCa]: caPem,
    [sidecarEnvironment.podName]: 'bench-0',
    [sidecarEnvironment.podNamespace]: agent.namespace,
    [sidecarEnvironment.podUid]: '00000000-0000-4000-8000-000000000000',
    [sidecarEnvironment.podIp]: podAddress,
  };
}
