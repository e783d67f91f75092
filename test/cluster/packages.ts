import { spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { acquireHostLock } from './host-lock.ts';

// The Debian package of each command that a test cluster runs and does not build itself.
const packageOf = {
  openssl: 'openssl',
  setpriv: 'util-linux',
  containerd: 'containerd',
  ctr: 'containerd',
  runc: 'runc',
  nft: 'nftables',
  ip: 'iproute2',
  conntrack: 'conntrack',
  buildah: 'buildah',
  busybox: 'busybox-static',
  curl: 'curl',
  nginx: 'nginx-light',
  haproxy: 'haproxy',
  apache2: 'apache2-bin',
  mount: 'mount',
} as const satisfies Record<string, string>;

export type RequiredCommand = keyof typeof packageOf;

/** Installs what is missing where it may (root, with apt-get); otherwise throws, naming the packages. */
export async function requireCommands(
  commands: readonly RequiredCommand[],
  files: Readonly<Record<string, string>> = {},
): Promise<void> {
  const missing = (): string[] => [
    ...commands.filter((command) => findCommand(command) === undefined).map((command) => packageOf[command]),
    ...Object.keys(files)
      .filter((path) => !exists(path))
      .map((path) => files[path] ?? path),
  ];
  const packages = [...new Set(missing())];
  if (packages.length === 0) return;
  const names = packages.join(' ');
  if (process.getuid?.() !== 0 || findCommand('apt-get') === undefined) {
    throw new Error(
      `the test cluster needs what these Debian packages hold: ${names}; install them and run again`,
    );
  }
  // Tests run side by side, and apt-get does not wait for another.
  const lock = await acquireHostLock({ name: 'apt-get', timeoutMs: 10 * 60_000 });
  try {
    if (missing().length > 0) {
      process.stderr.write(`cluster: installing the Debian packages ${names} …\n`);
      await apt(['update']).catch(() => undefined); // an old list is often good enough
      await apt(['install', '--yes', '--no-install-recommends', ...packages]);
    }
  } finally {
    await lock.release();
  }
  const left = missing();
  if (left.length > 0) throw new Error(`still missing after apt-get install: ${left.join(' ')}`);
}

export function findCommand(name: string): string | undefined {
  return searchPath()
    .split(delimiter)
    .map((folder) => join(folder, name))
    .find(exists);
}

/** PATH, and where Debian keeps nft and ip, which a user's PATH and that of `su` leave out. */
export function searchPath(): string {
  return [process.env['PATH'] ?? '/usr/bin:/bin', '/usr/sbin', '/sbin'].join(delimiter);
}

function exists(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}

function apt(args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn('apt-get', ['-qq', ...args], {
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
      stdio: ['ignore', 'ignore', 'pipe'],
      timeout: 5 * 60_000,
      killSignal: 'SIGKILL',
    });
    let complaint = '';
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => (complaint += chunk));
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve();
      else reject(new Error(`apt-get ${args.join(' ')} failed: ${complaint.trim().slice(-2000)}`));
    });
  });
}
