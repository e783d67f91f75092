import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { unmountBelow } from './mounts.ts';
import { networkName, readSettings, restoreSettings, tearDownNetwork } from './node-network.ts';
import { killProcesses, processesOf, readProcess, removeRunFolder, runningProcesses } from './run-folder.ts';

/** Below /run, because the paths of Unix sockets must be short and mounts there go with a reboot. */
export const nodeRuntimeFolder = '/run/outrider-test';
const recordPath = join(nodeRuntimeFolder, 'run.json');
const bundlesFolder = join(nodeRuntimeFolder, 'io.containerd.runtime.v2.task', 'k8s.io');

interface NodeRecord {
  readonly folder: string;
  readonly settings: Readonly<Record<string, string>>;
}

/** Written before anything on the host is changed, so that the next run can undo what a killed one left. */
export function recordNode(folder: string): void {
  const record: NodeRecord = { folder, settings: readSettings() };
  mkdirSync(nodeRuntimeFolder, { recursive: true, mode: 0o700 });
  writeFileSync(recordPath, JSON.stringify(record));
}

/**
 * Undoes all that a whole-node run did to the host, if there was one. It asks none of the run's own servers, so it does
 * the same after stop(), after a start that failed and after a SIGKILL. The caller holds the host's lock.
 */
export async function cleanUpNode(): Promise<void> {
  if (!existsSync(recordPath)) return;
  const record = JSON.parse(readFileSync(recordPath, 'utf8')) as NodeRecord;
  // Together, in rounds: a kubelet or shim that is still alive may start one more container.
  await killProcesses(
    () => [...processesOf(record.folder), ...processesInContainers(record.folder)],
    'of the node',
  );
  const containers = listContainers();
  unmountBelow(nodeRuntimeFolder);
  unmountBelow(record.folder);
  for (const container of containers) removeCgroups(container);
  await tearDownNetwork();
  removeStrayFiles(record.folder, containers);
  await removeRunFolder(record.folder);
  restoreSettings(record.settings);
  rmSync(nodeRuntimeFolder, { recursive: true, force: true });
}

// Their environment is the pod's, not ours, but their root file system lies in the run's folder.
function processesInContainers(folder: string): readonly number[] {
  const name = basename(folder);
  return runningProcesses().filter((pid) => {
    const root = readProcess(pid, 'mountinfo')
      .split('\n')
      .find((line) => line.split(' ')[4] === '/');
    return root?.includes(`/${name}/`) ?? false;
  });
}

function listContainers(): readonly string[] {
  return existsSync(bundlesFolder) ? readdirSync(bundlesFolder) : [];
}

function removeCgroups(container: string): void {
  const root = '/sys/fs/cgroup';
  // Version 1 has a tree per controller, version 2 a single one.
  for (const tree of ['', ...readdirSync(root)]) {
    const parent = join(root, tree, 'k8s.io');
    removeEmptyFolder(join(parent, container));
    removeEmptyFolder(parent);
  }
}

function removeEmptyFolder(path: string): void {
  try {
    rmdirSync(path);
  } catch {
    // Not there, or another runtime's containers are in it.
  }
}

// Places that neither containerd, nor the kubelet, nor CNI lets a configuration move.
function removeStrayFiles(folder: string, containers: readonly string[]): void {
  for (const container of containers) {
    const socket = readIfThere(join(bundlesFolder, container, 'address')).replace('unix://', '');
    if (socket.startsWith('/run/containerd/s/')) rmSync(socket, { force: true });
  }
  const results = '/var/lib/cni/results';
  for (const name of existsSync(results) ? readdirSync(results) : []) {
    if (name.startsWith(`${networkName}-`)) rmSync(join(results, name));
  }
  const logs = '/var/log/containers';
  for (const name of existsSync(logs) ? readdirSync(logs) : []) {
    const link = join(logs, name);
    if (linkTarget(link).startsWith(`${folder}/`)) rmSync(link);
  }
}

function readIfThere(path: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}

function linkTarget(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}
