// Moto's own server (https://docs.getmoto.org/en/latest/docs/server_mode.html), which stands for AWS Secrets Manager:
// it keeps secrets, stages, versions and deletions as AWS does, per region. It checks no identity and no signature;
// aws-front.ts does that before it. Installed once per machine, by pip into the cache folder.

import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cacheFolder } from '../cluster/cache.ts';
import { createAuthority, type Authority } from '../cluster/certificates.ts';
import { startOnFreePort } from '../cluster/free-port.ts';
import { acquireHostLock } from '../cluster/host-lock.ts';
import { callHttps } from '../cluster/https-call.ts';
import { requireCommands } from '../cluster/packages.ts';
import { createRunFolder, removeAbandonedRunFolders, removeRunFolder } from '../cluster/run-folder.ts';
import { startServer, type ServerProcess } from '../cluster/server-process.ts';

const run = promisify(execFile);

/** What the server needs of `moto[server]`; the rest of that extra is for services that are not asked. */
const requirements = ['moto[secretsmanager]==5.2.5', 'flask==3.1.3', 'flask-cors==6.0.5'];
const installTimeoutMs = 5 * 60_000;

export interface Moto {
  /** https://127.0.0.1:port */
  readonly address: string;
  readonly authority: Authority;
  readonly process: ServerProcess;
  /** An action of Secrets Manager, such as CreateSecret. Throws with moto's own error. */
  request(action: string, input: object, region?: string): Promise<Readonly<Record<string, unknown>>>;
  /** The run's own folder, for whatever a test wants removed with it. */
  readonly folder: string;
  stop(): Promise<void>;
}

export async function startMoto(): Promise<Moto> {
  await requireCommands(['setpriv', 'openssl'], { '/usr/bin/python3': 'python3' });
  const environment = await installedMoto();
  await removeAbandonedRunFolders();
  const folder = createRunFolder();
  try {
    const authority = await createAuthority(join(folder.path, 'pki'));
    const certificate = await authority.issue({
      name: 'moto',
      subject: '/CN=moto',
      alternativeNames: ['IP:127.0.0.1', 'DNS:localhost'],
      usages: ['serverAuth'],
    });
    const { port, started } = await startOnFreePort('127.0.0.1', async (candidate) => {
      const server = startServer(
        folder,
        'moto',
        join(environment, 'bin/python'),
        [
          ['-m', 'moto.server', '--host', '127.0.0.1', '--port', String(candidate)],
          ['--ssl-cert', certificate.certPath, '--ssl-key', certificate.keyPath],
        ].flat(),
      );
      await server.waitFor('moto', 60_000, async () => {
        const answer = await callHttps({
          url: `https://127.0.0.1:${candidate}/moto-api/`,
          caPem: authority.certPem,
        });
        return answer.status === 200;
      });
      return server;
    });
    const address = `https://127.0.0.1:${port}`;
    return {
      address,
      authority,
      process: started,
      folder: folder.path,
      stop: () => removeRunFolder(folder.path),
      async request(action, input, region = 'eu-central-1') {
        const { status, text } = await callHttps({
          url: `${address}/`,
          caPem: authority.certPem,
          method: 'POST',
          headers: {
            // Where moto learns the service and the region; it does not look at the rest.
            authorization: `AWS4-HMAC-SHA256 Credential=test/20260101/${region}/secretsmanager/aws4_request, SignedHeaders=host, Signature=none`,
            'content-type': 'application/x-amz-json-1.1',
            'x-amz-target': `secretsmanager.${action}`,
          },
          body: JSON.stringify(input),
        });
        if (status !== 200) throw new Error(`moto answered ${status} to ${action}: ${text}`);
        return JSON.parse(text) as Record<string, unknown>;
      },
    };
  } catch (error) {
    await removeRunFolder(folder.path);
    throw error;
  }
}

/** The folder of a virtual environment, with boto3 too, which is used only once it is whole. */
export async function installedMoto(): Promise<string> {
  const name = requirements.map((each) => each.replaceAll(/[^a-z0-9.]+/g, '-')).join('-');
  const folder = join(cacheFolder('python'), name);
  const lock = await acquireHostLock({ name: `install ${folder}`, timeoutMs: installTimeoutMs });
  try {
    const finished = join(folder, 'finished');
    if (existsSync(finished)) return folder;
    // It names itself in its scripts, so that it must be made where it will be.
    await rm(folder, { recursive: true, force: true });
    process.stderr.write('cluster: installing moto (once, about half a minute) …\n');
    const options = { timeout: installTimeoutMs, killSignal: 'SIGKILL' } as const;
    await run('python3', ['-m', 'venv', folder], options).catch((error: unknown) => {
      throw new Error('python3 cannot make a virtual environment; install the Debian package python3-venv', {
        cause: error,
      });
    });
    await run(
      join(folder, 'bin/pip'),
      ['install', '--quiet', '--disable-pip-version-check', ...requirements],
      options,
    );
    await writeFile(finished, '');
    return folder;
  } finally {
    await lock.release();
  }
}
