import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type TLSSocket } from 'node:tls';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { createCa, createServingCertificate } from '../../../operator/webhook/certificate.ts';

const hourMs = 60 * 60_000;
const nowMs = Math.floor(Date.now() / 1000) * 1000;
const validity = { notBeforeMs: nowMs - hourMs, notAfterMs: nowMs + hourMs };
const names = ['outrider.outrider-system.svc', 'outrider.outrider-system.svc.cluster.local'];

describe('a serving certificate', () => {
  const ca = createCa('operator CA 1', validity);
  const serving = createServingCertificate({ commonName: 'operator CA 1', key: ca.key }, names, validity);
  const folder = mkdtempSync(join(tmpdir(), 'outrider-certificate-'));
  const server = createServer(serving, (socket) => socket.end('hello'));
  before(() => new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', () => resolve())));
  after(() => {
    server.close();
    rmSync(folder, { recursive: true });
  });

  const handshake = (trusted: string, servername: string) =>
    new Promise<TLSSocket>((resolve, reject) => {
      const { port } = server.address() as AddressInfo;
      const socket = connect({ host: '127.0.0.1', port, ca: trusted, servername }, () => resolve(socket));
      socket.setTimeout(5000, () => socket.destroy(new Error('no handshake in 5 s')));
      socket.on('error', reject);
    });

  test('is refused by a client that trusts another CA', async () => {
    const other = createCa('operator CA 1', validity);
    await assert.rejects(handshake(other.cert, 'outrider.outrider-system.svc'), /certificate|signature/);
  });

  test('is refused under another name', async () => {
    await assert.rejects(handshake(ca.cert, 'outrider.default.svc'), {
      code: 'ERR_TLS_CERT_ALTNAME_INVALID',
    });
  });

  for (const name of names) {
    test(`is accepted by a TLS client as ${name}`, async () => {
      const socket = await handshake(ca.cert, name);
      assert.equal(socket.authorized, true);
      socket.destroy();
    });
  }

  test('passes OpenSSL’s strict checks, as Python 3.13 makes them', () => {
    const [caPath, certPath] = [join(folder, 'ca.crt'), join(folder, 'tls.crt')];
    writeFileSync(caPath, ca.cert);
    writeFileSync(certPath, serving.cert);
    const purpose = ['-x509_strict', '-purpose', 'sslserver', '-verify_hostname', names[0] ?? ''];
    const output = execFileSync('openssl', ['verify', ...purpose, '-CAfile', caPath, certPath]);
    assert.match(output.toString(), /: OK/);
  });

  test('says what RFC 5280 asks of a CA and of a server', () => {
    const [issuer, leaf] = [new X509Certificate(ca.cert), new X509Certificate(serving.cert)];
    assert.equal(issuer.ca, true);
    assert.equal(leaf.ca, false);
    assert.equal(leaf.checkIssued(issuer), true);
    assert.equal(issuer.subject, 'O=Outrider\nCN=operator CA 1');
    assert.equal(leaf.subjectAltName, names.map((name) => `DNS:${name}`).join(', '));
    assert.deepEqual(leaf.keyUsage, ['1.3.6.1.5.5.7.3.1']);
    assert.equal(leaf.validFromDate.getTime(), validity.notBeforeMs);
    assert.equal(leaf.validToDate.getTime(), validity.notAfterMs);
    assert.notEqual(
      leaf.serialNumber,
      createServingCertificate({ commonName: '', key: ca.key }, names, validity),
    );
  });

  test('is dated right on both sides of 2050', () => {
    const dates = { notBeforeMs: Date.UTC(2049, 11, 31), notAfterMs: Date.UTC(2050, 0, 1, 1, 2, 3) };
    const { validFromDate, validToDate } = new X509Certificate(createCa('x', dates).cert);
    assert.equal(validFromDate.getTime(), dates.notBeforeMs);
    assert.equal(validToDate.getTime(), dates.notAfterMs);
  });
});
