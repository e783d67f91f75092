import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { createServer, type TlsOptions } from 'node:tls';
import { createAuthorityCertificate, createIssuer, createLeafEncoder } from '../../../x509/certificate.ts';
import { run } from '../tls/program.ts';
import { startFixture } from './fixture.ts';
import { createTestCa, originName, startOrigin, type TestCa } from './origin.ts';
import { openTunnel, send } from './raw-client.ts';

let ca: TestCa;
let rogue: TestCa;

before(async () => {
  [ca, rogue] = await Promise.all([createTestCa(), createTestCa()]);
});
after(() => {
  ca.close();
  rogue.close();
});

interface Bad {
  /** Arguments of `openssl req -x509`, besides names of files. */
  readonly args: readonly string[];
  readonly signer?: () => TestCa | null;
  readonly key?: readonly string[];
  readonly server?: TlsOptions;
}

const san = `subjectAltName=DNS:${originName}`;
const extension = (...lines: string[]): string[] => lines.flatMap((line) => ['-addext', line]);
const good = extension(san, 'extendedKeyUsage=serverAuth');
const p256 = ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256'];

const refused: Record<string, Bad> = {
  'is self-signed': { args: good, signer: () => null },
  'is of a CA that is not trusted': { args: good, signer: () => rogue },
  'is of another host': { args: extension('subjectAltName=DNS:other.example.test') },
  'is of a longer name': { args: extension(`subjectAltName=DNS:x.${originName}`) },
  'is of a wildcard that reaches further': { args: extension('subjectAltName=DNS:*.test') },
  'names the host as its subject alone': { args: ['-subj', `/CN=${originName}`] },
  'names the host as its subject, and an e-mail': {
    args: ['-subj', `/CN=${originName}`, ...extension('subjectAltName=email:a@b.test')],
  },
  'names an address alone': { args: extension('subjectAltName=IP:127.0.0.1') },
  'names the host as an e-mail': { args: extension(`subjectAltName=email:a@${originName}`) },
  'is for clients': { args: extension(san, 'extendedKeyUsage=clientAuth') },
  'is signed with SHA-1': { args: [...good, '-sha1'] },
  'has a key of 1024 bits': { args: good, key: ['rsa:1024'], server: { ciphers: 'DEFAULT@SECLEVEL=0' } },
  'has names that its CA may not sign': { args: good, signer: () => constrained },
  'comes with TLS 1.1 at most': {
    args: good,
    server: { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' },
  },
};

let constrained: TestCa | null = null;
let count = 0;

async function makeCertificate({ args, signer, key = p256 }: Bad): Promise<{ key: string; cert: string }> {
  count += 1;
  const base = join(ca.folder, `bad-${count}`);
  const by = signer === undefined ? ca : signer();
  const signing = by === null ? [] : ['-CA', by.authority.certPath, '-CAkey', by.authority.keyPath];
  const subject = args.includes('-subj') ? [] : ['-subj', '/CN=bad'];
  const config = join(ca.folder, 'ca.cnf');
  const output = ['-keyout', `${base}.key`, '-out', `${base}.crt`];
  await run('openssl', [
    'req',
    '-x509',
    '-config',
    config,
    '-nodes',
    '-newkey',
    ...key,
    ...output,
    ...subject,
    ...signing,
    ...args,
  ]);
  return { key: readFileSync(`${base}.key`, 'utf8'), cert: readFileSync(`${base}.crt`, 'utf8') };
}

async function makeConstrainedCa(): Promise<void> {
  const folder = ca.folder;
  const paths = { certPath: join(folder, 'constrained.crt'), keyPath: join(folder, 'constrained.key') };
  const { certPath, keyPath } = paths;
  const usages = extension('basicConstraints=critical,CA:TRUE', 'keyUsage=critical,keyCertSign');
  const limit = extension('nameConstraints=critical,permitted;DNS:elsewhere.test');
  const files = ['-config', join(folder, 'ca.cnf'), '-keyout', keyPath, '-out', certPath];
  const request = 'req -x509 -nodes -subj /CN=constrained -newkey'.split(' ');
  await run('openssl', [...request, ...p256, ...files, ...usages, ...limit]);
  const certPem = readFileSync(paths.certPath, 'utf8');
  constrained = { ...ca, authority: { ...ca.authority, ...paths, certPem } };
}

describe('T-01: an upstream is not trusted when its certificate', () => {
  before(makeConstrainedCa);

  for (const [title, bad] of Object.entries(refused)) {
    test(title, async () => refusesServer({ ...(await makeCertificate(bad)), ...bad.server }));
  }

  const dayMs = 86_400_000;
  for (const [title, fromMs] of [
    ['is expired', -2 * dayMs],
    ['is not valid yet', dayMs],
  ] as const) {
    test(title, async () => {
      const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
      const always = { notBefore: new Date(Date.now() - dayMs), notAfter: new Date(Date.now() + dayMs) };
      const issuer = createIssuer(key, 'dated');
      const authority = createAuthorityCertificate(issuer, always);
      const certificate = createLeafEncoder(issuer, key)([originName], {
        notBefore: new Date(Date.now() + fromMs),
        notAfter: new Date(Date.now() + fromMs + dayMs),
      });
      const keyPem = key.export({ type: 'pkcs8', format: 'pem' });
      await refusesServer({ key: keyPem, cert: certificate }, authority);
    });
  }
});

async function refusesServer(options: TlsOptions, moreTrust = ''): Promise<void> {
  let bytes = 0;
  const server = createServer(options, (socket) => {
    socket
      .on('error', () => {})
      .on('data', (data: Buffer) => {
        bytes += data.length;
      });
  });
  server.on('tlsClientError', () => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const caBundle = ca.authority.certPem + (constrained?.authority.certPem ?? '') + moreTrust;
  const fixture = await startFixture({ ca, origin: { port }, destination: { caBundle } });
  try {
    const tunnel = await openTunnel(fixture, port);
    const answer = await send(tunnel, `GET /token/x HTTP/1.1\r\nHost: ${originName}:${port}\r\n\r\n`);
    assert.equal(answer.problem?.code, 'upstream_untrusted', answer.body);
    assert.equal(answer.status, 502);
    assert.equal(bytes, 0, 'nothing is sent');
    tunnel.destroy();
  } finally {
    await fixture.close();
    server.close();
  }
}

test('T-01: a destination without a CA bundle is checked against the public roots', async () => {
  const origin = await startOrigin(ca);
  const destination = {
    names: [originName],
    port: origin.port,
    scheme: 'https',
    cidrs: ['127.0.0.0/8'],
  } as const;
  const fixture = await startFixture({ ca, origin, ruleset: { destinations: { origin: destination } } });
  const tunnel = await openTunnel(fixture, origin.port);
  const answer = await send(tunnel, `GET /token/x HTTP/1.1\r\nHost: ${originName}:${origin.port}\r\n\r\n`);
  assert.equal(answer.problem?.code, 'upstream_untrusted');
  tunnel.destroy();
  await fixture.close();
  await origin.close();
});

test('K-24: variables that widen what Node trusts change nothing', async (context) => {
  const origin = await startOrigin(rogue);
  context.after(() => origin.close());
  const script = join(ca.folder, 'dial.mjs');
  const root = new URL('../../../sidecar/', import.meta.url).href;
  writeFileSync(
    script,
    `import { createAddressGuard } from '${root}dns/addresses.ts';
    import { createResolver } from '${root}dns/resolver.ts';
    import { createDialler } from '${root}proxy/dialler.ts';
    const dial = createDialler({ resolver: createResolver({ overrides: { '${originName}': '127.0.0.1' } }), guard: createAddressGuard() });
    const destination = { names: [], port: 0, scheme: 'https', cidrs: ['127.0.0.0/8'] };
    await dial({ host: '${originName}', port: ${origin.port}, scheme: 'https', destination }).then(
      (socket) => { console.log('connected'); socket.destroy(); },
      (error) => console.log(error.refusal.reason),
    );`,
  );
  const { certPath } = rogue.authority;
  const trust = `NODE_EXTRA_CA_CERTS=${certPath} SSL_CERT_FILE=${certPath} NODE_OPTIONS=--use-openssl-ca`;
  const widened = [...trust.split(' '), 'NODE_TLS_REJECT_UNAUTHORIZED=0'];
  const output = await run('env', [...widened, process.execPath, script]);
  assert.equal(output, 'upstream_untrusted\n');
});

test("a certificate of the destination's CA is trusted", async () => {
  const origin = await startOrigin(ca);
  const fixture = await startFixture({ ca, origin });
  const tunnel = await openTunnel(fixture, origin.port);
  const answer = await send(tunnel, `GET /token/x HTTP/1.1\r\nHost: ${originName}:${origin.port}\r\n\r\n`);
  assert.equal(answer.status, 200);
  tunnel.destroy();
  await fixture.close();
  await origin.close();
});
