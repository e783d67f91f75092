import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { secretVolumes, type SecretNeed } from '../../../operator/injector/secret-volumes.ts';
import { podVolumes, type StoreToken } from '../../../operator/injector/volumes.ts';
import {
  placeholderFile,
  podIdentityTokenFile,
  secretDirectory,
  storeTokenFile,
} from '../../../policy/contract.ts';
import type { SecretVolume } from '../../../policy/ruleset-credential.ts';
import { settings } from '../../golden/cases.ts';

const long = `${'a'.repeat(62)}.`.repeat(4).slice(0, 252);
const names = ['a', 'github', 'github.token', 'github-token', `${'b'.repeat(31)}.c`, `${long}a`, `${long}b`];
const volumes: readonly SecretVolume[] = names.flatMap((name) => [{ secret: name }, { csi: name }]);

describe('the volumes of secrets', () => {
  it('have names that Kubernetes takes, of any object, and no two the same', () => {
    const mounted = secretVolumes(volumes.map((volume) => ({ volume, keys: null })));
    const found = mounted.map(({ volume }) => volume.name);
    for (const name of found) assert.match(name, /^(?=.{1,63}$)outrider-(?:secret|csi)-[a-z0-9-]*[a-z0-9]$/);
    assert.equal(new Set(found).size, volumes.length);
    assert.equal(new Set(mounted.map(({ mount }) => mount.mountPath)).size, volumes.length);
  });

  it('are one for each Secret: all of it where anything needs all, else the keys that are needed', () => {
    const need = (secret: string, keys: readonly string[] | null): SecretNeed => ({
      volume: { secret },
      keys,
    });
    const needs = [
      need('keys', ['b', 'a']),
      need('whole', ['a']),
      need('whole', null),
      need('keys', ['b', 'c']),
    ];
    const items = secretVolumes(needs).map(({ volume }) => volume.secret?.items?.map(({ key }) => key));
    assert.deepEqual(items, [['a', 'b', 'c'], undefined]);
    assert.deepEqual(secretVolumes(needs), secretVolumes(needs.toReversed()));
  });

  it('lie in files whose names a file system takes, and no two the same', () => {
    const files = [
      ...volumes.map(secretDirectory),
      ...names.flatMap((name) => [storeTokenFile(name), podIdentityTokenFile(name), placeholderFile(name)]),
    ];
    assert.equal(new Set(files).size, volumes.length + 3 * names.length);
    for (const file of files) assert.ok(file.length <= 255, file);
    assert.equal(secretDirectory({ secret: 'github.token' }), 'secret.github.token');
    assert.match(placeholderFile(`${long}a`), /^placeholder\.a+.*~[0-9a-f]{16}\.json$/);
  });
});

describe('the tokens', () => {
  const stores: readonly StoreToken[] = [
    { store: 'vault', audience: 'outrider.dev/vault', file: 'store.vault' },
    { store: 'eks', audience: 'pods.eks.amazonaws.com', file: 'pod-identity.eks', onlyCaptured: true },
  ];
  const audiences = (level: 'cooperative' | 'captured'): unknown[] =>
    podVolumes(settings, level, stores, [])
      .flatMap(({ projected }) => projected?.sources ?? [])
      .map(({ serviceAccountToken }) => serviceAccountToken?.audience);

  it('have no audience that any pod can ask for, unless the agent is captured (K-06)', () => {
    assert.deepEqual(audiences('cooperative'), ['outrider.dev/operator', 'outrider.dev/vault']);
  });

  it('have that of EKS Pod Identity for captured agents', () => {
    assert.deepEqual(audiences('captured'), [
      'outrider.dev/operator',
      'outrider.dev/vault',
      'pods.eks.amazonaws.com',
    ]);
  });
});
