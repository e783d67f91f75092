import { readdirSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { builtServer } from './build.ts';
import { createAuthority } from './certificates.ts';
import { waitFor } from './deadline.ts';
import { findFreePort } from './free-port.ts';
import { callHttps } from './https-call.ts';
import { requireCommands } from './packages.ts';
import { createRunFolder, removeAbandonedRunFolders, removeRunFolder } from './run-folder.ts';
import { startServer, type ServerProcess } from './server-process.ts';
import type { Vault, VaultAnswer } from './vault.ts';

/** A Vault that keeps what it holds on disk, so that it can be killed and come back, sealed as Vaults do. */
export interface DurableVault extends Omit<Vault, 'process'> {
  /** SIGKILL. */
  kill(): Promise<void>;
  /** Starts again at the same address, and answers when it does, which is sealed. */
  start(): Promise<void>;
  unseal(): Promise<void>;
  /** SIGSTOP and SIGCONT: it takes connections and says nothing. */
  freeze(): Promise<void>;
  thaw(): void;
  stop(): Promise<void>;
}

export async function startDurableVault(): Promise<DurableVault> {
  await requireCommands(['openssl', 'setpriv']);
  const bin = await builtServer('vault');
  await removeAbandonedRunFolders();
  const run = createRunFolder();
  const stop = (): Promise<void> => removeRunFolder(run.path);
  try {
    const authority = await createAuthority(join(run.path, 'pki'));
    const { certPath, keyPath } = await authority.issue({
      name: 'vault',
      subject: '/CN=vault',
      usages: ['serverAuth'],
      alternativeNames: ['IP:127.0.0.1'],
    });
    const port = await findFreePort();
    const address = `https://127.0.0.1:${port}`;
    const configuration = {
      storage: { file: { path: join(run.path, 'data') } },
      listener: { tcp: { address: `127.0.0.1:${port}`, tls_cert_file: certPath, tls_key_file: keyPath } },
      api_addr: address,
      disable_mlock: true,
    };
    const configurationPath = join(run.path, 'vault.json');
    await writeFile(configurationPath, JSON.stringify(configuration));

    const call = async (
      token: string,
      method: string,
      path: string,
      body?: object,
    ): Promise<{ readonly status: number; readonly text: string }> =>
      callHttps({
        url: `${address}/v1/${path}`,
        caPem: authority.certPem,
        method,
        headers: token === '' ? {} : { 'x-vault-token': token },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });

    let server: ServerProcess | null = null;
    const start = async (): Promise<void> => {
      const started = startServer(run, 'vault', join(bin, 'vault'), [
        'server',
        `-config=${configurationPath}`,
      ]);
      server = started;
      await started.waitFor('Vault', 30_000, async () => {
        const { status } = await call('', 'GET', 'sys/seal-status');
        return status === 200;
      });
    };
    await start();
    const initialized = await call('', 'PUT', 'sys/init', { secret_shares: 1, secret_threshold: 1 });
    const { keys, root_token: rootToken } = JSON.parse(initialized.text) as {
      readonly keys: readonly string[];
      readonly root_token: string;
    };

    const request = async (method: string, path: string, body?: object): Promise<VaultAnswer> => {
      const { status, text } = await call(rootToken, method, path, body);
      if (status >= 400) throw new Error(`Vault ${method} ${path}: ${status} ${text}`);
      return (text === '' ? {} : JSON.parse(text)) as VaultAnswer;
    };
    const unseal = async (): Promise<void> => {
      await call('', 'PUT', 'sys/unseal', { key: keys[0] });
      // Unsealed is not yet active: it reads its mounts and leases first.
      await server?.waitFor('an active Vault', 30_000, async () => {
        const { status } = await call('', 'GET', 'sys/health');
        return status === 200;
      });
    };
    const signal = (name: NodeJS.Signals): void => {
      if (server !== null) process.kill(server.pid, name);
    };
    await unseal();
    await request('POST', 'sys/mounts/secret', { type: 'kv', options: { version: '2' } });
    return {
      address,
      caPem: authority.certPem,
      rootToken,
      request,
      kill: async () => server?.kill(),
      start,
      unseal,
      freeze: async () => {
        signal('SIGSTOP');
        // The signal has yet to reach every thread, and one that runs answers.
        await waitFor({ what: 'a stopped Vault', timeoutMs: 5000 }, async () =>
          threadStates(server?.pid ?? 0).every((state) => state === 'T'),
        );
      },
      thaw: () => signal('SIGCONT'),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** proc(5): the state stands behind the name, which is in parentheses. */
function threadStates(pid: number): readonly string[] {
  return readdirSync(`/proc/${pid}/task`).map((thread) => {
    const text = readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2, text.lastIndexOf(')') + 3);
  });
}
