// The ten policies with the credentials of examples/credentials beside them: what the docs show works together.

import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { parseAllDocuments } from 'yaml';
import { checkCredential, checkPolicy, checkStore } from '../../policy/check.ts';
import type { CheckContext } from '../../policy/check-context.ts';
import { isParsed, parseResource } from '../../policy/parse.ts';
import type { AgentPolicy, KindName } from '../../policy/resources/kinds.ts';
import type { Manifest } from './resources/examples.ts';

const root = join(import.meta.dirname, '..', '..');
const patterns = ['examples/ten/*.yaml', 'examples/credentials/*.yaml', 'examples/*.yaml'];
const all = globSync(patterns, { cwd: root }).flatMap((file) =>
  parseAllDocuments(readFileSync(join(root, file), 'utf8')).map((document) => document.toJS() as Manifest),
);
const ofKind = (kind: KindName, namespace?: string): Manifest[] =>
  all.filter(
    (object) =>
      object.kind === kind && (namespace === undefined || metadataOf(object).namespace === namespace),
  );

function metadataOf(object: Manifest): { readonly name: string; readonly namespace?: string } {
  return object.metadata as { name: string; namespace?: string };
}

function contextOf(object: Manifest): CheckContext {
  const namespace = metadataOf(object).namespace ?? '';
  return {
    namespaceLabels: { team: namespace },
    credentials: ofKind('AgentCredential', namespace),
    policies: ofKind('AgentPolicy', namespace),
    stores: ofKind('AgentSecretStore'),
    destinations: ofKind('AgentDestination'),
    clusterPolicies: ofKind('ClusterAgentPolicy'),
  };
}

describe('the ten policies', () => {
  for (const object of ofKind('AgentPolicy')) {
    it(`find every credential that ${metadataOf(object).name} names, and can be used`, () => {
      const found = checkPolicy(object, contextOf(object)).filter(({ reason }) => reason !== 'Advice');
      assert.deepEqual(found, []);
    });
  }
  for (const object of ofKind('AgentCredential')) {
    it(`come with the credential ${metadataOf(object).name}, which can be used`, () => {
      assert.deepEqual(checkCredential(object, contextOf(object)), []);
    });
  }
  for (const object of ofKind('AgentSecretStore')) {
    it(`come with the store ${metadataOf(object).name}, which can be used`, () => {
      assert.deepEqual(checkStore(object), []);
    });
  }
  it('come with no credential that none of them names', () => {
    const named = ofKind('AgentPolicy').flatMap((object) => {
      const policy = parseResource('AgentPolicy', object);
      assert.ok(isParsed<AgentPolicy>(policy));
      return (policy.spec.rules ?? []).map(({ credential }) => credential);
    });
    for (const object of ofKind('AgentCredential')) assert.ok(named.includes(metadataOf(object).name));
  });
});
