// The peer: Squid as an intercepting proxy, told to do no more than the job (no log, no cache, one process).

import { execFile } from 'node:child_process';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { createAuthority } from '../test/cluster/certificates.ts';
import { findFreePort } from '../test/cluster/free-port.ts';
import { startServer } from '../test/cluster/server-process.ts';
import type { RunFolder } from '../test/cluster/run-folder.ts';
import { connect } from 'node:net';
import type { Contestant } from './contestant.ts';
import type { Origin } from './origin.ts';

const run_ = promisify(execFile);

/** Of squid-openssl; Debian's plain squid has no ssl-bump. */
export const certificateGenerator = '/usr/lib/squid/security_file_certgen';

export async function startSquid(
  run: RunFolder,
  core: number,
  origin: Origin,
  token: string,
): Promise<Contestant> {
  const folder = join(run.path, 'squid');
  await mkdir(folder, { mode: 0o700 });
  const { certPath, keyPath, certPem } = await createAuthority(folder, 'squid-ca');
  const port = await findFreePort();
  const certificates = join(folder, 'certificates');
  await run_(certificateGenerator, ['-c', '-s', certificates, '-M', '4MB']);
  await writeFile(join(folder, 'hosts'), `${origin.address} ${origin.host}\n`);
  const config = squidConfig({ folder, certPath, keyPath, port, certificates, origin, token });
  const configPath = join(folder, 'squid.conf');
  await writeFile(configPath, config);

  // In its namespaces root is alone, but Squid insists on another user.
  const { uid, gid } = await proxyUser();
  await run_('chown', ['-R', `${uid}:${gid}`, folder]);
  await chmod(run.path, 0o711);
  const server = startServer(run, 'squid', 'taskset', [
    '-c',
    String(core),
    'squid',
    '--foreground',
    '-d',
    '1',
    '-f',
    configPath,
  ]);
  await server.waitFor('Squid', 15_000, () => accepts(port));
  // It writes nothing and exports nothing, so what is left after an answer is done at once.
  return { name: 'squid', proxyPort: port, ca: certPem, process: server, settle: () => sleep(500) };
}

interface SquidOptions {
  readonly folder: string;
  readonly certPath: string;
  readonly keyPath: string;
  readonly port: number;
  readonly certificates: string;
  readonly origin: Origin;
  readonly token: string;
}

function squidConfig(options: SquidOptions): string {
  const { folder, certPath, keyPath, port, certificates, origin, token } = options;
  return `
http_port 127.0.0.1:${port} ssl-bump tls-cert=${certPath} tls-key=${keyPath} generate-host-certificates=on dynamic_cert_mem_cache_size=4MB
sslcrtd_program ${certificateGenerator} -s ${certificates} -M 4MB
sslcrtd_children 1 startup=1
ssl_bump bump all
tls_outgoing_options cafile=${origin.caPath}
http_access allow all
workers 1
cache deny all
access_log none
cache_log ${join(folder, 'cache.log')}
cache_store_log none
request_header_access Authorization deny all
request_header_add Authorization "Bearer ${token}" all
via off
forwarded_for delete
hosts_file ${join(folder, 'hosts')}
pid_filename ${join(folder, 'squid.pid')}
coredump_dir ${folder}
netdb_filename none
visible_hostname squid.bench.internal
client_persistent_connections on
server_persistent_connections on
client_lifetime 1 day
shutdown_lifetime 0 seconds
`;
}

async function proxyUser(): Promise<{ readonly uid: number; readonly gid: number }> {
  // The user that Debian's Squid gives itself, in every Debian at the same number; but who knows.
  const line = (await readFile('/etc/passwd', 'utf8')).split('\n').find((each) => each.startsWith('proxy:'));
  const [, , uid = '13', gid = '13'] = line?.split(':') ?? [];
  return { uid: Number(uid), gid: Number(gid) };
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
