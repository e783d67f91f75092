import { existsSync, readFileSync, readdirSync, readlinkSync, rmSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { networkName } from './node-network.ts';

/**
 * What containerd, its shims, CNI, the kubelet and buildah write outside of the folders that they are given, because no
 * option moves it. A host may have those folders for purposes of its own, so of each only what is ours is removed,
 * and the folder itself only if it was not there before and is empty again.
 */
const strayFolders = [
  '/run/containerd/s',
  '/run/containerd',
  '/var/lib/cni/results',
  '/var/lib/cni',
  '/var/lib/kubelet/device-plugins',
  '/var/lib/kubelet',
  '/var/lib/containers/cache',
  '/var/lib/containers',
  '/var/log/containers',
  '/run/mount',
];

export function absentStrayFolders(): readonly string[] {
  return strayFolders.filter((folder) => !existsSync(folder));
}

export interface NodeTraces {
  readonly runFolder: string;
  readonly bundlesFolder: string;
  readonly containers: readonly string[];
  readonly foldersAbsentBefore: readonly string[];
}

export function removeStrayFiles(traces: NodeTraces): void {
  for (const container of traces.containers) {
    const addressPath = join(traces.bundlesFolder, container, 'address');
    const socket = existsSync(addressPath) ? readFileSync(addressPath, 'utf8').replace('unix://', '') : '';
    if (socket.startsWith('/run/containerd/s/')) rmSync(socket, { force: true });
  }
  removeFiles('/var/lib/cni/results', (name) =>
    // NETWORK-CONTAINER-INTERFACE; every container also has one of the network cni-loopback.
    traces.containers.some(
      (container) => name.startsWith(`${networkName}-`) || name.includes(`-${container}-`),
    ),
  );
  removeFiles('/var/log/containers', (name) =>
    linkTarget(join('/var/log/containers', name)).startsWith(`${traces.runFolder}/`),
  );
  const wasAbsent = (folder: string): boolean => traces.foldersAbsentBefore.includes(folder);
  for (const folder of ['/var/lib/kubelet/device-plugins', '/var/lib/containers/cache', '/run/mount']) {
    if (wasAbsent(folder)) removeFiles(folder, (name) => strayNames.test(name));
  }
  for (const folder of strayFolders.filter(wasAbsent)) removeEmptyFolder(folder);
}

// The kubelet's plugin socket and checkpoint, buildah's cache of blobs, libmount's table.
const strayNames = /^(kubelet\.sock|kubelet_internal_checkpoint|DEPRECATION|blob-info-cache-v1\..*|utab.*)$/;

export function removeEmptyFolder(path: string): void {
  try {
    rmdirSync(path);
  } catch {
    // Not there, or somebody else has something in it.
  }
}

function removeFiles(folder: string, isOurs: (name: string) => boolean): void {
  if (!existsSync(folder)) return;
  for (const name of readdirSync(folder).filter(isOurs)) rmSync(join(folder, name), { force: true });
}

function linkTarget(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}
