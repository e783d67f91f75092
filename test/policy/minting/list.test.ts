// The list as data: what its lookup relies on, and that the documentation has all of it.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { it } from 'node:test';
import { mintingEndpoints } from '../../../policy/minting/lookup.ts';
import { tellOf } from '../../../policy/minting/tells.ts';
import { hostPattern, pathPattern } from '../../../policy/resources/names.ts';
import { linesOf, mintingLine } from './page.ts';

it('no name stands for two entries', () => {
  const names = mintingEndpoints.map(({ name }) => name);
  assert.equal(new Set(names).size, names.length);
});

it('every path is a lower-case pattern that some segment tells', () => {
  for (const { name, paths = [] } of mintingEndpoints) {
    for (const path of paths) {
      assert.equal(path, path.toLowerCase(), name);
      assert.notEqual(tellOf(path), '', path);
      assert.ok(pathPattern().safeParse(path).success, path);
      assert.ok(!path.endsWith('/'), path);
    }
    assert.equal(new Set(paths).size, paths.length, name);
  }
});

it('every host is a pattern as in a rule, and an entry has hosts or services of AWS', () => {
  for (const { name, hosts, awsServices } of mintingEndpoints) {
    assert.ok(hosts === undefined || awsServices === undefined, name);
    for (const host of hosts ?? []) assert.ok(hostPattern().safeParse(host).success, host);
  }
});

it('what is listed for any host has paths of two segments at least, so that no ordinary API is caught', () => {
  for (const { name, hosts, awsServices, paths } of mintingEndpoints) {
    if (hosts !== undefined || awsServices !== undefined) continue;
    assert.ok(paths !== undefined, name);
    for (const path of paths) {
      const literal = path.split('/').filter((segment) => segment !== '' && !segment.includes('*'));
      assert.ok(literal.length > 1 || literal[0] === 'oauth_token.do', path);
    }
  }
});

it('docs/credentials/minting-endpoints.md has every entry, and no other', () => {
  const page = readFileSync(
    new URL('../../../docs/credentials/minting-endpoints.md', import.meta.url),
    'utf8',
  );
  assert.deepEqual(linesOf(page, 'The list'), mintingEndpoints.map(mintingLine));
});
