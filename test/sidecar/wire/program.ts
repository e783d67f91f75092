import { once } from 'node:events';
import { connect } from 'node:net';
import { requireCommands } from '../../cluster/packages.ts';
import type { RunFolder } from '../../cluster/run-folder.ts';
import { startServer } from '../../cluster/server-process.ts';

/** What servers of one run share. */
export interface Workshop {
  readonly run: RunFolder;
  readonly folder: string;
  readonly certPath: string;
  readonly keyPath: string;
}

/** Debian's servers, and of their modules one file each that proves that they are there. */
export function requireServers(): Promise<void> {
  return requireCommands(['nginx', 'haproxy', 'apache2'], {
    '/usr/lib/nginx/modules/ngx_http_lua_module.so': 'libnginx-mod-http-lua',
  });
}

/** @returns what ends it. */
export async function startProgram(
  { run }: Workshop,
  options: { readonly name: string; readonly args: readonly string[]; readonly ports: readonly number[] },
): Promise<() => Promise<void>> {
  const server = startServer(run, options.name, options.name, options.args);
  for (const port of options.ports) {
    await server.waitFor(`port ${port} of ${options.name}`, 15_000, () => accepts(port));
  }
  return () => server.stop();
}

async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
