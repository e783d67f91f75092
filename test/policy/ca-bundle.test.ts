import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { checkDestination, checkStore } from '../../policy/check.ts';
import type { Finding } from '../../policy/parse.ts';
import { createFixedAuthority } from '../support/fixed-authority.ts';
import { destination, store } from './resources/examples.ts';

describe('a CA bundle', () => {
  const ca = createFixedAuthority(['vault']).bundle();
  const broken = ca.replace(/\n[A-Za-z0-9+/]{8}/, '\n!!!!!!!!');
  const places: Record<string, (caBundle: string) => readonly Finding[]> = {
    'spec.vault.caBundle': (caBundle) =>
      checkStore(store({ vault: { address: 'https://vault:8200', auth: { kubernetes: {} }, caBundle } })),
    'spec.awsSecretsManager.caBundle': (caBundle) =>
      checkStore(store({ vault: undefined, awsSecretsManager: { region: 'eu-central-1', caBundle } })),
    'spec.caBundle': (caBundle) =>
      checkDestination(destination({ service: { namespace: 'a', name: 'b', port: 443 }, caBundle })),
  };
  const refused: Record<string, [pem: string, position: string]> = {
    'with a broken block': [`${ca}\n${broken}`, 'number 2'],
    'with a block that does not end': [`${ca}-----BEGIN CERTIFICATE-----\nMIIB`, 'number 2'],
    'of a request': [ca.replaceAll(/\n[^-]+/g, '\nMIIB\n'), 'number 1'],
  };
  for (const [field, checkBundle] of Object.entries(places)) {
    for (const [what, [pem, position]] of Object.entries(refused)) {
      it(`${what} is found at ${field}`, () => {
        const [found, ...more] = checkBundle(pem);
        assert.deepEqual(
          [found?.reason, found?.field, found?.blocking, more],
          ['CaBundleUnreadable', field, true, []],
        );
        const message = found?.message ?? '';
        assert.ok(message.includes(position), message);
        assert.ok(!message.includes('MIIB'));
      });
    }
    it(`of certificates has nothing wrong with it at ${field}`, () => {
      assert.deepEqual(checkBundle(`# ours\n${ca}\n# theirs\n${ca}`), []);
    });
  }
});
