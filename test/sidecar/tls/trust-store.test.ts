import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { rootCertificates } from 'node:tls';
import { trustFiles } from '../../../policy/contract.ts';
import { createAuthority } from '../../../sidecar/tls/authority.ts';
import { writeTrustStore } from '../../../sidecar/tls/trust-store.ts';
import { missing, run } from './program.ts';

describe('the trust volume', () => {
  let directory = '';
  let certificatePem = '';

  before(() => {
    const keysDirectory = mkdtempSync(join(tmpdir(), 'outrider-keys-'));
    directory = mkdtempSync(join(tmpdir(), 'outrider-trust-'));
    ({ certificatePem } = createAuthority({ keysDirectory }));
    rmSync(keysDirectory, { recursive: true });
    writeTrustStore({ directory, certificatePem });
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  test('K-23: no file holds a private key', () => {
    for (const name of readdirSync(directory)) {
      assert.doesNotMatch(readFileSync(join(directory, name), 'latin1'), /PRIVATE KEY/, name);
    }
  });

  test('it holds exactly the files of the contract, which every uid can read and none can write', () => {
    assert.deepEqual(readdirSync(directory).toSorted(), Object.values(trustFiles).toSorted());
    for (const name of Object.values(trustFiles)) {
      assert.equal(statSync(join(directory, name)).mode & 0o777, 0o444, name);
    }
  });

  test('writing it again, as after a restart, replaces each file whole', () => {
    writeTrustStore({ directory, certificatePem });
    assert.deepEqual(readdirSync(directory).toSorted(), Object.values(trustFiles).toSorted());
  });

  test('the bundle is our CA and the public roots, each readable', () => {
    const bundle = readFileSync(join(directory, trustFiles.bundle), 'utf8');
    const certificates = bundle.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
    assert.equal(certificates.length, rootCertificates.length + 1);
    assert.equal(`${certificates[0]}\n`, certificatePem);
    for (const pem of certificates) assert.ok(new X509Certificate(pem).ca);
  });

  const keyStore = (): string[] => ['-keystore', join(directory, trustFiles.javaKeyStore), '-storepass'];

  test(
    'Java refuses the key store under another password',
    { skip: missing('keytool', '-help') },
    async () => {
      await assert.rejects(run('keytool', ['-list', ...keyStore(), 'changeme']));
    },
  );

  test('Java reads our CA and every public root', { skip: missing('keytool', '-help') }, async () => {
    const listing = await run('keytool', ['-list', ...keyStore(), 'changeit']);
    assert.match(listing, new RegExp(`contains ${rootCertificates.length + 1} entries`));
    assert.match(listing, /^outrider, .*trustedCertEntry/m);
    const ours = await run('keytool', [
      '-exportcert',
      '-rfc',
      '-alias',
      'outrider',
      ...keyStore(),
      'changeit',
    ]);
    assert.equal(
      new X509Certificate(ours).fingerprint256,
      new X509Certificate(certificatePem).fingerprint256,
    );
  });
});
