import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import { connect, createServer, type PeerCertificate, type Server } from 'node:tls';
import { createAuthority, type Authority } from '../../../sidecar/tls/authority.ts';
import { encodeJavaKeyStore } from '../../../sidecar/tls/java-key-store.ts';
import { missing, run } from './program.ts';

const hourMs = 3_600_000;
let directory = '';

before(() => {
  directory = mkdtempSync(join(tmpdir(), 'outrider-authority-'));
});
after(() => rmSync(directory, { recursive: true, force: true }));

function freshDirectory(): string {
  return mkdtempSync(join(directory, 'keys-'));
}

describe('the stored authority', () => {
  test('T-08: a file that holds something else is an error, not a new authority', () => {
    const keysDirectory = freshDirectory();
    writeFileSync(join(keysDirectory, 'authority.pem'), 'nothing of use');
    assert.throws(() => createAuthority({ keysDirectory }), { code: 'KEYS_UNREADABLE' });
  });

  test('T-08: a key that belongs to another certificate is an error', () => {
    const [one, two] = [freshDirectory(), freshDirectory()];
    createAuthority({ keysDirectory: one });
    createAuthority({ keysDirectory: two });
    const [path, other] = [join(one, 'authority.pem'), join(two, 'authority.pem')];
    const key = readFileSync(path, 'utf8').split('-----BEGIN CERTIFICATE-----')[0] ?? '';
    const certificate = readFileSync(other, 'utf8').split('-----END PRIVATE KEY-----\n')[1] ?? '';
    writeFileSync(path, key + certificate);
    assert.throws(() => createAuthority({ keysDirectory: one }), { code: 'KEYS_UNREADABLE' });
  });

  test('T-08: a directory that cannot be written is an error', () => {
    assert.throws(() => createAuthority({ keysDirectory: join(directory, 'absent') }), {
      code: 'KEYS_UNWRITABLE',
    });
  });

  test('K-23: the key file is readable by its owner alone, and nothing else lies beside it', () => {
    const keysDirectory = freshDirectory();
    createAuthority({ keysDirectory });
    assert.deepEqual(readdirSync(keysDirectory), ['authority.pem']);
    assert.equal(statSync(join(keysDirectory, 'authority.pem')).mode & 0o777, 0o600);
  });

  test('a restart keeps the authority, so that running agents keep their trust', () => {
    const keysDirectory = freshDirectory();
    const first = createAuthority({ keysDirectory });
    const second = createAuthority({ keysDirectory });
    assert.equal(second.certificatePem, first.certificatePem);
    assert.doesNotMatch(first.certificatePem, /PRIVATE KEY/);
  });

  test('an authority that is about to end is replaced', () => {
    const keysDirectory = freshDirectory();
    const first = createAuthority({ keysDirectory, now: () => Date.now() - 3640 * 24 * hourMs });
    const second = createAuthority({ keysDirectory });
    assert.notEqual(second.certificatePem, first.certificatePem);
  });
});

describe('T-02: the certificates', () => {
  let authority: Authority;
  let server: Server;
  let port = 0;
  let caPath = '';

  before(async () => {
    authority = createAuthority({ keysDirectory: freshDirectory() });
    caPath = join(directory, 'ca.crt');
    writeFileSync(caPath, authority.certificatePem);
    server = createServer({
      SNICallback: (name, done) => done(null, authority.leaf(name) ?? undefined),
    });
    server.on('secureConnection', (socket) => socket.end('hello'));
    server.on('tlsClientError', () => {});
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    port = (server.address() as AddressInfo).port;
  });
  after(() => server.close());

  async function leafOf(servername: string): Promise<PeerCertificate> {
    const socket = connect({ port, host: '127.0.0.1', servername, ca: authority.certificatePem });
    await once(socket, 'secureConnect');
    const certificate = socket.getPeerCertificate();
    socket.destroy();
    return certificate;
  }

  test('a leaf names the one host, serves only and ends within 24 hours', async () => {
    const certificate = await leafOf('api.example.com');
    const parsed = new X509Certificate(certificate.raw);
    assert.equal(parsed.subjectAltName, 'DNS:api.example.com');
    assert.equal(parsed.ca, false);
    assert.deepEqual(parsed.keyUsage, ['1.3.6.1.5.5.7.3.1']);
    const lifetimeMs = parsed.validToDate.getTime() - parsed.validFromDate.getTime();
    assert.ok(lifetimeMs <= 24 * hourMs, `${lifetimeMs} ms`);
    assert.ok(
      parsed.validFromDate.getTime() <= Date.now() - hourMs + 60_000,
      'no margin for a clock that is behind',
    );
    assert.equal(parsed.publicKey.asymmetricKeyDetails?.namedCurve, 'prime256v1');
  });

  test('two leaves have different random serials of 128 bits', async () => {
    const serials = await Promise.all(
      ['a.example.com', 'b.example.com'].map(async (name) => (await leafOf(name)).serialNumber),
    );
    assert.equal(new Set(serials).size, 2);
    assert.ok(
      serials.every((serial) => serial.length === 32),
      serials.join(),
    );
  });

  test('the CA signs leaves and nothing else', async () => {
    const text = await run('openssl', ['x509', '-in', caPath, '-noout', '-text']);
    assert.match(text, /Basic Constraints: critical\s+CA:TRUE, pathlen:0/);
    assert.match(text, /Key Usage: critical\s+Certificate Sign\n/);
    assert.doesNotMatch(text, /Name Constraints/);
  });

  test('OpenSSL in strict mode verifies the chain', { skip: missing('openssl', 'version') }, async () => {
    const flags =
      '-verify_hostname api.example.com -servername api.example.com -x509_strict -verify_return_error';
    const where = ['-connect', `127.0.0.1:${port}`, '-CAfile', caPath];
    const output = await run('openssl', ['s_client', ...where, ...flags.split(' ')]);
    assert.match(output, /Verify return code: 0 \(ok\)/);
  });

  test(
    'Python with VERIFY_X509_STRICT verifies the chain',
    { skip: missing('python3', '--version') },
    async () => {
      const script = [
        'import socket, ssl, sys',
        'context = ssl.create_default_context(cafile=sys.argv[1])',
        'context.verify_flags |= ssl.VERIFY_X509_STRICT',
        'raw = socket.create_connection(("127.0.0.1", int(sys.argv[2])), 10)',
        'print(context.wrap_socket(raw, server_hostname="api.example.com").recv(5).decode())',
      ].join('\n');
      assert.equal(await run('python3', ['-c', script, caPath, String(port)]), 'hello\n');
    },
  );

  test('the leaf says which key is its own, and which signed it', async () => {
    const { raw } = await leafOf('api.example.com');
    const path = join(directory, 'leaf.pem');
    writeFileSync(path, new X509Certificate(raw).toString());
    const text = await run('openssl', ['x509', '-in', path, '-noout', '-text']);
    for (const line of [
      /Subject Key Identifier: \s+[0-9A-F:]{59}/,
      /Authority Key Identifier: \s+[0-9A-F:]{59}/,
      /Key Usage: critical\s+Digital Signature\n/,
      /Extended Key Usage: \s+TLS Web Server Authentication\n/,
      /Basic Constraints: critical\s+CA:FALSE/,
    ]) {
      assert.match(text, line);
    }
    const verdict = await run('openssl', [
      'verify',
      '-x509_strict',
      '-purpose',
      'sslserver',
      '-CAfile',
      caPath,
      path,
    ]);
    assert.match(verdict, /: OK\n/);
  });

  test('Go verifies the chain', { skip: missing('go', 'version'), timeout: 120_000 }, async () => {
    const path = join(directory, 'client.go');
    const program = `package main
import ("crypto/tls"; "crypto/x509"; "fmt"; "io"; "os")
func main() {
  pem, _ := os.ReadFile(os.Args[1])
  roots := x509.NewCertPool()
  roots.AppendCertsFromPEM(pem)
  conn, err := tls.Dial("tcp", os.Args[2], &tls.Config{RootCAs: roots, ServerName: "api.example.com"})
  if err != nil { fmt.Println(err); os.Exit(1) }
  body, _ := io.ReadAll(conn)
  fmt.Println(string(body))
}
`;
    writeFileSync(path, program);
    assert.equal(await run('go', ['run', path, caPath, `127.0.0.1:${port}`], 100_000), 'hello\n');
  });

  test('Java verifies the chain', { skip: missing('keytool', '-help'), timeout: 120_000 }, async () => {
    const store = join(directory, 'store.jks');
    writeFileSync(store, encodeJavaKeyStore([authority.certificatePem]));
    const path = join(directory, 'Client.java');
    const program = `import javax.net.ssl.*;
class Client {
  public static void main(String[] args) throws Exception {
    SSLSocket socket = (SSLSocket) SSLSocketFactory.getDefault().createSocket("127.0.0.1", Integer.parseInt(args[0]));
    SSLParameters parameters = socket.getSSLParameters();
    parameters.setServerNames(java.util.List.of(new SNIHostName("api.example.com")));
    socket.setSSLParameters(parameters);
    System.out.println(new String(socket.getInputStream().readAllBytes()));
  }
}
`;
    writeFileSync(path, program);
    const trust = [`-Djavax.net.ssl.trustStore=${store}`, '-Djavax.net.ssl.trustStorePassword=changeit'];
    assert.equal(await run('java', [...trust, path, String(port)], 100_000), 'hello\n');
  });

  for (const [address, san] of [
    ['192.0.2.1', 'IP Address:192.0.2.1'],
    ['2001:db8::7', 'IP Address:2001:DB8:0:0:0:0:0:7'],
    ['::1', 'IP Address:0:0:0:0:0:0:0:1'],
  ] as const) {
    test(`the leaf of ${address} names the address as an address`, async () => {
      const context = authority.leaf(address);
      assert.ok(context);
      const direct = createServer({ SNICallback: (_name, done) => done(null, context) });
      direct.listen(0, '127.0.0.1');
      await once(direct, 'listening');
      const socket = connect({
        port: (direct.address() as AddressInfo).port,
        host: '127.0.0.1',
        servername: 'any.example',
        ca: authority.certificatePem,
        checkServerIdentity: () => undefined,
      });
      await once(socket, 'secureConnect');
      assert.equal(socket.getPeerCertificate().subjectaltname, san);
      socket.destroy();
      direct.close();
    });
  }
});

describe('minting', () => {
  test('T-02: names beyond the burst are not minted until the budget has grown again', () => {
    let nowMs = Date.now();
    const authority = createAuthority({ keysDirectory: freshDirectory(), now: () => nowMs });
    let minted = 0;
    while (minted < 1000 && authority.leaf(`h${minted}.example.com`) !== null) minted += 1;
    assert.equal(minted, 256);
    assert.notEqual(authority.leaf('h255.example.com'), null, 'what is cached costs no budget');
    nowMs += 1000;
    let again = 0;
    while (authority.leaf(`g${again}.example.com`) !== null) again += 1;
    assert.equal(again, 20);
  });

  test('T-02: a cached leaf is used again, and renewed at half of its life', () => {
    let nowMs = Date.now();
    const authority = createAuthority({ keysDirectory: freshDirectory(), now: () => nowMs });
    const first = authority.leaf('api.example.com');
    nowMs += 11 * hourMs;
    assert.equal(authority.leaf('api.example.com'), first);
    nowMs += 2 * hourMs;
    assert.notEqual(authority.leaf('api.example.com'), first);
  });

  test('T-02: the least recently used leaf goes first', () => {
    let nowMs = Date.now();
    const authority = createAuthority({ keysDirectory: freshDirectory(), now: () => (nowMs += 100) });
    const first = authority.leaf('first.example.com');
    const second = authority.leaf('second.example.com');
    for (let i = 0; i < 255; i++) {
      authority.leaf(`h${i}.example.com`);
      authority.leaf('first.example.com');
    }
    assert.equal(authority.leaf('first.example.com'), first);
    assert.notEqual(authority.leaf('second.example.com'), second);
  });

  test('D: a flood of names costs a name in use neither its leaf nor its place', () => {
    let nowMs = Date.now();
    const authority = createAuthority({ keysDirectory: freshDirectory(), now: () => nowMs });
    const inUse = authority.leaf('api.example.com');
    assert.equal(authority.leaf('api.example.com'), inUse);
    for (let second = 0; second < 60; second++) {
      nowMs += 1000;
      for (let i = 0; i < 20; i++) authority.leaf(`f${second}-${i}.example.com`);
    }
    while (authority.leaf(`more-${nowMs++ % 1_000_003}.example.com`) !== null);
    assert.equal(authority.leaf('api.example.com'), inUse);
  });

  test('D: nor does it when that leaf is due to be renewed, for as long as it is valid', () => {
    let nowMs = Date.now();
    const authority = createAuthority({ keysDirectory: freshDirectory(), now: () => nowMs });
    const due = authority.leaf('api.example.com');
    assert.equal(authority.leaf('api.example.com'), due);
    nowMs += 13 * hourMs;
    for (let i = 0; authority.leaf(`f${i}.example.com`) !== null; i++);
    assert.equal(authority.leaf('api.example.com'), due);
    nowMs += 10 * hourMs;
    for (let i = 0; authority.leaf(`g${i}.example.com`) !== null; i++);
    assert.equal(authority.leaf('api.example.com'), null);
    nowMs += 1000;
    assert.notEqual(authority.leaf('api.example.com'), null);
  });
});
