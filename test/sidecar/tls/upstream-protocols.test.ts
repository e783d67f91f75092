// Upstreams whose certificate is right and whose TLS is not: T-01, T-03 to T-05.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { after, before, describe, test } from 'node:test';
import type { TLSSocket, TlsOptions } from 'node:tls';
import { waitFor } from '../../cluster/deadline.ts';
import { createTestCa, originName, type TestCa } from '../proxy/origin.ts';
import { createCertificateLab, type Issued } from './certificate-lab.ts';
import { run } from './program.ts';
import { askThrough, startUpstream, type Upstream } from './upstream-server.ts';

let ca: TestCa;
let root: Issued;
let leaf: Issued;
let rsaLeaf: Issued;
const lab = createCertificateLab();

before(async () => {
  ca = await createTestCa();
  root = await lab.issueAuthority();
  const extensions = [`subjectAltName=DNS:${originName}`, 'extendedKeyUsage=serverAuth'];
  leaf = await lab.issue({ by: root, extensions });
  rsaLeaf = await lab.issue({ by: root, extensions, key: ['rsa:2048'] });
});
after(() => {
  ca.close();
  lab.close();
});

const ask = (port: number) => askThrough({ ca, port, caBundle: root.cert });
const pair = ({ cert, key }: Issued): TlsOptions => ({ cert, key });

interface Bad {
  readonly says: string;
  readonly server: () => Promise<Upstream>;
  readonly code?: string;
}

const noWay = 'ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE';
const old = (version: 'TLSv1' | 'TLSv1.1') => ({
  says: 'ERR_SSL_(?:UNSUPPORTED_PROTOCOL|TLSV1_ALERT_PROTOCOL_VERSION)',
  server: () =>
    startUpstream({
      ...pair(rsaLeaf),
      minVersion: version,
      maxVersion: version,
      ciphers: 'ALL:@SECLEVEL=0',
    }),
});
const onlyCipher = (ciphers: string, more: TlsOptions = {}) => ({
  says: noWay,
  server: () =>
    startUpstream({ ...pair(rsaLeaf), maxVersion: 'TLSv1.2', ciphers: `${ciphers}:@SECLEVEL=0`, ...more }),
});

const refused: Record<string, Bad> = {
  'speaks TLS 1.0 at most': old('TLSv1'),
  'speaks TLS 1.1 at most': old('TLSv1.1'),
  'offers ciphers without encryption alone': onlyCipher('NULL-SHA256'),
  'offers ciphers without authentication alone': onlyCipher('AECDH'),
  'offers a pre-shared key alone': onlyCipher('PSK', { pskCallback: () => null }),
  'offers Diffie-Hellman of 1024 bits alone': {
    says: 'ERR_SSL_DH_KEY_TOO_SMALL|ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE',
    server: async () => {
      const dhparam = await run('openssl', ['dhparam', '-dsaparam', '1024']);
      return onlyCipher('DHE-RSA-AES128-GCM-SHA256', { dhparam }).server();
    },
  },
  'has HTTP/2 alone': {
    says: 'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL',
    server: () => startUpstream({ ...pair(leaf), ALPNProtocols: ['h2'] }),
  },
  'sends a chain of 200 KiB': {
    says: 'ERR_SSL_EXCESSIVE_MESSAGE_SIZE',
    server: async () => {
      const chain = Array.from({ length: 300 }, () => root.cert);
      return startUpstream({ cert: [leaf.cert, ...chain].join(''), key: leaf.key });
    },
  },
  'speaks HTTP without TLS': {
    says: 'ERR_SSL_.*',
    server: () =>
      startUpstream(null, (socket) => socket.once('data', () => socket.end('HTTP/1.1 400 Bad\r\n\r\n'))),
  },
  'speaks HTTP without being asked': {
    says: 'ERR_SSL_.*',
    server: () => startUpstream(null, (socket) => socket.write('HTTP/1.1 200 OK\r\n\r\n'.repeat(50))),
  },
  'answers with garbage': {
    says: 'ERR_SSL_.*',
    server: () => startUpstream(null, (socket) => socket.write(Buffer.alloc(64, 0xff))),
  },
};

describe('T-01: an upstream is refused that', () => {
  for (const [title, { says, server, code = 'upstream_untrusted' }] of Object.entries(refused)) {
    test(title, async (context) => {
      const upstream = await server();
      context.after(() => upstream.close());
      const answer = await ask(upstream.port);
      assert.deepEqual([answer.status, answer.problem?.code], [502, code], answer.body);
      assert.match(answer.problem?.message ?? '', new RegExp(`\\(${says}\\)`));
      assert.doesNotMatch(upstream.received(), /token/, 'nothing is sent');
    });
  }
});

const endless: Record<string, (socket: Socket) => void> = {
  'never answers': () => {},
  'sends a byte of its handshake now and then': (socket) => {
    socket.write(Buffer.from([0x16, 0x03, 0x03, 0x3f, 0xff, 0x02]));
    const drip = setInterval(() => socket.write(Buffer.alloc(1)), 250);
    socket.on('close', () => clearInterval(drip));
  },
};

describe('T-01: a handshake is given up after 10 s when the upstream', { concurrency: true }, () => {
  for (const [title, behave] of Object.entries(endless)) {
    test(title, { timeout: 20_000 }, async (context) => {
      const upstream = await startUpstream(null, behave);
      context.after(() => upstream.close());
      const answer = await askThrough({ ca, port: upstream.port, caBundle: root.cert, waitMs: 15_000 });
      assert.deepEqual([answer.status, answer.problem?.code], [504, 'upstream_timeout'], answer.body);
      assert.doesNotMatch(upstream.received(), /token/, 'nothing is sent');
    });
  }
});

test('T-01: it offers HTTP/1.1 alone, names the host in SNI, and nothing older than TLS 1.2', async (context) => {
  let hello: object | null = null;
  const upstream = await startUpstream({
    ...pair(leaf),
    ALPNCallback: (offered) => {
      hello = offered;
      return 'http/1.1';
    },
  });
  context.after(() => upstream.close());
  assert.equal((await ask(upstream.port)).status, 200);
  assert.deepEqual(hello, { servername: originName, protocols: ['http/1.1'] });
});

/** `openssl s_server`, for what Node does not do; its standard output has what it decrypted. */
async function startOpenssl(...args: readonly string[]) {
  const files = ['-cert', leaf.certPath, '-key', leaf.keyPath];
  const child = spawn('openssl', ['s_server', '-accept', '127.0.0.1:0', ...files, ...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let output = '';
  const hear = (chunk: Buffer): void => void (output += chunk.toString('latin1'));
  child.stdout.on('data', hear);
  child.stderr.on('data', hear);
  const saying = (what: RegExp) =>
    waitFor(
      { what: String(what), timeoutMs: 5000, everyMs: 10, evidence: () => output },
      async () => what.exec(output) ?? undefined,
    );
  const [, port] = await saying(/ACCEPT \S+:(\d+)/).catch((error: unknown) => {
    child.kill('SIGKILL');
    throw error;
  });
  const end = async (): Promise<void> => {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  };
  return {
    port: Number(port),
    output: () => output,
    saying,
    write: (text: string) => child.stdin.write(text),
    end,
  };
}

describe('an upstream that wants something of us', () => {
  for (const version of ['-tls1_2', '-tls1_3']) {
    test(`T-03: a certificate, in ${version}, gets none and the agent is told`, async (context) => {
      const server = await startOpenssl(version, '-Verify', '1', '-verify_return_error');
      context.after(() => server.end());
      const answer = await ask(server.port);
      assert.equal(answer.problem?.code, 'upstream_untrusted', answer.body);
      assert.match(answer.problem?.message ?? '', /CERTIFICATE_REQUIRED|HANDSHAKE_FAILURE/);
      assert.doesNotMatch(server.output(), /GET \/token/);
    });
  }

  test('T-01: another handshake on the same connection gets an alert', async (context) => {
    const server = await startOpenssl('-tls1_2', '-state');
    context.after(() => server.end());
    const answering = ask(server.port);
    await server.saying(/GET \/token/);
    const before = server.output().length;
    server.write('R\n');
    await server.saying(/no.renegotiation/i);
    assert.doesNotMatch(server.output().slice(before), /read client hello/i);
    assert.match((await answering).problem?.code ?? '', /^upstream_/);
  });
});

describe('T-05: a session', () => {
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    test(`of ${version} is not resumed, neither by another request nor under another name`, async (context) => {
      const reused: boolean[] = [];
      const upstream = await startUpstream(
        { ...pair(leaf), maxVersion: version, sessionIdContext: 'x' },
        (socket) => {
          reused.push((socket as TLSSocket).isSessionReused());
          socket.on('data', () =>
            socket.end('HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n'),
          );
        },
      );
      context.after(() => upstream.close());
      for (let count = 0; count < 3; count++) assert.equal((await ask(upstream.port)).status, 200);
      assert.deepEqual(reused, [false, false, false]);
    });
  }

  test('T-04: with room for early data is not used for any', async (context) => {
    const server = await startOpenssl('-tls1_3', '-early_data', '-max_early_data', '16384');
    context.after(() => server.end());
    for (let count = 1; count <= 2; count++) {
      const answering = ask(server.port);
      await server.saying(new RegExp(`(?:GET /token[^]+){${count}}`));
      server.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
      assert.equal((await answering).status, 200);
    }
    assert.equal(server.output().match(/No early data received/g)?.length, 2);
  });
});
