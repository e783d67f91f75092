import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createSecureServer } from 'node:http2';
import { createServer as createTcpServer, type AddressInfo, type Server } from 'node:net';
import { after, afterEach, before, describe, test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import type { Reason } from '../../../policy/reasons.ts';
import type { RulesetDestination } from '../../../policy/ruleset.ts';
import { createResolver } from '../../../sidecar/dns/resolver.ts';
import { findFreePort } from '../../cluster/free-port.ts';
import { startNameServer, type NameServer, type Zone } from '../dns/name-server.ts';
import { startFixture, token, type Fixture, type FixtureOptions } from './fixture.ts';
import {
  createTestCa,
  originName,
  startOrigin,
  startRawOrigin,
  type Origin,
  type OriginOptions,
  type Script,
  type TestCa,
} from './origin.ts';
import { openTunnel, send, type Answer } from './raw-client.ts';

let ca: TestCa;
/** What a test has started, ended in reverse order even when it fails. */
let ends: (() => unknown)[] = [];

before(async () => {
  ca = await createTestCa();
});
after(() => ca.close());
afterEach(async () => {
  for (const end of ends.toReversed()) await end();
  ends = [];
});

function started<T extends { close(): unknown }>(thing: T): T {
  ends.push(() => thing.close());
  return thing;
}

const httpsOrigin = async (options?: OriginOptions): Promise<Origin> =>
  started(await startOrigin(ca, options));
const rawOrigin = async (script: Script): Promise<Origin> => started(await startRawOrigin(ca, script));
const nameServer = async (zone: Zone): Promise<NameServer> => started(await startNameServer(zone));

async function listening(server: Server): Promise<AddressInfo> {
  started(server).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server.address() as AddressInfo;
}

/** Sends requests one after the other through one tunnel of a proxy of its own. */
async function withProxy<T>(
  options: Omit<FixtureOptions, 'ca'>,
  use: (get: (path?: string) => Promise<Answer>, fixture: Fixture) => Promise<T>,
): Promise<T> {
  const fixture = await startFixture({ ca, ...options });
  const { port } = options.origin;
  const tunnels: TLSSocket[] = [];
  try {
    return await use(async (path = '/token/x') => {
      let tunnel = tunnels.at(-1);
      if (tunnel === undefined || tunnel.destroyed || tunnel.readableEnded) {
        tunnel = await openTunnel(fixture, port);
        tunnels.push(tunnel);
      }
      return send(tunnel, `GET ${path} HTTP/1.1\r\nHost: ${originName}:${port}\r\n\r\n`);
    }, fixture);
  } finally {
    for (const tunnel of tunnels) tunnel.destroy();
    await fixture.close();
  }
}

function assertRefused(answer: Answer, code: Reason, status: number): void {
  assert.deepEqual({ code: answer.problem?.code, status: answer.status }, { code, status }, answer.body);
}

describe('where a name leads', () => {
  const blocked: Record<string, { zone: Zone; destination?: Partial<RulesetDestination> }> = {
    'N-10: to loopback, which nothing opened': {
      zone: () => ['127.0.0.1'],
      destination: { cidrs: ['10.0.0.0/8'] },
    },
    'N-10: to metadata': { zone: () => ['169.254.169.254'], destination: { cidrs: null } },
    'N-10: to loopback, for a Service': { zone: () => ['127.0.0.1'], destination: { cidrs: null } },
    'N-10: to one address inside among many': {
      zone: (_name, type) => (type === 'A' ? ['127.0.0.1', '127.0.0.1', '169.254.169.254'] : []),
    },
    'N-10: to an address inside beside one of the other family': {
      zone: (_name, type) => (type === 'A' ? ['127.0.0.1'] : ['fd00:ec2::254']),
    },
    'N-10: to a disguise of an open address': {
      zone: (_name, type) => (type === 'AAAA' ? ['::ffff:7f00:1'] : []),
    },
  };
  for (const [title, { zone, destination = {} }] of Object.entries(blocked)) {
    test(`${title}, is blocked`, async () => {
      const dns = await nameServer(zone);
      const origin = await httpsOrigin();
      const resolver = createResolver({ servers: [dns.address] });
      await withProxy({ origin, resolver, destination }, async (get) => {
        assertRefused(await get(), 'destination_blocked', 403);
      });
      assert.equal(origin.connections(), 0);
    });
  }

  test('N-12: is looked at anew for every connection, and only what was checked is dialled', async () => {
    let asked = 0;
    const dns = await nameServer((_name, type) => {
      if (type === 'AAAA') return [];
      asked += 1;
      return [asked % 2 === 1 ? '127.0.0.1' : '127.0.0.2'];
    });
    const origin = await httpsOrigin({
      answer: (_m, response) => response.setHeader('connection', 'close').end(),
    });
    const resolver = createResolver({ servers: [dns.address] });
    await withProxy({ origin, resolver, destination: { cidrs: ['127.0.0.1/32'] } }, async (get) => {
      for (let i = 0; i < 50; i++) {
        assert.equal((await get()).status, 200);
        assertRefused(await get(), 'destination_blocked', 403);
      }
    });
    assert.equal(origin.connections(), 50);
  });

  test('N-13: back to our own port is blocked', async () => {
    const port = await findFreePort();
    const fixture = await startFixture({ ca, origin: { port }, port });
    const tunnel = await openTunnel(fixture, port);
    const answer = await send(tunnel, `GET /token/x HTTP/1.1\r\nHost: ${originName}:${port}\r\n\r\n`);
    assertRefused(answer, 'destination_blocked', 403);
    tunnel.destroy();
    await fixture.close();
  });

  test('nowhere is unreachable, with the code of DNS', async () => {
    const dns = await nameServer(() => 'NXDOMAIN');
    const resolver = createResolver({ servers: [dns.address] });
    await withProxy({ origin: { port: 9 }, resolver }, async (get) => {
      const answer = await get();
      assertRefused(answer, 'upstream_unreachable', 504);
      assert.match(answer.problem?.message ?? '', /ENOTFOUND/);
    });
  });

  test('to an address that answers after one that does not is found', async () => {
    const origin = await httpsOrigin();
    const resolver = { resolve: async () => ['127.0.0.77', '127.0.0.1'] };
    await withProxy({ origin, resolver }, async (get) => assert.equal((await get()).status, 200));
  });

  test("is asked of DNS under the destination's own name, and proved under the agent's", async () => {
    const asked: string[] = [];
    const resolver = {
      resolve: async (name: string) => {
        asked.push(name);
        return ['127.0.0.1'];
      },
    };
    const origin = await httpsOrigin();
    await withProxy(
      { origin, resolver, destination: { resolveAs: 'api.inner.svc.cluster.local' } },
      async (get) => assert.equal((await get()).status, 200),
    );
    assert.deepEqual(asked, ['api.inner.svc.cluster.local']);
  });
});

describe('an upstream', () => {
  test('that listens nowhere is unreachable', async () => {
    await withProxy({ origin: { port: await findFreePort() } }, async (get) => {
      const answer = await get();
      assertRefused(answer, 'upstream_unreachable', 504);
      assert.match(answer.problem?.message ?? '', /ECONNREFUSED/);
    });
  });

  test('that does not speak TLS is not trusted', async () => {
    const server = createTcpServer((socket) =>
      socket.on('error', () => {}).end('HTTP/1.1 400 Bad Request\r\n\r\n'),
    );
    await withProxy({ origin: await listening(server) }, async (get) => {
      assertRefused(await get(), 'upstream_untrusted', 502);
    });
  });

  test('that never ends its handshake is given up after 10 s', { timeout: 20_000 }, async () => {
    const server = createTcpServer((socket) => socket.on('error', () => {}).resume());
    const origin = await listening(server);
    await withProxy({ origin }, async (get, fixture) => {
      // The client's own deadline is as long, so the record tells.
      await get().catch(() => {});
      const record = await fixture.record();
      assert.equal(record.refusal?.reason, 'upstream_timeout');
    });
  });

  test('is spoken to in HTTP/1.1, also when it offers HTTP/2', async () => {
    const certificate = await ca.authority.issue({
      name: 'h2',
      subject: '/CN=h2',
      alternativeNames: [`DNS:${originName}`],
      usages: ['serverAuth'],
    });
    const versions: string[] = [];
    const options = { cert: certificate.certPem, key: certificate.keyPem, allowHTTP1: true };
    const server = createSecureServer(options, (message, response) => {
      versions.push(message.httpVersion);
      response.end('ok');
    });
    await withProxy({ origin: await listening(server) }, async (get) =>
      assert.equal((await get()).status, 200),
    );
    assert.deepEqual(versions, ['1.1']);
  });
});

const head = 'HTTP/1.1 200 OK\r\n';

describe('H-07: an answer that is not one', () => {
  const invalid: Record<string, string> = {
    'has Content-Length and Transfer-Encoding': `${head}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    'has Transfer-Encoding and Content-Length': `${head}Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n`,
    'has two different lengths': `${head}Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd`,
    'has a signed length': `${head}Content-Length: +3\r\n\r\nabc`,
    'has a folded header': `${head}X-A: b\r\n c\r\nContent-Length: 0\r\n\r\n`,
    'has a space before a colon': `${head}Content-Length : 3\r\n\r\nabc`,
    'has NUL in a header': `${head}X-A: a\0b\r\nContent-Length: 0\r\n\r\n`,
    'has a bare line feed in its head': 'HTTP/1.1 200 OK\nContent-Length: 0\n\n',
    'has another transfer coding': `${head}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`,
    'switches protocols unasked':
      'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
    'is no HTTP': 'SSH-2.0-OpenSSH_9.2\r\n\r\n',
    'is of HTTP/2': 'HTTP/2 200 OK\r\nContent-Length: 0\r\n\r\n',
    'has more headers than fit': `${head}X-A: ${'x'.repeat(70_000)}\r\n\r\n`,
  };
  for (const [title, bytes] of Object.entries(invalid)) {
    test(`${title}: is refused`, async () => {
      const origin = await rawOrigin((socket) => socket.write(Buffer.from(bytes, 'latin1')));
      await withProxy({ origin }, async (get) => assertRefused(await get(), 'upstream_invalid', 502));
    });
  }

  test('ends before its head: is unreachable', async () => {
    const origin = await rawOrigin((socket) => socket.end('HTTP/1.1 200'));
    await withProxy({ origin }, async (get) => {
      const answer = await get();
      assert.ok(answer.status === 502 || answer.status === 504, answer.body);
    });
  });

  for (const [title, bytes] of Object.entries({
    'ends before its length': `${head}Content-Length: 10\r\n\r\nabc`,
    'ends before its last chunk': `${head}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n`,
    'has a broken chunk': `${head}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n`,
  })) {
    test(`${title}: does not look whole to the agent`, async () => {
      const origin = await rawOrigin((socket) => {
        socket.write(bytes);
        setTimeout(() => socket.end(), 20);
      });
      await withProxy({ origin }, async (get, fixture) => {
        await assert.rejects(get(), /the connection ended/);
        const record = await fixture.record();
        assert.equal(record.status, 200);
        assert.ok(
          record.refusal?.reason === 'upstream_invalid' || record.refusal?.reason === 'upstream_unreachable',
        );
      });
    });
  }
});

describe('H-07: an answer', () => {
  const ok = (body: string): string => `${head}Content-Length: ${body.length}\r\n\r\n${body}`;

  test('behind interim ones is passed on without them', async () => {
    const hints = 'HTTP/1.1 103 Early Hints\r\nLink: </s>\r\n\r\n'.repeat(20);
    const origin = await rawOrigin((socket) => socket.write(hints + ok('real')));
    await withProxy({ origin }, async (get) => {
      const answer = await get();
      assert.equal(answer.body, 'real');
      assert.equal(answer.headers.link, undefined);
    });
  });

  test('with another queued behind it brings its own alone, and the next request has a connection of its own', async () => {
    let served = 0;
    const origin = await rawOrigin((socket) => {
      served += 1;
      socket.write(served === 1 ? ok('first') + ok('poison') : ok(`answer ${served}`));
    });
    await withProxy({ origin }, async (get) => {
      assert.equal((await get()).body, 'first');
      assert.equal((await get()).body, 'answer 2');
    });
    assert.equal(origin.connections(), 2);
  });

  test('of 204 with a body ends the connection with it', async () => {
    let served = 0;
    const origin = await rawOrigin((socket) => {
      served += 1;
      socket.write(
        served === 1 ? `HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n${ok('evil!')}` : ok('fine'),
      );
    });
    await withProxy({ origin }, async (get) => {
      const answer = await get();
      assert.equal(answer.status, 204);
      assert.equal(answer.headers['content-length'], undefined);
      assert.equal((await get()).body, 'fine');
    });
  });

  test('that ends with its connection is whole', async () => {
    const origin = await rawOrigin((socket) => socket.end('HTTP/1.0 200 OK\r\n\r\nold style'));
    await withProxy({ origin }, async (get) => assert.equal((await get()).body, 'old style'));
  });
});

describe('D6: upstream connections', () => {
  async function usedBy(
    origin: Origin,
    change: (fixture: Fixture) => void,
    paths: string[],
  ): Promise<number[]> {
    await withProxy({ origin }, async (get, fixture) => {
      for (const [index, path] of paths.entries()) {
        if (index === 1) change(fixture);
        assert.equal((await get(path)).status, 200);
      }
    });
    return origin.received.map(({ connection }) => connection);
  }

  const cases: Record<string, { change?: (fixture: Fixture) => void; paths: string[]; expected: number[] }> =
    {
      'are not shared between a credential and none': {
        paths: ['/token/x', '/plain/x', '/token/x'],
        expected: [1, 2, 1],
      },
      'are not shared between ruleset revisions': {
        change: (fixture) => fixture.swap({ telemetry: { endpoint: 'https://collector.test' } }),
        paths: ['/token/x', '/token/x'],
        expected: [1, 2],
      },
      'are used again for the same place, credential and revision': {
        paths: ['/token/x', '/token/y', '/token/z'],
        expected: [1, 1, 1],
      },
    };
  for (const [title, { change = () => {}, paths, expected }] of Object.entries(cases)) {
    test(title, async () => {
      const origin = await httpsOrigin();
      assert.deepEqual(await usedBy(origin, change, paths), expected);
    });
  }

  test('are not shared between two names of one place', async () => {
    const origin = await httpsOrigin({ names: [`DNS:${originName}`, 'DNS:other.example.test'] });
    const names = [originName, 'other.example.test'];
    const resolver = { resolve: async () => ['127.0.0.1'] };
    const fixture = await startFixture({ ca, origin, resolver, destination: { names } });
    for (const name of names) {
      const place = `${name}:${origin.port}`;
      const tunnel = await openTunnel(fixture, origin.port, { target: place, serverName: name });
      assert.equal((await send(tunnel, `GET /token/x HTTP/1.1\r\nHost: ${place}\r\n\r\n`)).status, 200);
      tunnel.destroy();
    }
    assert.deepEqual(
      origin.received.map(({ connection, headers }) => [connection, headers.authorization]),
      [
        [1, `Bearer ${token}`],
        [2, `Bearer ${token}`],
      ],
    );
    await fixture.close();
  });
});
