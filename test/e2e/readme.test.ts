// The README's way from nothing to a first policy, command by command as it is written there.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { parse, stringify } from 'yaml';
import { builtServer } from '../cluster/build.ts';
import { startNode, type ClusterNode } from '../cluster/node.ts';
import { nodeSkipReason } from '../cluster/node-availability.ts';
import { buildImages, root } from './installation.ts';
import { startTracker, type Tracker } from './tracker.ts';

const run = promisify(execFile);
const readme = readFileSync(join(root, 'README.md'), 'utf8');

/** The n-th block of a language in a section. */
function block(section: string, language: string, index = 0): string {
  const start = readme.indexOf(`\n## ${section}`);
  const end = readme.indexOf('\n## ', start + 1);
  const blocks = [...readme.slice(start, end).matchAll(/```(\w+)\n([^]*?)```/g)].filter(
    ([, name]) => name === language,
  );
  const text = blocks[index]?.[2];
  assert.ok(text !== undefined, `no ${language} block ${index} under ${section}`);
  return text;
}

describe('the README, followed to the letter', { skip: nodeSkipReason() ?? false, timeout: 600_000 }, () => {
  let node: ClusterNode;
  let tracker: Tracker;
  let folder: string;
  let environment: NodeJS.ProcessEnv;

  before(async () => {
    node = await startNode();
    await buildImages(node);
    tracker = await startTracker(node, 'the-real-token');
    folder = join(node.folder, 'reader');
    mkdirSync(join(folder, 'bin'), { recursive: true });
    cpSync(join(root, 'examples'), join(folder, 'examples'), { recursive: true });
    symlinkSync(join(root, 'charts'), join(folder, 'charts'));
    for (const name of ['helm', 'vault'] as const)
      symlinkSync(join(await builtServer(name), name), join(folder, 'bin', name));
    const vaultCa = join(folder, 'vault-ca.pem');
    writeFileSync(vaultCa, node.vault.caPem);
    environment = {
      PATH: `${join(folder, 'bin')}:${node.binFolder}:${process.env.PATH}`,
      HOME: folder,
      KUBECONFIG: node.kubeconfig,
      VAULT_ADDR: node.vault.address,
      VAULT_TOKEN: node.vault.rootToken,
      VAULT_CACERT: vaultCa,
    };
  });
  after(async () => {
    tracker?.close();
    await node?.stop();
  });

  async function shell(commands: string): Promise<string> {
    const { stdout } = await run('bash', ['-euo', 'pipefail', '-c', commands], {
      cwd: folder,
      env: environment,
      timeout: 200_000,
    });
    return stdout;
  }

  it('installs', async () => {
    // What a reader fills in: their registry, and the CAs of their Vault and collector.
    const values = parse(block('Install', 'yaml')) as {
      images: { registry: string };
      defaultStore: { vault: { caBundle?: string } };
      telemetry: { caBundle?: string };
    };
    values.images.registry = 'localhost';
    values.defaultStore.vault.caBundle = node.vault.caPem;
    values.telemetry.caBundle = node.jaeger.caPem;
    writeFileSync(join(folder, 'outrider.yaml'), stringify(values));
    await shell(block('Install', 'sh'));
    await shell(block('Install', 'sh', 1));
  });

  it('applies the first policy, calls, and halts', async () => {
    const platform = join(folder, 'examples/first-policy/platform.yaml');
    const destination = parse(readFileSync(platform, 'utf8')) as { spec: { caBundle?: string } };
    destination.spec.caBundle = tracker.caPem;
    writeFileSync(platform, stringify(destination));
    const output = await shell(block('The first policy', 'sh'));
    assert.match(output, /"status":200/);
    assert.match(output, /"code":"no_grant"/);
    assert.match(output, /agentcredential\.outrider\.dev\/tracker +True/);
    assert.match(output, /agentpolicy\.outrider\.dev\/triage patched/);
    const call =
      'kubectl exec -n research deploy/triage -c agent -- curl -s https://tracker.upstream.svc:8443/issues';
    assert.match(await shell(`sleep 2; ${call}`), /"code":"halted"/);
  });
});
