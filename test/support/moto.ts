// Moto's own server (https://docs.getmoto.org/en/latest/docs/server_mode.html), which stands for AWS Secrets Manager:
// it keeps secrets, stages, versions and deletions as AWS does, per region. It checks no identity and no signature;
// aws-front.ts does that before it.

import { join } from 'node:path';
import { createAuthority, type Authority } from '../cluster/certificates.ts';
import { startOnFreePort } from '../cluster/free-port.ts';
import { callHttps } from '../cluster/https-call.ts';
import { requireCommands } from '../cluster/packages.ts';
import { createRunFolder, removeAbandonedRunFolders, removeRunFolder } from '../cluster/run-folder.ts';
import { startServer, type ServerProcess } from '../cluster/server-process.ts';
import { installedPython } from './python-environment.ts';

/** What the server needs of `moto[server]`; the rest of that extra is for services that are not asked. */
const requirements = ['moto[secretsmanager]==5.2.5', 'flask==3.1.3', 'flask-cors==6.0.5'];

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
  await requireCommands(['setpriv', 'openssl']);
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

/** The folder of an environment that has it, and boto3. */
export function installedMoto(): Promise<string> {
  return installedPython(requirements);
}
