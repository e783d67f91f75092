import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls';
import type { Ruleset, RulesetDestination } from '../../../policy/ruleset.ts';
import { renderDecisionLine } from '../../../sidecar/audit/decision-line.ts';
import { waitFor } from '../../cluster/deadline.ts';
import { run } from '../tls/program.ts';
import { entries, openCapturedTls, openEntry, targetOf, type EntryMode } from './entries.ts';
import { startFixture, token, tokenPlaceholder, type Fixture } from './fixture.ts';
import {
  createTestCa,
  originName,
  startOrigin,
  startPlainOrigin,
  type Origin,
  type TestCa,
} from './origin.ts';
import { compose, composeWith, expectClosed, openSocket, openTunnel, send } from './raw-client.ts';

// What comes by the listeners that netfilter redirects to. Refused requests are in refused-requests.test.ts.

let ca: TestCa;
let origin: Origin;
let plainOrigin: Origin;
let fixture: Fixture;
let plainFixture: Fixture;
let place = '';

before(async () => {
  ca = await createTestCa();
  origin = await startOrigin(ca);
  plainOrigin = await startPlainOrigin({
    answer: ({ url }, response) =>
      void (url === '/plain/stream' ? response.write('the beginning') : response.end('hello')),
  });
  place = `${originName}:${origin.port}`;
});
after(async () => {
  await origin.close();
  await plainOrigin.close();
  ca.close();
});
beforeEach(async () => {
  origin.received.length = 0;
  plainOrigin.received.length = 0;
  fixture = await startFixture({ ca, origin, capture: {} });
  plainFixture = await startFixture({
    ca,
    origin: plainOrigin,
    destination: { scheme: 'http' },
    capture: {},
  });
});
afterEach(async () => {
  await fixture.close();
  await plainFixture.close();
});

interface Ports {
  readonly tls: number;
  readonly http: number;
  readonly planned: number;
}

function ports(at = fixture): Ports {
  const { tls = 0, http = 0, planned = [] } = at.captured ?? {};
  return { tls, http, planned: planned[0] ?? 0 };
}

async function handshake(
  options: ConnectionOptions,
  port = ports().planned,
  socket?: Duplex,
): Promise<TLSSocket> {
  const tls = connectTls({
    ca: fixture.caPem,
    checkServerIdentity: () => undefined,
    ALPNProtocols: ['http/1.1'],
    ...options,
    socket: socket ?? (await openSocket(port)),
  });
  await once(tls, 'secureConnect', { signal: AbortSignal.timeout(10_000) });
  tls.on('error', () => {});
  return tls;
}

async function closed(socket: Socket): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const deadline = setTimeout(() => reject(new Error('the connection stays open')), 15_000);
  socket
    .on('error', () => {})
    .on('close', () => resolve())
    .resume();
  if (!socket.destroyed) await promise;
  clearTimeout(deadline);
}

describe('a captured handshake gets an alert and leaves a record', () => {
  const cases: Record<string, [options: ConnectionOptions, authority: string | null]> = {
    'N-07: without SNI, as for https://192.0.2.1/': [{}, null],
    'N-07: with a name in SNI that is none': [{ servername: 'a_b.example' }, null],
    'N-07: with a number in SNI that some read as an address': [{ servername: '2130706433' }, null],
    'T-01: with TLS 1.1': [
      {
        servername: originName,
        minVersion: 'TLSv1',
        maxVersion: 'TLSv1.1',
        ciphers: 'DEFAULT@SECLEVEL=0',
      },
      originName,
    ],
    'H-41: with HTTP/2 as the only protocol': [{ servername: originName, ALPNProtocols: ['h2'] }, originName],
  };
  for (const [title, [options, host]] of Object.entries(cases)) {
    test(title, async () => {
      await assert.rejects(handshake(options, ports().tls), /alert/);
      const record = await fixture.record();
      assert.equal(record.entry, 'captured_tls');
      assert.equal(record.refusal?.reason, 'tls_handshake_failed');
      assert.equal(record.status, 0);
      // Where the version is refused nothing of the hello was read.
      if (host === null || record.authority !== null) {
        assert.equal(record.authority, host === null ? null : `${host}:443`);
      }
      assert.equal(fixture.records.length, 1);
    });
  }

  test('T-02: of a client that does not trust the CA, with the name that it wanted', async () => {
    const resolve = `${originName}:443:127.0.0.1`;
    const connectTo = `${originName}:443:127.0.0.1:${ports().tls}`;
    const trust = ['--cacert', ca.authority.certPath];
    const args = ['-sS', '--resolve', resolve, '--connect-to', connectTo, ...trust];
    await assert.rejects(run('curl', [...args, `https://${originName}/token/x`]), /certificate/);
    assert.equal((await fixture.record()).authority, `${originName}:443`);
  });
});

describe('names of a captured connection', () => {
  test('H-10: SNI in another letter case and with a trailing dot is the same name', async () => {
    const socket = await handshake({ servername: 'API.Example.Test.' });
    const answer = await send(socket, compose('GET', place, '/token/x'));
    assert.equal(answer.status, 200);
    assert.equal(origin.received[0]?.headers.host, place);
    assert.equal((await fixture.record()).request?.host, originName);
    socket.destroy();
  });

  test('H-12: a second request to another name on the same connection is refused', async () => {
    const socket = await openCapturedTls(fixture, ports().planned, originName);
    assert.equal((await send(socket, compose('GET', place, '/token/x'))).status, 200);
    const fronted = await send(socket, compose('GET', 'other.example.test', '/token/x'));
    assert.deepEqual([fronted.status, fronted.problem?.code], [421, 'names_disagree']);
    assert.equal(origin.received.length, 1);
    socket.destroy();
  });

  test('N-10: an address in SNI is an address, which no rule names', async () => {
    // Node's client would not send it (RFC 6066 section 3 forbids it); OpenSSL's does.
    const request = 'GET / HTTP/1.1\\r\\nHost: 169.254.169.254\\r\\nConnection: close\\r\\n\\r\\n';
    const client = `openssl s_client -quiet -connect 127.0.0.1:${ports().tls} -servername 169.254.169.254`;
    const answer = await run('sh', ['-c', `(printf '${request}'; sleep 1) | ${client} 2>/dev/null`]);
    assert.match(answer, /^HTTP\/1\.1 403 [^]*"code":"no_grant"/);
  });

  test('N-14: the port is the one that was dialled: 443, 80, or the planned one', async () => {
    const secure = await openCapturedTls(fixture, ports().tls, originName);
    await send(secure, compose('GET', originName, '/token/x'));
    const plain = await openSocket(ports().http);
    await send(plain, compose('GET', originName, '/token/x'));
    const planned = await openCapturedTls(fixture, ports().planned, originName);
    await send(planned, compose('GET', place, '/token/x'));
    const seen = [await fixture.record(), await fixture.record(), await fixture.record()];
    assert.deepEqual(
      seen.map(({ entry, request, status }) => [entry, request?.scheme, request?.port, status]),
      [
        ['captured_tls', 'https', 443, 403],
        ['captured_http', 'http', 80, 403],
        ['captured_tls', 'https', origin.port, 200],
      ],
    );
    for (const socket of [secure, plain, planned]) socket.destroy();
  });

  test('N-14: another port in Host is refused', async () => {
    for (const [port, host] of [
      [ports().http, `${originName}:8080`],
      [ports(plainFixture).planned, originName],
    ] as const) {
      const socket = await openSocket(port);
      const answer = await send(socket, compose('GET', host, '/plain/x'));
      assert.deepEqual([answer.status, answer.problem?.code], [421, 'names_disagree']);
      socket.destroy();
    }
    assert.equal(plainOrigin.received.length, 0);
  });

  test('H-11: a whole URL that agrees is taken', async () => {
    const secure = await openCapturedTls(fixture, ports().planned, originName);
    assert.equal((await send(secure, compose('GET', place, `https://${place}/plain/x`))).status, 200);
    const plain = await openSocket(ports(plainFixture).planned);
    const plainPlace = `${originName}:${plainOrigin.port}`;
    assert.equal((await send(plain, compose('GET', plainPlace, `http://${plainPlace}/plain/x`))).status, 200);
    for (const socket of [secure, plain]) socket.destroy();
  });

  test('K-21: on a planned port, what speaks TLS and what speaks HTTP is told by its first byte', async () => {
    const plain = await openSocket(ports().planned);
    const answer = await send(plain, compose('GET', place, '/plain/x'));
    assert.deepEqual([answer.status, answer.problem?.code], [403, 'no_grant']);
    assert.equal((await fixture.record()).entry, 'captured_http');
    plain.destroy();
  });
});

describe('N-07: a ClientHello', () => {
  /** Writes in pieces of `size` bytes, each a segment of its own. */
  function inPieces(raw: Socket, size: number): Duplex {
    raw.setNoDelay(true);
    const duplex = new Duplex({
      read: () => {},
      write: (chunk: Buffer, _encoding, done) => {
        void (async () => {
          for (let at = 0; at < chunk.length; at += size) {
            raw.write(chunk.subarray(at, at + size));
            await sleep(size < 16 && at > 64 ? 0 : 1);
          }
          done();
        })();
      },
    });
    raw.on('data', (data: Buffer) => duplex.push(data));
    raw.on('close', () => duplex.push(null));
    return duplex;
  }

  /** Which make it longer than one TLS record, of 16 KiB. */
  const manyProtocols = Array.from(
    { length: 100 },
    (_, at) => `x-${String(at).padStart(3, '0')}-${'p'.repeat(200)}`,
  );

  for (const listener of ['tls', 'planned'] as const) {
    for (const [title, size, ALPNProtocols] of [
      ['byte by byte', 1, ['http/1.1']],
      ['in several segments', 100, ['http/1.1']],
      ['of more than 16 KiB', 65_536, [...manyProtocols, 'http/1.1']],
      ['of more than 16 KiB in several segments', 1000, [...manyProtocols, 'http/1.1']],
    ] as const) {
      test(`${title} is read, on the listener ${listener}`, { timeout: 15_000 }, async () => {
        const port = ports()[listener];
        const raw = inPieces(await openSocket(port), size);
        const socket = await handshake(
          { servername: originName, ALPNProtocols: [...ALPNProtocols] },
          port,
          raw,
        );
        assert.equal(socket.alpnProtocol, 'http/1.1');
        const answer = await send(
          socket,
          compose('GET', listener === 'tls' ? originName : place, '/token/x'),
        );
        assert.equal(answer.status, listener === 'tls' ? 403 : 200);
        socket.destroy();
      });
    }
  }

  test('without end is given up, and the record says so', async () => {
    const socket = await openSocket(ports().tls);
    // A handshake record whose ClientHello claims 16 MiB.
    socket.write(Buffer.from([0x16, 3, 1, 0x40, 0, 1, 0xff, 0xff, 0xff]));
    socket.write(Buffer.alloc(0x4000));
    await closed(socket);
    assert.equal((await fixture.record()).refusal?.reason, 'tls_handshake_failed');
  });
});

describe('N-13, K-21: a port of the sidecar is dialled for nobody', () => {
  for (const listener of ['proxy', 'tls', 'http', 'planned'] as const) {
    for (const entry of ['absolute', 'connect'] as const) {
      for (const scheme of ['https', 'http'] as const) {
        if (entry === 'connect' && scheme === 'http') continue;
        test(`neither ${listener} over ${scheme}, asked for by ${entry}`, async () => {
          const port = { proxy: fixture.port, ...ports() }[listener];
          const own = `${originName}:${port}`;
          fixture.swap({
            grants: [{ policy: 'team', name: 'any', action: 'Allow', destination: 'own' }],
            destinations: { own: { names: [originName], port, scheme, cidrs: ['127.0.0.0/8'] } },
          });
          const socket =
            entry === 'connect' ? await openTunnel(fixture, port) : await openSocket(fixture.port);
          const target = entry === 'connect' ? '/x' : `${scheme}://${own}/x`;
          const answer = await send(socket, compose('GET', own, target));
          assert.deepEqual([answer.status, answer.problem?.code], [403, 'destination_blocked']);
          assert.equal(fixture.records.length, 1);
          socket.destroy();
        });
      }
    }
  }
});

describe('N-21: a port that destinations of several schemes share', () => {
  const [plainName, tcpName] = ['plain.example.test', 'db.example.test'];

  beforeEach(() => {
    const common = { port: origin.port, cidrs: ['127.0.0.0/8'] };
    fixture.swap({
      guards: [],
      grants: ['secure', 'plain', 'raw'].map((name) => ({
        policy: 'team',
        name,
        action: 'Allow' as const,
        destination: name,
      })),
      destinations: {
        secure: { ...common, names: [originName], scheme: 'https', caBundle: ca.authority.certPem },
        plain: { ...common, names: [plainName], scheme: 'http' },
        raw: { ...common, names: [tcpName], scheme: 'tcp' },
      },
    });
  });

  const cases: Record<string, [speaks: 'TLS' | 'HTTP', name: string, reason: string | null]> = {
    'does not lead by HTTP to the one of TLS': ['HTTP', originName, 'no_grant'],
    'does not lead by TLS to the one of plain HTTP': ['TLS', plainName, 'no_grant'],
    'does not lead by TLS to the one whose bytes are relayed': ['TLS', tcpName, 'no_grant'],
    'does not lead by HTTP to the one whose bytes are relayed': ['HTTP', tcpName, 'no_grant'],
    'leads by TLS to the one of TLS': ['TLS', originName, null],
    // Which has no address here.
    'leads by HTTP to the one of plain HTTP': ['HTTP', plainName, 'upstream_unreachable'],
  };
  for (const [title, [speaks, name, reason]] of Object.entries(cases)) {
    test(title, async () => {
      const { planned } = ports();
      const socket =
        speaks === 'TLS' ? await openCapturedTls(fixture, planned, name) : await openSocket(planned);
      const answer = await send(socket, compose('GET', `${name}:${origin.port}`, '/x'));
      assert.equal(answer.problem?.code ?? null, reason);
      assert.equal(origin.received.length, reason === null ? 1 : 0);
      socket.destroy();
    });
  }
});

describe('P-10: an answer under way', () => {
  const place = (): RulesetDestination => ({
    names: [originName],
    port: plainOrigin.port,
    scheme: 'http',
    cidrs: ['127.0.0.0/8'],
  });
  const changes: Record<string, [change: () => Partial<Ruleset>, reason: string]> = {
    'ends when the agent is halted': [() => ({ halt: { policy: 'stop' } }), 'halted'],
    'ends when the grant goes': [() => ({ grants: [] }), 'no_grant'],
    'ends when the ranges of its destination become narrower': [
      () => ({ destinations: { origin: { ...place(), cidrs: ['127.0.0.2/32'] } } }),
      'policy_stale',
    ],
    'ends when its destination speaks TLS since': [
      () => ({ destinations: { origin: { ...place(), scheme: 'https' } } }),
      'no_grant',
    ],
  };
  for (const [title, [change, reason]] of Object.entries(changes)) {
    test(title, async () => {
      const socket = await openSocket(ports(plainFixture).planned);
      socket.write(compose('GET', `${originName}:${plainOrigin.port}`, '/plain/stream'));
      await once(socket, 'data');
      plainFixture.swap(change());
      await closed(socket);
      const { refusal } = await plainFixture.record();
      assert.equal(refusal?.reason, reason);
    });
  }
});

describe('N-08: bytes of no HTTP', () => {
  test('inside TLS are answered with a refusal and closed', async () => {
    const socket = await openCapturedTls(fixture, ports().planned, originName);
    const answer = await send(socket, 'SSH-2.0-OpenSSH_9.2\r\n\r\n', 'GET');
    assert.deepEqual([answer.status, answer.problem?.code], [400, 'request_malformed']);
    await expectClosed(socket);
  });

  test('are TLS inside TLS', async () => {
    const socket = await openCapturedTls(fixture, ports().planned, originName);
    socket.write(Buffer.from([0x16, 3, 1, 0, 4, 1, 0, 0, 0]));
    await closed(socket);
    assert.equal((await fixture.record()).refusal?.reason, 'request_malformed');
  });

  for (const listener of ['tls', 'http', 'planned'] as const) {
    test(`on the listener ${listener} end the connection and leave one record`, async () => {
      const connections = origin.connections();
      const socket = await openSocket(ports()[listener]);
      socket.write('SSH-2.0-OpenSSH_9.2\r\n\r\n');
      await closed(socket);
      const record = await fixture.record();
      assert.equal(record.entry, listener === 'tls' ? 'captured_tls' : 'captured_http');
      assert.equal(fixture.records.length, 1);
      assert.equal(origin.connections(), connections);
    });
  }
});

describe('limits', () => {
  test('D: silent connections are given up after 10 s', { timeout: 25_000 }, async () => {
    const silent = await Promise.all(Object.values(ports()).map((port) => openSocket(port)));
    const slow = await openSocket(ports().planned);
    slow.write('G');
    await Promise.all([...silent, slow].map(closed));
    const reasons = fixture.records.map(({ entry, refusal }) => `${entry} ${refusal?.reason}`);
    assert.deepEqual(reasons.toSorted(), [
      'captured_http request_malformed',
      'captured_http request_malformed',
      'captured_http request_malformed',
      'captured_tls tls_handshake_failed',
    ]);
  });

  test('D: the 512 connections are those of all listeners together, and the silent ones make room', async () => {
    const honest = await openCapturedTls(fixture, ports().planned, originName);
    const ask = async (socket: Socket): Promise<number> =>
      (await send(socket, compose('GET', place, '/token/x'))).status;
    assert.equal(await ask(honest), 200);
    const all = [...Object.values(ports()), fixture.port];
    const silent = await Promise.all(
      Array.from({ length: 511 }, (_, at) => openSocket(all[at % all.length] ?? 0)),
    );
    let gone = 0;
    for (const socket of silent) socket.on('close', () => (gone += 1)).resume();
    await sleep(200);
    assert.equal(gone, 0);
    const more = [];
    for (let at = 0; at < 20; at++) more.push(await openCapturedTls(fixture, ports().planned, originName));
    await waitFor({ what: 'room', timeoutMs: 5000 }, async () => gone === more.length);
    for (const socket of [honest, ...more]) assert.equal(await ask(socket), 200);
    for (const socket of [honest, ...silent, ...more]) socket.destroy();
  });

  test('K-22: a port of the plan that somebody else holds is an error', async () => {
    const taken = ports().planned;
    const plan = { ports: [{ port: 8443, listener: taken }] };
    await assert.rejects(startFixture({ ca, origin, capture: plan }), { code: 'PORT_TAKEN' });
  });

  test('ends with open handshakes, streams and silent connections', async () => {
    const own = await startFixture({ ca, origin, capture: {}, hosts: ['127.0.0.1', '::1'] });
    const opened = await Promise.all(Object.values(ports(own)).map((port) => openSocket(port)));
    const stream = await openCapturedTls(own, ports(own).planned, originName);
    await own.close();
    await Promise.all([...opened, stream].map(closed));
  });
});

/** All of a decision line but what is of this one exchange, of its entry and of its way. */
function lineOf(line: string): Record<string, unknown> {
  const { time, id, durationMs, traceId, spanId, entry, scheme, port, ...rest } = JSON.parse(line) as Record<
    string,
    unknown
  >;
  assert.ok(
    [time, id, durationMs, traceId, spanId, entry, scheme, port].every((value) => value !== undefined),
  );
  return rest;
}

describe('N-20: the same request gets the same decision line by every entry', () => {
  const requests: Record<string, (host: string, target: string) => string> = {
    'an allowed GET': (host, target) => compose('GET', host, `${target}/plain/x?q=1`),
    'an allowed POST': (host, target) => composeWith(host, `${target}/plain/x`, 'text/plain', 'hello'),
    'an allowed HEAD': (host, target) => compose('HEAD', host, `${target}/plain/x`),
    'a path without a rule': (host, target) => compose('GET', host, `${target}/elsewhere`),
    'a path that a rule denies': (host, target) => compose('GET', host, `${target}/token/forbidden/x`),
    'a path that can be read in two ways': (host, target) => compose('GET', host, `${target}/plain/../x`),
    'a placeholder where none belongs': (host, target) =>
      compose('GET', host, `${target}/plain/x`, `Authorization: Bearer ${tokenPlaceholder}\r\n`),
    'a header sent twice': (host, target) =>
      compose('GET', host, `${target}/plain/x`, 'Authorization: Bearer a\r\nAuthorization: Bearer b\r\n'),
    'another name in Host': (_host, target) => compose('GET', 'evil.test', `${target}/plain/x`),
    'no HTTP at all': () => 'garbage\r\n\r\n',
  };

  for (const [title, bytes] of Object.entries(requests)) {
    test(title, async () => {
      const lines = new Map<EntryMode, Record<string, unknown>>();
      for (const entry of entries) {
        const isPlain = entry === 'captured_http';
        const [at, to] = isPlain ? [plainFixture, plainOrigin] : [fixture, origin];
        const host = `${originName}:${to.port}`;
        const socket = await openEntry(entry, at, to.port);
        await send(socket, bytes(host, targetOf(entry, host)));
        socket.destroy();
        const line = lineOf(renderDecisionLine(await at.record()));
        // What could not be read has the place of its connection, where that has one; and each origin its revision.
        const isOfConnection = line['method'] === null;
        lines.set(entry, { ...line, revision: null, ...(isOfConnection ? { host: null } : {}) });
      }
      for (const entry of entries) assert.deepEqual(lines.get(entry), lines.get('connect'), entry);
    });
  }

  test('and the credential only over TLS', async () => {
    for (const entry of entries) {
      const isPlain = entry === 'captured_http';
      const [at, to] = isPlain ? [plainFixture, plainOrigin] : [fixture, origin];
      const host = `${originName}:${to.port}`;
      const socket = await openEntry(entry, at, to.port);
      const answer = await send(socket, compose('GET', host, `${targetOf(entry, host)}/token/x`));
      socket.destroy();
      assert.equal(answer.problem?.code, isPlain ? 'credential_ceiling' : undefined);
    }
    assert.equal(plainOrigin.received.length, 0);
    assert.deepEqual(
      origin.received.map(({ headers }) => headers.authorization),
      Array.from({ length: 3 }, () => `Bearer ${token}`),
    );
  });
});

describe('H-08: nothing that is sent to a captured port ends the process', () => {
  test('on any of them', async () => {
    const pieces = [
      Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]),
      Buffer.from([0x16]),
      Buffer.from('GET / HTTP/1.1\r\n'),
      Buffer.from(`Host: ${place}\r\n\r\n`),
      Buffer.from([0, 0xff, 0x80]),
    ];
    for (let round = 0; round < 40; round++) {
      await Promise.all(
        Object.values(ports()).map(async (port, at) => {
          const socket = await openSocket(port);
          for (let i = 0; i < 4; i++) socket.write(pieces[(round * 3 + at + i * i) % pieces.length] ?? '');
          if (round % 3 === 0) socket.resetAndDestroy();
          else socket.end();
          setTimeout(() => socket.destroy(), 100);
          await closed(socket);
        }),
      );
    }
    const socket = await openCapturedTls(fixture, ports().planned, originName);
    assert.equal((await send(socket, compose('GET', place, '/token/x'))).status, 200);
    socket.destroy();
    await waitFor({ what: 'the record', timeoutMs: 5000 }, async () =>
      fixture.records.find(({ status }) => status === 200),
    );
  });
});
