// The import arrows of the house, read from the sources.

import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, it } from 'node:test';

const root = resolve(import.meta.dirname, '..');

interface Import {
  readonly from: string;
  /** A project path, or a package's name. */
  readonly to: string;
  readonly isType: boolean;
  readonly isDynamic: boolean;
}

const parts = ['policy', 'x509', 'operator', 'sidecar', 'cli'] as const;
const imports = parts.flatMap((part) => globSync(`${part}/**/*.ts`, { cwd: root }).flatMap(importsOf));

function importsOf(file: string): Import[] {
  const text = readFileSync(join(root, file), 'utf8').replace(/^\s*(?:\/\/|\*|\/\*).*$/gm, '');
  const statements = text.matchAll(
    /(?:^|\n)(import|export)\s+(type\s+)?(?:[^'";]*?\sfrom\s+)?'([^']+)'|\bimport\(\s*'([^']+)'/g,
  );
  return [...statements].map(([, keyword, type, fixed, dynamic]) => {
    const target = fixed ?? dynamic ?? '';
    const to = target.startsWith('.')
      ? relative(root, resolve(root, dirname(file), target))
      : packageOf(target);
    return { from: file, to, isType: type !== undefined, isDynamic: keyword === undefined };
  });
}

function packageOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

function offenders(from: RegExp, to: RegExp): string[] {
  return imports
    .filter((each) => from.test(each.from) && to.test(each.to))
    .map((each) => `${each.from} → ${each.to}`);
}

describe('the arrows', () => {
  const forbidden: Record<string, [from: RegExp, to: RegExp]> = {
    'policy imports nothing of ours': [/^policy\//, /^(x509|operator|sidecar|cli)\//],
    'x509 imports nothing of ours, and only node:crypto and node:net': [
      /^x509\//,
      /^(?!x509\/|node:(crypto|net)$)/,
    ],
    'policy does no I/O': [/^policy\//, /^node:(fs|http|https|tls|dns|child_process|worker_threads|dgram)$/],
    'sidecar never imports operator, the CLI or a Kubernetes client': [
      /^sidecar\//,
      /^(operator\/|cli\/|@kubernetes\/)/,
    ],
    'sidecar never imports zod or a resource': [
      /^sidecar\//,
      /^(zod$|policy\/(resources|compile|check|parse|selection|crd|ceiling))/,
    ],
    'operator never imports sidecar, the CLI or a secret SDK': [
      /^operator\//,
      /^(sidecar\/|cli\/|node-vault$|@aws-sdk\/)/,
    ],
    'cli never imports operator': [/^cli\//, /^operator\//],
    'node-vault is imported by one file': [/^(?!sidecar\/credentials\/vault\/vault\.ts$)/, /^node-vault$/],
    'the AWS SDK is imported by one file': [
      /^(?!sidecar\/credentials\/aws\/clients\.ts$)/,
      /^(?:@aws-sdk|@smithy)\//,
    ],
  };
  for (const [what, [from, to]] of Object.entries(forbidden)) {
    it(what, () => assert.deepEqual(offenders(from, to), []));
  }

  it('node-vault and the AWS SDK are loaded only when a credential needs them', () => {
    const ofStores = imports.filter((each) => /^(?:node-vault$|@aws-sdk\/)/.test(each.to));
    assert.deepEqual(
      ofStores.filter((each) => !each.isDynamic && !each.isType),
      [],
    );
    assert.deepEqual(
      new Set(ofStores.filter((each) => each.isDynamic).map((each) => each.to)),
      new Set(['node-vault', '@aws-sdk/client-sts', '@aws-sdk/client-secrets-manager']),
    );
  });

  it('what the sidecar loads at start reaches neither zod, a secret SDK nor netfilter', () => {
    const reached = new Set<string>();
    const visit = (file: string): void => {
      if (reached.has(file)) return;
      reached.add(file);
      for (const each of imports) if (each.from === file && !each.isType && !each.isDynamic) visit(each.to);
    };
    visit('sidecar/main.ts');
    assert.ok(reached.has('policy/decide.ts'), 'the graph is not empty');
    assert.deepEqual(
      [...reached].filter((each) =>
        /^(?:zod|tldts|node-vault)$|^@aws-sdk\/|^sidecar\/capture\/(?:rules|nft|canary)/.test(each),
      ),
      [],
    );
  });

  it('there are no cycles', () => {
    const cycles: string[] = [];
    const state = new Map<string, 'open' | 'done'>();
    const visit = (file: string, path: string[]): void => {
      if (state.get(file) === 'open') cycles.push([...path, file].join(' → '));
      if (state.has(file)) return;
      state.set(file, 'open');
      for (const each of imports) if (each.from === file && !each.isType) visit(each.to, [...path, file]);
      state.set(file, 'done');
    };
    for (const { from } of imports) visit(from, []);
    assert.deepEqual(cycles, []);
  });
});

describe('the house rules', () => {
  it('a secret is opened by injection alone', () => {
    const openers = globSync('{sidecar,cli,operator}/**/*.ts', { cwd: root }).filter((file) =>
      /\.open\(\)/.test(readFileSync(join(root, file), 'utf8')),
    );
    assert.deepEqual(
      openers.filter((file) => !file.startsWith('sidecar/credentials/inject/')),
      [],
    );
    assert.ok(openers.length > 0, 'somebody opens it');
  });

  it('no file is named after nothing', () => {
    const names = globSync('{policy,x509,operator,sidecar,cli}/**/*.ts', { cwd: root });
    assert.deepEqual(
      names.filter((file) => /(?:^|\/)(?:utils?|helpers?|common|types|index|misc)\.ts$/.test(file)),
      [],
    );
  });

  it('no file passes 300 lines', () => {
    const long = globSync('{policy,x509,operator,sidecar,cli}/**/*.ts', { cwd: root }).filter(
      (file) => readFileSync(join(root, file), 'utf8').split('\n').length > 301,
    );
    assert.deepEqual(long, []);
  });
});
