import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { unmountBelow } from './mounts.ts';
import { readSettings, restoreSettings, tearDownNetwork } from './node-network.ts';
import { killProcesses, processesOf, readProcess, removeRunFolder, runningProcesses } from './run-folder.ts';
import { absentStrayFolders, removeEmptyFolder, removeStrayFiles } from './stray-files.ts';

/** Below /run, because the paths of Unix sockets must be short and mounts there go with a reboot. */
export const nodeRuntimeFolder = '/run/outrider-test';
const recordPath = join(nodeRuntimeFolder, 'run.json');
const bundlesFolder = join(nodeRuntimeFolder, 'io.containerd.runtime.v2.task', 'k8s.io');

interface NodeRecord {
  readonly runFolder: string;
  readonly settings: Readonly<Record<string, string>>;
  readonly foldersAbsentBefore: readonly string[];
}

/** Written before anything on the host is changed, so that the next run can undo what a killed one left. */
export function recordNode(runFolder: string): void {
  const record: NodeRecord = {
    runFolder,
    settings: readSettings(),
    foldersAbsentBefore: absentStrayFolders(),
  };
  mkdirSync(nodeRuntimeFolder, { recursive: true, mode: 0o700 });
  writeFileSync(recordPath, JSON.stringify(record));
}

/**
 * Undoes all that a whole-node run did to the host, if there was one. It asks none of the run's own servers, so it does
 * the same after stop(), after a start that failed and after a SIGKILL. The caller holds the host's lock.
 */
export async function cleanUpNode(): Promise<void> {
  if (!existsSync(recordPath)) return;
  const { runFolder, settings, foldersAbsentBefore } = JSON.parse(
    readFileSync(recordPath, 'utf8'),
  ) as NodeRecord;
  // Together, in rounds: a kubelet or shim that is still alive may start one more container.
  await killProcesses(() => processesOfNode(runFolder), 'of the node');
  const containers = existsSync(bundlesFolder) ? readdirSync(bundlesFolder) : [];
  unmountBelow(nodeRuntimeFolder);
  unmountBelow(runFolder);
  removeCgroups(containers);
  await tearDownNetwork();
  removeStrayFiles({ runFolder, bundlesFolder, containers, foldersAbsentBefore });
  await removeRunFolder(runFolder);
  restoreSettings(settings);
  rmSync(nodeRuntimeFolder, { recursive: true, force: true });
}

export function processesOfNode(runFolder: string): readonly number[] {
  return [...processesOf(runFolder), ...processesInContainers(runFolder)];
}

// Their environment is the pod's, not ours, but their root file system lies in the run's folder.
function processesInContainers(runFolder: string): readonly number[] {
  const name = basename(runFolder);
  return runningProcesses().filter((pid) => {
    const root = readProcess(pid, 'mountinfo')
      .split('\n')
      .find((line) => line.split(' ')[4] === '/');
    return root?.includes(`/${name}/`) ?? false;
  });
}

function removeCgroups(containers: readonly string[]): void {
  const root = '/sys/fs/cgroup';
  // Version 1 has a tree per controller, version 2 a single one.
  for (const tree of ['', ...readdirSync(root)]) {
    const parent = join(root, tree, 'k8s.io');
    for (const container of containers) removeEmptyFolder(join(parent, container));
    removeEmptyFolder(parent);
  }
}
