// Runs read-once.ts in an environment that would redirect, weaken or print everything, if anybody looked at it.

import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { promisify } from 'node:util';
import type { VaultSource, VaultStore } from '../../../policy/ruleset-credential.ts';

const runFile = promisify(execFile);

export interface HostileReading {
  /** All that was printed. */
  readonly text: string;
  /** How many connections the environment's proxy got. */
  readonly proxied: number;
}

/** @param directory of projected tokens, and of mounted Secrets. */
export async function readInHostileEnvironment(
  directory: string,
  source: VaultSource,
  store: VaultStore,
): Promise<HostileReading> {
  let proxied = 0;
  const proxy = createServer((socket) => {
    proxied += 1;
    socket.destroy();
  });
  await once(proxy.listen(0, '127.0.0.1'), 'listening');
  const url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  const program = new URL('read-once.ts', import.meta.url).pathname;
  try {
    const { stdout, stderr } = await runFile(
      process.execPath,
      [program, directory, JSON.stringify({ source, store })],
      { env: hostile(url), timeout: 20_000 },
    );
    return { text: stdout + stderr, proxied };
  } finally {
    proxy.close();
  }
}

function hostile(proxy: string): Record<string, string | undefined> {
  return {
    ...process.env,
    HTTPS_PROXY: proxy,
    https_proxy: proxy,
    HTTP_PROXY: proxy,
    ALL_PROXY: proxy,
    NODE_USE_ENV_PROXY: '1',
    NODE_TLS_REJECT_UNAUTHORIZED: '0',
    VAULT_SKIP_VERIFY: '1',
    VAULT_ADDR: 'https://127.0.0.1:1',
    VAULT_TOKEN: 'hvs.of-the-environment',
    VAULT_NAMESPACE: 'elsewhere',
    VAULT_PREFIX: '/elsewhere',
    VAULT_CACERT: '/dev/null',
    VAULT_WRAP_TTL: '5m',
    DEBUG: '*',
  };
}
