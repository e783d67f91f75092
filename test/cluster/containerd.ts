import { execFile } from 'node:child_process';
import { existsSync, statfsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { nodeRuntimeFolder } from './node-cleanup.ts';
import { writeCniConfiguration } from './node-network.ts';
import type { RunFolder } from './run-folder.ts';
import { startServer } from './server-process.ts';

const run_ = promisify(execFile);

export interface Containerd {
  readonly endpoint: string;
  /** Runs ctr in the namespace of Kubernetes' containers. */
  ctr(args: readonly string[]): Promise<string>;
  loadImage(archive: string): Promise<void>;
  findContainer(wanted: ContainerName): Promise<RunningContainer>;
}

export interface ContainerName {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
}

export interface RunningContainer {
  readonly id: string;
  /** On the host, of the container's first process. */
  readonly pid: number;
}

export const pauseImage = 'localhost/pause:1';

/** Debian's place for CNI plugins, unless they are only in everybody else's. */
export function cniPluginFolder(): string {
  const [debian, upstream] = ['/usr/lib/cni', '/opt/cni/bin'];
  return !existsSync(join(debian, 'ptp')) && existsSync(join(upstream, 'ptp')) ? upstream : debian;
}

export async function launchContainerd(run: RunFolder): Promise<Containerd> {
  const socket = join(nodeRuntimeFolder, 'containerd.sock');
  const configuration = containerdConfiguration(run.path, socket, await writeCniConfiguration(run.path));
  const configurationPath = join(run.path, 'containerd.toml');
  await writeFile(configurationPath, configuration);
  const server = startServer(run, 'containerd', 'containerd', ['--config', configurationPath]);

  const ctr = async (args: readonly string[]): Promise<string> => {
    const { stdout } = await run_('ctr', ['--address', socket, '--namespace', 'k8s.io', ...args], {
      env: run.environment,
      timeout: 60_000,
      maxBuffer: 16 * 1024 * 1024,
    });
    return stdout;
  };
  await server.waitFor('containerd', 30_000, () => ctr(['version']));

  return {
    endpoint: `unix://${socket}`,
    ctr,
    loadImage: async (archive) => {
      const imported = await ctr(['images', 'import', archive]);
      const names = [...imported.matchAll(/^unpacking (\S+)/gm)].map((match) => match[1] ?? '');
      // The kubelet sees an image once containerd's Kubernetes side has labelled it, a moment after the import.
      await server.waitFor(`image ${names.join(' ')}`, 30_000, async () => {
        const images = (await ctr(['images', 'list'])).split('\n').map((line) => line.split(/\s+/));
        return names.every((name) =>
          images.some(
            (image) => image[0] === name && image.at(-2)?.includes('io.cri-containerd.image=managed'),
          ),
        );
      });
    },
    findContainer: (wanted) => findContainer(ctr, wanted),
  };
}

async function findContainer(ctr: Containerd['ctr'], wanted: ContainerName): Promise<RunningContainer> {
  const label = (name: string, value: string): string => `labels."io.kubernetes.${name}"==${value}`;
  const filter = [
    label('pod.namespace', wanted.namespace),
    label('pod.name', wanted.pod),
    label('container.name', wanted.container),
  ].join(',');
  const ids = (await ctr(['containers', 'list', '--quiet', filter])).split('\n').filter(Boolean);
  const tasks = (await ctr(['tasks', 'list'])).split('\n').map((line) => line.trim().split(/\s+/));
  // A container that was restarted is in the first list once for each time.
  const running = tasks.find(([id = '', , status]) => ids.includes(id) && status === 'RUNNING');
  if (running === undefined) {
    throw new Error(`no running container ${wanted.namespace}/${wanted.pod}/${wanted.container}`);
  }
  return { id: running[0] ?? '', pid: Number(running[1]) };
}

function containerdConfiguration(folder: string, socket: string, cniConfigurations: string): string {
  // Overlayfs (statfs(2) knows it by this number) cannot lie on itself, which is what CI in a container would ask for.
  const snapshotter = statfsSync(folder).type === 0x794c7630 ? 'native' : 'overlayfs';
  return `version = 2
root = "${folder}/containerd"
state = "${nodeRuntimeFolder}"

[grpc]
  address = "${socket}"

[plugins."io.containerd.internal.v1.opt"]
  path = "${folder}/containerd-opt"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${pauseImage}"
  disable_apparmor = true
  # Without CAP_SYS_RESOURCE, as in many CI containers, runc may not lower a score and dies with "can't get final
  # child's PID".
  restrict_oom_score_adj = true
  # Otherwise below /run/netns, where a killed run's would be hard to tell from other people's.
  netns_mounts_under_state_dir = true

  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "${snapshotter}"

    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"

      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        Root = "${nodeRuntimeFolder}/runc"

  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "${cniPluginFolder()}"
    conf_dir = "${cniConfigurations}"
`;
}
