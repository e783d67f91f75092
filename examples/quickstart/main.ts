// The quickstart, npm start: an API that demands a real token, an agent that has none, and Outrider between.

import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { apiVersion } from '../../policy/contract.ts';
import { startTrackerApi } from './tracker-api.ts';

const host = 'tracker.example';
const here = import.meta.dirname;
const root = join(here, '..', '..');
const folder = mkdtempSync(join(tmpdir(), 'outrider-quickstart-'));

try {
  process.exitCode = await quickstart();
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** @returns the exit code: 0 when exactly the allowed requests reached the API, with the token. */
async function quickstart(): Promise<number> {
  const token = `tracker-${randomBytes(12).toString('hex')}`;
  const keysDirectory = join(folder, 'api');
  mkdirSync(keysDirectory);
  const api = await startTrackerApi({ name: host, token, keysDirectory });
  const policies = join(folder, 'policies');
  cpSync(join(here, 'policies'), policies, { recursive: true });
  mkdirSync(join(policies, 'secrets'), { mode: 0o700 });
  writeFileSync(join(policies, 'secrets', 'tracker.token'), token, { mode: 0o600 });
  writeFileSync(join(policies, 'destination.yaml'), stringify(destination(api.port, api.caPem)));

  console.log(`api       https://${host}:${api.port} is up on loopback and answers nobody without its token`);
  const code = await runAgent(policies, api.port);
  api.close();
  const { withToken, withoutToken } = api.seen;
  console.log(`api       saw ${withToken} requests with the token and ${withoutToken} without`);
  console.log('next      read examples/quickstart/policies, change a rule, and run npm start again');
  return code === 0 && withToken === 2 && withoutToken === 0 ? 0 : 1;
}

/** The API is neither public nor on port 443, so it is the platform's to open: here, only on loopback. */
function destination(port: number, caBundle: string): object {
  return {
    apiVersion,
    kind: 'AgentDestination',
    metadata: { name: 'tracker' },
    spec: {
      namespaceSelector: {},
      host: { name: host, port, scheme: 'https', cidrs: ['127.0.0.1/32'] },
      caBundle,
    },
  };
}

async function runAgent(policies: string, port: number): Promise<number> {
  const outrider = [join(root, 'cli', 'main.ts'), 'run', '-f', policies, '--as', 'quickstart/triage'];
  const resolved = ['--resolve', `${host}:127.0.0.1`];
  const command = [...outrider, ...resolved, '--', process.execPath, join(here, 'agent.ts')];
  const environment = { ...process.env, TRACKER_URL: `https://${host}:${port}` };
  const child = spawn(process.execPath, command, { stdio: 'inherit', env: environment });
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  child.on('error', reject);
  child.on('exit', (code) => resolve(code ?? 1));
  return promise;
}
