import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { builtServer } from './build.ts';
import { startOnFreePort } from './free-port.ts';
import { callHttps } from './https-call.ts';
import { requireCommands } from './packages.ts';
import { createRunFolder, removeAbandonedRunFolders, removeRunFolder } from './run-folder.ts';
import type { RunFolder } from './run-folder.ts';
import { startServer } from './server-process.ts';
import type { ServerProcess } from './server-process.ts';

export interface Vault {
  /** https://address:port */
  readonly address: string;
  readonly caPem: string;
  readonly rootToken: string;
  readonly process: ServerProcess;
  /** Calls the HTTP API as root: request('PUT', 'secret/data/x', { data }). Throws with Vault's own errors. */
  request(method: string, path: string, body?: object): Promise<VaultAnswer>;
}

export interface VaultAnswer {
  readonly data?: Record<string, unknown> | null;
  readonly auth?: Record<string, unknown> | null;
  readonly lease_id?: string;
  readonly lease_duration?: number;
}

export interface VaultOptions {
  readonly address?: string;
  /** DNS names for its certificate, beside its address. */
  readonly names?: readonly string[];
}

/** A Vault of its own on loopback: TLS, in memory, unsealed, KV version 2 at `secret/`. */
export async function startVault(options: VaultOptions = {}): Promise<Vault & { stop(): Promise<void> }> {
  await requireCommands(['setpriv']);
  const bin = await builtServer('vault');
  await removeAbandonedRunFolders();
  const run = createRunFolder();
  const stop = (): Promise<void> => removeRunFolder(run.path);
  try {
    return { ...(await launchVault(run, bin, options)), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

export async function launchVault(run: RunFolder, bin: string, options: VaultOptions): Promise<Vault> {
  const host = options.address ?? '127.0.0.1';
  const certificates = join(run.path, 'pki', 'vault');
  const caPath = join(certificates, 'vault-ca.pem');
  const rootToken = 'outrider-test-root';
  await mkdir(certificates);

  const call = async (address: string, method: string, path: string, body?: object): Promise<VaultAnswer> => {
    const answer = await callHttps({
      url: `${address}/v1/${path}`,
      caPem: await readFile(caPath, 'utf8'),
      method,
      headers: { 'x-vault-token': rootToken },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (answer.status >= 400) throw new Error(`Vault ${method} ${path}: ${answer.status} ${answer.text}`);
    return (answer.text === '' ? {} : JSON.parse(answer.text)) as VaultAnswer;
  };

  const { port, started } = await startOnFreePort(host, async (candidate) => {
    const server = startServer(run, 'vault', join(bin, 'vault'), [
      'server',
      '-dev-tls',
      `-dev-tls-cert-dir=${certificates}`,
      ...[host, ...(options.names ?? [])].map((name) => `-dev-tls-san=${name}`),
      `-dev-listen-address=${host}:${candidate}`,
      `-dev-root-token-id=${rootToken}`,
      '-dev-no-store-token',
    ]);
    // The KV engine is mounted, and upgraded to version 2, after the listener answers.
    await server.waitFor('Vault', 30_000, () => call(`https://${host}:${candidate}`, 'GET', 'secret/config'));
    return server;
  });
  const address = `https://${host}:${port}`;
  return {
    address,
    caPem: await readFile(caPath, 'utf8'),
    rootToken,
    process: started,
    request: (method, path, body) => call(address, method, path, body),
  };
}
