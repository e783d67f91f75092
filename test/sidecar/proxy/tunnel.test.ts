import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { after, before, beforeEach, describe, test } from 'node:test';
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { waitFor } from '../../cluster/deadline.ts';
import { run } from '../tls/program.ts';
import { startFixture, token, type Fixture } from './fixture.ts';
import { createTestCa, originName, startOrigin, type Origin, type TestCa } from './origin.ts';
import { expectClosed, openSocket, openTunnel, readAnswer, send } from './raw-client.ts';

let ca: TestCa;
let origin: Origin;
let fixture: Fixture;
let place = '';

before(async () => {
  ca = await createTestCa();
  origin = await startOrigin(ca);
  fixture = await startFixture({ ca, origin });
  place = `${originName}:${origin.port}`;
});
after(async () => {
  await fixture.close();
  await origin.close();
  ca.close();
});
beforeEach(() => {
  origin.received.length = 0;
  fixture.records.length = 0;
});

/** A TLS client of its own inside a tunnel; rejects with the handshake's error. */
async function handshake(options: ConnectionOptions, target = place): Promise<TLSSocket> {
  const raw = await openSocket(fixture.port);
  raw.write(`CONNECT ${target} HTTP/1.1\r\n\r\n`);
  assert.equal((await readAnswer(raw, 'CONNECT')).status, 200);
  const tls = connectTls({
    ca: fixture.caPem,
    checkServerIdentity: () => undefined,
    ...options,
    socket: raw,
  });
  await once(tls, 'secureConnect', { signal: AbortSignal.timeout(10_000) });
  return tls;
}

/** What is written goes out byte by byte behind a CONNECT, whose answer is taken off. */
function dripping(raw: Socket): Duplex {
  let isAnswered = false;
  raw.setNoDelay(true);
  raw.write(`CONNECT ${place} HTTP/1.0\r\n\r\n`);
  const duplex = new Duplex({
    read: () => {},
    write: (chunk: Buffer, _encoding, done) => {
      for (const byte of chunk) raw.write(Buffer.from([byte]));
      done();
    },
  });
  raw.on('data', (data: Buffer) => {
    const start = isAnswered ? 0 : data.indexOf('\r\n\r\n') + 4;
    isAnswered = true;
    if (start < data.length) duplex.push(data.subarray(start));
  });
  raw.on('close', () => duplex.push(null));
  return duplex;
}

async function failedHandshakeRecorded(): Promise<void> {
  const record = await waitFor(
    { what: 'the record', timeoutMs: 5000, everyMs: 5 },
    async () => fixture.records[0],
  );
  assert.equal(record.refusal?.reason, 'tls_handshake_failed');
  assert.equal(record.authority, place);
  assert.equal(record.status, 0);
  assert.equal(origin.connections(), 0);
}

describe('CONNECT is refused', () => {
  const refusals: Record<string, { target: string; head?: string; code: string }> = {
    'N-14: without a port': { target: originName, code: 'request_malformed' },
    'N-14: with port 0': { target: `${originName}:0`, code: 'request_ambiguous' },
    'N-14: with port 65536': { target: `${originName}:65536`, code: 'request_ambiguous' },
    'N-14: with leading zeros in the port': { target: `${originName}:00443`, code: 'request_ambiguous' },
    'N-14: with letters in the port': { target: `${originName}:443x`, code: 'request_ambiguous' },
    'N-15: with userinfo': { target: `user@${originName}:443`, code: 'request_ambiguous' },
    'N-15: with a path': { target: `${originName}:443/x`, code: 'request_ambiguous' },
    'N-15: with a whole URL': { target: `https://${originName}:443/`, code: 'request_ambiguous' },
    'N-15: with Content-Length': {
      target: `${originName}:443`,
      head: 'Content-Length: 4\r\n\r\nabcd',
      code: 'request_ambiguous',
    },
    'N-15: with Transfer-Encoding': {
      target: `${originName}:443`,
      head: 'Transfer-Encoding: chunked\r\n\r\n0\r\n',
      code: 'request_ambiguous',
    },
    'N-10: to a number that some read as an address': { target: '2130706433:443', code: 'request_ambiguous' },
    'N-10: to a hexadecimal address': { target: '0x7f.1:443', code: 'request_ambiguous' },
    'N-10: to an address with a zone': { target: '[fe80::1%25eth0]:443', code: 'request_ambiguous' },
    'H-10: to a name with an underscore': { target: 'a_b.example:443', code: 'request_ambiguous' },
    'H-10: to a name with an empty label': { target: 'a..example:443', code: 'request_ambiguous' },
  };
  for (const [title, { target, head = '', code }] of Object.entries(refusals)) {
    test(title, async () => {
      const socket = await openSocket(fixture.port);
      const answer = await send(socket, `CONNECT ${target} HTTP/1.1\r\n${head}\r\n`, 'GET');
      assert.equal(answer.status, 400, answer.body);
      assert.equal(answer.problem?.code, code);
      assert.equal(fixture.records[0]?.refusal?.reason, code);
      await expectClosed(socket);
    });
  }
});

describe('the handshake', () => {
  test('N-07: without SNI gets an alert', async () => {
    await assert.rejects(handshake({}), /alert/);
    await failedHandshakeRecorded();
  });

  test('N-07: with a name in SNI that is none gets an alert', async () => {
    await assert.rejects(handshake({ servername: 'a_b.example' }), /alert/);
    await failedHandshakeRecorded();
  });

  test('T-01: with TLS 1.1 gets an alert', async () => {
    const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
    await assert.rejects(handshake({ servername: originName, ...old }), /alert/);
    await failedHandshakeRecorded();
  });

  test('H-41: with HTTP/2 as the only protocol gets an alert', async () => {
    await assert.rejects(handshake({ servername: originName, ALPNProtocols: ['h2'] }), /alert/);
    await failedHandshakeRecorded();
  });

  test('N-08: that is none at all is closed and recorded', async () => {
    const raw = await openSocket(fixture.port);
    raw.write(`CONNECT ${place} HTTP/1.1\r\n\r\n`);
    await readAnswer(raw, 'CONNECT');
    raw.write('SSH-2.0-OpenSSH_9.2\r\n');
    await once(raw.resume(), 'close', { signal: AbortSignal.timeout(5000) });
    await failedHandshakeRecorded();
  });

  test('T-02: of a client that does not trust the CA is recorded', async () => {
    // Node's client notices only after its handshake; curl, like most, says so with an alert.
    const proxy = `http://127.0.0.1:${fixture.port}`;
    const trust = ['--cacert', ca.authority.certPath];
    await assert.rejects(
      run('curl', ['-sS', '--proxy', proxy, ...trust, `https://${place}/token/x`]),
      /certificate/,
    );
    await failedHandshakeRecorded();
  });

  test('H-41: chooses HTTP/1.1 of several protocols', async () => {
    const socket = await handshake({ servername: originName, ALPNProtocols: ['h2', 'http/1.1'] });
    assert.equal(socket.alpnProtocol, 'http/1.1');
    socket.destroy();
  });

  test('T-02: is answered with a certificate of the one name', async () => {
    const socket = await handshake({ servername: originName });
    assert.equal(socket.getPeerCertificate().subjectaltname, `DNS:${originName}`);
    assert.equal(socket.isSessionReused(), false);
    socket.destroy();
  });

  test('T-02: for more new names than leaves are minted for says so in its record', async () => {
    const names = Array.from({ length: 480 }, (_, index) => `n${index}.example.test`);
    const sockets = await Promise.allSettled(names.map((servername) => handshake({ servername })));
    for (const outcome of sockets) if (outcome.status === 'fulfilled') outcome.value.destroy();
    assert.ok(sockets.some(({ status }) => status === 'rejected'));
    await waitFor({ what: 'the record', timeoutMs: 5000 }, async () =>
      fixture.records.some(({ refusal }) => /too many new names/.test(refusal?.message ?? '')),
    );
  });

  test('T-05: hands out no session that another name could resume', async () => {
    const socket = await handshake({ servername: originName, maxVersion: 'TLSv1.2' });
    const session = socket.getSession();
    assert.ok(session);
    socket.destroy();
    const again = await handshake({ servername: originName, maxVersion: 'TLSv1.2', session });
    assert.equal(again.isSessionReused(), false);
    again.destroy();
  });
});

describe('names that disagree are refused inside TLS', () => {
  const request = (host: string): string => `GET /token/x HTTP/1.1\r\nHost: ${host}\r\n\r\n`;

  test('H-11: SNI names another host than CONNECT', async () => {
    const socket = await openTunnel(fixture, origin.port, { serverName: 'evil.test' });
    for (const host of [place, `evil.test:${origin.port}`]) {
      const answer = await send(socket, request(host));
      assert.equal(answer.status, 421);
      assert.equal(answer.problem?.code, 'names_disagree');
      if (answer.headers.connection === 'close') break;
    }
    socket.destroy();
  });

  test('H-12: Host names another place than the tunnel', async () => {
    const socket = await openTunnel(fixture, origin.port);
    const answer = await send(socket, request('other.example.test'));
    assert.equal(answer.status, 421);
    assert.equal(answer.problem?.code, 'names_disagree');
    assert.equal(origin.received.length, 0);
    socket.destroy();
  });

  test('N-15: the Host of CONNECT itself is not looked at', async () => {
    const socket = await openTunnel(fixture, origin.port, { head: 'Host: whatever.test\r\n' });
    assert.equal((await send(socket, request(place))).status, 200);
    socket.destroy();
  });
});

describe('an opened tunnel', () => {
  test('N-15: bytes sent with CONNECT belong to TLS', async () => {
    const raw = await openSocket(fixture.port);
    raw.write(
      `CONNECT ${place} HTTP/1.1\r\n\r\nGET https://${place}/token/x HTTP/1.1\r\nHost: ${place}\r\n\r\n`,
    );
    assert.equal((await readAnswer(raw, 'CONNECT')).status, 200);
    await once(raw.resume(), 'close', { signal: AbortSignal.timeout(5000) });
    assert.equal(origin.received.length, 0);
  });

  test('N-07: is served when the ClientHello comes with CONNECT, and byte by byte', async () => {
    const raw = await openSocket(fixture.port);
    const tls = connectTls({ servername: originName, ca: fixture.caPem, socket: dripping(raw) });
    await once(tls, 'secureConnect', { signal: AbortSignal.timeout(10_000) });
    const answer = await send(tls, `GET /token/x HTTP/1.1\r\nHost: ${place}\r\n\r\n`);
    assert.equal(answer.status, 200);
    tls.destroy();
  });

  for (const [client, request] of Object.entries({
    'Python up to 3.11, HTTP/1.0 without Host': { version: 'HTTP/1.0', head: '' },
    'Node, Host without the port': { head: `Host: ${originName}\r\n` },
    'curl, with Proxy-Connection': { head: `Host: ${originName}\r\nProxy-Connection: Keep-Alive\r\n` },
    'a client that sends Proxy-Authorization': { head: 'Proxy-Authorization: Basic eA==\r\n' },
  })) {
    test(`carries requests of ${client}`, async () => {
      const socket = await openTunnel(fixture, origin.port, request);
      const answer = await send(socket, `GET /token/x HTTP/1.1\r\nHost: ${place}\r\n\r\n`);
      assert.equal(answer.status, 200);
      assert.equal(origin.received[0]?.headers.authorization, `Bearer ${token}`);
      socket.destroy();
    });
  }

  test('H-10: is the same place in another letter case and with a trailing dot', async () => {
    const socket = await openTunnel(fixture, origin.port, { target: `API.Example.Test.:${origin.port}` });
    const answer = await send(
      socket,
      `GET /token/x HTTP/1.1\r\nHost: Api.Example.TEST:${origin.port}\r\n\r\n`,
    );
    assert.equal(answer.status, 200);
    assert.equal(origin.received[0]?.headers.host, place);
    socket.destroy();
  });

  test('carries many requests, one after the other', async () => {
    const socket = await openTunnel(fixture, origin.port);
    for (let i = 0; i < 20; i++) {
      const answer = await send(socket, `GET /token/${i} HTTP/1.1\r\nHost: ${place}\r\n\r\n`);
      assert.equal(answer.status, 200);
    }
    assert.deepEqual(
      origin.received.map(({ url }) => url),
      Array.from({ length: 20 }, (_, i) => `/token/${i}`),
    );
    socket.destroy();
  });
});
