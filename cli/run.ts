// `outrider run`: the same sidecar without a cluster, around one command.

import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { agentVariables, placeholdersOf } from '../policy/agent-environment.ts';
import type { Audit } from '../sidecar/audit/record.ts';
import { compileSnapshot, createStaticSnapshots } from '../sidecar/control/snapshot.ts';
import { createAwsProvider } from '../sidecar/credentials/aws/aws.ts';
import { createCredentials } from '../sidecar/credentials/credentials.ts';
import { createFileProvider } from '../sidecar/credentials/file.ts';
import { createPlaceholderFiles } from '../sidecar/credentials/placeholder-files.ts';
import { createVaultProvider } from '../sidecar/credentials/vault/vault.ts';
import { createLocalLimits } from '../sidecar/limits/limits.ts';
import { createResolver } from '../sidecar/dns/resolver.ts';
import { createEgress } from '../sidecar/proxy/egress.ts';
import { createProxy } from '../sidecar/proxy/server.ts';
import { createAuthority } from '../sidecar/tls/authority.ts';
import { writeTrustStore } from '../sidecar/tls/trust-store.ts';
import { decisionText } from './decision-text.ts';
import { compileForAgent, openNamespaceSelectors, parseAgent } from './local-agent.ts';
import { loadResourceFiles, type AnyResource } from './resource-files.ts';

export interface RunOptions {
  /** Directory or file of resources; `secrets` and `tokens` lie beside them. */
  readonly path: string;
  /** `namespace/serviceaccount[,label=value…]`, or null when no policy selects. */
  readonly as: string | null;
  /** Names whose address is given. */
  readonly resolve: Readonly<Record<string, string>>;
  readonly command: readonly [string, ...string[]];
}

/**
 * Runs a command with the proxy and trust variables set, printing each decision on standard error.
 * @returns the command's exit code, 128 + its signal as shells have it.
 * @throws {UsageError} for what the user can mend.
 */
export async function run(options: RunOptions): Promise<number> {
  const { found } = loadResourceFiles([options.path]);
  const resources = openNamespaceSelectors(found.map(({ resource }) => resource));
  const agent = parseAgent(options.as, resources);
  const { ruleset, revision } = compileForAgent(resources, agent);
  const beside = statSync(options.path).isDirectory() ? options.path : dirname(options.path);
  const folder = mkdtempSync(join(tmpdir(), 'outrider-run-'));
  const keysDirectory = join(folder, 'keys');
  const trustDirectory = join(folder, 'trust');
  mkdirSync(keysDirectory, { mode: 0o700 });
  mkdirSync(trustDirectory);

  const snapshots = createStaticSnapshots(compileSnapshot(ruleset, revision));
  const egress = createEgress({
    resolver: createResolver({ overrides: options.resolve }),
    ruleset: () => ruleset,
  });
  const secretsDirectory = join(beside, 'secrets');
  const directories = { tokensDirectory: join(beside, 'tokens'), secretsDirectory };
  const credentials = createCredentials({
    snapshots,
    providers: {
      file: createFileProvider({ directory: secretsDirectory }),
      vault: createVaultProvider(directories),
      awsSecretsManager: createAwsProvider({ ...directories, level: 'cooperative' }),
    },
    dial: egress.dial,
  });
  const authority = createAuthority({ keysDirectory });
  writeTrustStore({ directory: trustDirectory, certificatePem: authority.certificatePem });
  const placeholders = createPlaceholderFiles({
    snapshots,
    directory: trustDirectory,
    onFailure: ({ message }) => process.stderr.write(`outrider: ${message}\n`),
  });
  const limits = createLocalLimits();
  const audit = printDecisions;
  const proxy = createProxy({
    snapshots,
    credentials,
    limits,
    // Nobody here could say that it is right again after a laptop slept.
    clock: { nowMs: Date.now, confirm: () => {} },
    authority,
    egress,
    audit,
    level: 'cooperative',
  });
  try {
    const { port } = await proxy.listen(0, ['127.0.0.1']);
    const variables = agentVariables({ proxyPort: port, trustDirectory });
    await placeholders.settled();
    const names = placeholderVariables(
      resources,
      agent.namespace,
      Object.keys(ruleset.credentials),
      trustDirectory,
    );
    return await runCommand(options.command, {
      ...process.env,
      ...Object.fromEntries([...variables, ...names]),
    });
  } finally {
    await proxy.close();
    await credentials.close();
    await limits.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

const printDecisions: Audit = {
  record: (exchange) => process.stderr.write(decisionText(exchange)),
  close: async () => {},
};

function placeholderVariables(
  resources: readonly AnyResource[],
  namespace: string,
  bound: readonly string[],
  trustDirectory: string,
): [name: string, value: string][] {
  const credentials = resources.flatMap((resource) => {
    const { kind, metadata } = resource;
    const isBound =
      kind === 'AgentCredential' && metadata.namespace === namespace && bound.includes(metadata.name);
    return isBound ? [resource] : [];
  });
  return placeholdersOf(credentials, { namespace, trustDirectory }).map(({ env, value }) => [env, value]);
}

/** Signals reach the command; what becomes of it is the answer. */
async function runCommand(
  [file, ...args]: readonly [string, ...string[]],
  env: NodeJS.ProcessEnv,
): Promise<number> {
  const child = spawn(file, args, { stdio: 'inherit', env });
  const forward = (signal: NodeJS.Signals): void => {
    child.kill(signal);
  };
  const forwarded = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of forwarded) process.on(signal, forward);
  const { promise, resolve } = Promise.withResolvers<number>();
  child.on('error', ({ message }) => {
    process.stderr.write(`outrider: ${file} cannot be run: ${message}\n`);
    resolve(127);
  });
  child.on('exit', (code, signal) =>
    resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])),
  );
  try {
    return await promise;
  } finally {
    for (const signal of forwarded) process.off(signal, forward);
  }
}
