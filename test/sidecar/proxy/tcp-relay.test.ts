import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import type { Ruleset, RulesetRule } from '../../../policy/ruleset.ts';
import type { ExchangeRecord } from '../../../sidecar/audit/record.ts';
import { waitFor } from '../../cluster/deadline.ts';
import { startPostgres } from '../../cluster/vault-postgres.ts';
import { run } from '../tls/program.ts';
import { startFixture, type Fixture, type FixtureOptions } from './fixture.ts';
import { createTestCa, originName, startOrigin, type Origin, type TestCa } from './origin.ts';
import { giveBack, openSocket, readAnswer } from './raw-client.ts';

// A destination of scheme tcp, reached by a captured connection and by CONNECT. Bytes are any: a server that speaks
// first, echoes, and says a last word after the agent's.

const grant: RulesetRule = { policy: 'team', name: 'db', action: 'Allow', destination: 'origin' };

interface Upstream {
  readonly port: number;
  readonly sockets: Socket[];
  close(): Promise<void>;
}

async function startUpstream(onSocket: (socket: Socket) => void): Promise<Upstream> {
  const sockets: Socket[] = [];
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.push(socket);
    socket.on('error', () => {});
    onSocket(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    sockets,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

let ca: TestCa;
let upstream: Upstream;
let fixture: Fixture;
let serving: (socket: Socket) => void;

before(async () => {
  ca = await createTestCa();
});
after(() => ca.close());
beforeEach(async () => {
  serving = (socket) => {
    socket.write('hello\n');
    socket.on('data', (chunk) => socket.write(chunk));
    socket.on('end', () => socket.end('bye\n'));
  };
  upstream = await startUpstream((socket) => serving(socket));
  fixture = await start(upstream);
});
afterEach(async () => {
  await fixture.close();
  await upstream.close();
});

function start(
  origin: Pick<Origin, 'port'>,
  ruleset: Partial<Ruleset> = {},
  options: Partial<FixtureOptions> = {},
): Promise<Fixture> {
  return startFixture({
    ca,
    origin,
    destination: { scheme: 'tcp' },
    ruleset: { guards: [], grants: [grant], credentials: {}, ...ruleset },
    capture: { relays: [{ name: originName, port: origin.port, listener: 0, slot: 1 }] },
    ...options,
  });
}

const relayPort = (at = fixture): number => at.captured?.relays[0] ?? 0;

async function openRelay(at = fixture): Promise<Socket> {
  return openSocket(relayPort(at));
}

/** Of a captured connection, which may be reset before its client hears that it was accepted. */
async function endingOfNew(at = fixture, text = 'a secret question'): Promise<string> {
  const socket = connect(relayPort(at), '127.0.0.1');
  socket.write(text);
  return endingOf(socket);
}

/** After the answer to CONNECT; `status` when it is refused. */
async function openConnect(
  port: number,
  at = fixture,
): Promise<{ socket: Socket; status: number; code: string }> {
  const socket = await openSocket(at.port);
  socket.write(`CONNECT ${originName}:${port} HTTP/1.1\r\n\r\n`);
  const answer = await readAnswer(socket, 'CONNECT');
  giveBack(socket);
  return { socket, status: answer.status, code: answer.problem?.code ?? '' };
}

async function readUntil(socket: Socket, text: string): Promise<string> {
  let read = '';
  for await (const chunk of on(socket)) {
    read += chunk.toString('latin1');
    if (read.includes(text)) return read;
  }
  throw new Error(`ended after ${JSON.stringify(read)}`);
}

/** Without destroying the socket when the loop is left. */
async function* on(socket: Socket): AsyncGenerator<Buffer> {
  while (!socket.readableEnded && !socket.destroyed) {
    const chunk = socket.read() as Buffer | null;
    if (chunk !== null) yield chunk;
    else {
      const ended = new AbortController();
      const signal = AbortSignal.any([ended.signal, AbortSignal.timeout(5000)]);
      await Promise.race([once(socket, 'readable', { signal }), once(socket, 'close', { signal })]).finally(
        () => ended.abort(),
      );
    }
  }
}

/** How the connection ended: `ECONNRESET`, or `end` when it was closed in order. */
async function endingOf(socket: Socket): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const deadline = setTimeout(() => reject(new Error('the connection stays open')), 5000);
  socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'error'));
  socket.on('close', () => resolve('end'));
  if (socket.destroyed) resolve('end');
  socket.resume();
  return promise.finally(() => clearTimeout(deadline));
}

const reasonOf = ({ refusal, decision }: ExchangeRecord): string | null =>
  refusal?.reason ?? decision?.reason ?? null;

describe('a captured connection is reset, nothing is dialled, and one record says why', () => {
  const cases: Record<string, [ruleset: Partial<Ruleset>, reason: string]> = {
    'without a grant': [{ grants: [] }, 'no_grant'],
    'of a destination that no rule names': [{ grants: [], destinations: {} }, 'no_grant'],
    'of a destination that no rule names, of an agent that is halted': [
      { grants: [], destinations: {}, halt: { policy: 'stop' } },
      'halted',
    ],
    'that a guard denies': [{ guards: [{ policy: 'all', name: 'no', action: 'Deny' }] }, 'denied_by_rule'],
    'of an agent that is halted': [{ halt: { policy: 'stop' } }, 'halted'],
    'that needs an approval': [{ grants: [{ ...grant, action: 'RequireApproval' }] }, 'approval_required'],
    'whose rule names a credential': [{ grants: [{ ...grant, credential: 'token' }] }, 'secret_unavailable'],
    'whose rule gives the status alone': [
      { grants: [{ ...grant, statusOnly: true }] },
      'protocol_unsupported',
    ],
    'whose rule counts tokens': [
      {
        grants: [
          {
            ...grant,
            limits: [
              { name: 'day', usage: 'Tokens', max: 9, windowMs: 60_000, scope: 'Pod', exceeded: 'Deny' },
            ],
          },
        ],
      },
      'protocol_unsupported',
    ],
    'beyond the limit of its rule': [
      {
        grants: [
          {
            ...grant,
            limits: [{ name: 'few', max: 0, windowMs: 60_000, scope: 'Pod', exceeded: 'Deny' }],
          },
        ],
      },
      'limit_exceeded',
    ],
  };
  for (const [title, [ruleset, reason]] of Object.entries(cases)) {
    test(title, async () => {
      fixture.swap(ruleset);
      assert.equal(await endingOfNew(), 'ECONNRESET');
      const record = await fixture.record();
      assert.equal(reasonOf(record), reason);
      assert.equal(record.entry, 'captured_tcp');
      assert.equal(record.status, 0);
      assert.equal(upstream.sockets.length, 0);
      assert.equal(fixture.records.length, 1);
    });
  }

  test('while the policy is stale', async () => {
    fixture.setFresh(false);
    assert.equal(await endingOfNew(), 'ECONNRESET');
    assert.equal(reasonOf(await fixture.record()), 'policy_stale');
    fixture.swap({ grants: [], destinations: {} });
    assert.equal(await endingOfNew(), 'ECONNRESET');
    assert.equal(reasonOf(await fixture.record()), 'policy_stale');
  });

  test('N-10: whose name leads where no range opens', async () => {
    const blocked = await start(upstream, {}, { destination: { scheme: 'tcp', cidrs: ['10.0.0.0/8'] } });
    assert.equal(await endingOfNew(blocked), 'ECONNRESET');
    assert.equal(reasonOf(await blocked.record()), 'destination_blocked');
    await blocked.close();
  });

  test('whose upstream is not there', async () => {
    await upstream.close();
    assert.equal(await endingOfNew(), 'ECONNRESET');
    assert.equal(reasonOf(await fixture.record()), 'upstream_unreachable');
    upstream = await startUpstream(() => {});
  });

  test('N-13, K-21: whose place is a port of the sidecar', async () => {
    const own = await start(upstream, {}, { destination: { scheme: 'tcp', cidrs: ['127.0.0.0/8'] } });
    for (const port of [own.port, own.captured?.tls ?? 0, own.captured?.http ?? 0, relayPort(own)]) {
      own.swap({
        destinations: { origin: { names: [originName], port, scheme: 'tcp', cidrs: ['127.0.0.0/8'] } },
      });
      const { socket, status, code } = await openConnect(port, own);
      assert.deepEqual([status, code], [403, 'destination_blocked']);
      socket.destroy();
      await own.record();
    }
    await own.close();
  });
});

describe('N-21: a relay leads to the name that it was planned for, or nowhere', () => {
  const place = (): Ruleset['destinations'][string] => ({
    names: [originName],
    port: upstream.port,
    scheme: 'tcp',
    cidrs: ['127.0.0.0/8'],
  });
  const changes: Record<string, () => Ruleset['destinations']> = {
    'when its destination has another name since': () => ({
      origin: { ...place(), names: ['127.0.0.1'] },
    }),
    'when its destination has another port since': () => ({
      origin: { ...place(), port: upstream.port - 1 },
    }),
    'when its destination speaks TLS since': () => ({ origin: { ...place(), scheme: 'https' } }),
    'when its destination is gone': () => ({}),
    'when its destination is gone, and another that nothing grants has its name': () => ({ new: place() }),
  };
  for (const [title, destinations] of Object.entries(changes)) {
    test(title, async () => {
      fixture.swap({ destinations: destinations() });
      assert.equal(await endingOfNew(), 'ECONNRESET');
      const record = await fixture.record();
      assert.equal(reasonOf(record), 'no_grant');
      assert.equal(record.request?.host, originName);
      assert.equal(upstream.sockets.length, 0);
    });
  }

  test('which another destination may have since', async () => {
    fixture.swap({ grants: [{ ...grant, destination: 'new' }], destinations: { new: place() } });
    const socket = await openRelay();
    await readUntil(socket, 'hello');
    socket.destroy();
  });
});

describe('CONNECT to such a place is answered with what a captured connection cannot be told', () => {
  test('no grant', async () => {
    fixture.swap({ grants: [] });
    const { status, code } = await openConnect(upstream.port);
    assert.deepEqual([status, code], [403, 'no_grant']);
    const record = await fixture.record();
    assert.deepEqual([record.entry, record.status, record.request?.scheme], ['connect', 403, 'tcp']);
    assert.equal(upstream.sockets.length, 0);
  });

  test('an upstream that is not there, before any 200', async () => {
    await upstream.close();
    const { status, code } = await openConnect(upstream.port);
    assert.deepEqual([status, code], [504, 'upstream_unreachable']);
    upstream = await startUpstream(() => {});
  });

  test('and where the same name and port speak TLS by another destination, it is TLS that counts', async () => {
    const common = { names: [originName], port: upstream.port, cidrs: ['127.0.0.0/8'] };
    fixture.swap({
      destinations: { origin: { ...common, scheme: 'tcp' }, api: { ...common, scheme: 'https' } },
    });
    const { socket, status } = await openConnect(upstream.port);
    assert.equal(status, 200);
    socket.write('not TLS');
    await endingOf(socket);
    assert.equal(reasonOf(await fixture.record()), 'tls_handshake_failed');
    assert.equal(upstream.sockets.length, 0);
  });
});

describe('an open connection ends at once', () => {
  const changes: Record<string, [change: () => void, reason: string]> = {
    'P-05: when the agent is halted': [() => fixture.swap({ halt: { policy: 'stop' } }), 'halted'],
    'P-05: when the grant goes': [() => fixture.swap({ grants: [] }), 'no_grant'],
    'P-05: when the lease ends': [() => fixture.setFresh(false), 'policy_stale'],
    'when the ranges of its destination become narrower': [
      () =>
        fixture.swap({
          destinations: {
            origin: { names: [originName], port: upstream.port, scheme: 'tcp', cidrs: ['127.0.0.2/32'] },
          },
        }),
      'policy_stale',
    ],
  };
  for (const [title, [change, reason]] of Object.entries(changes)) {
    test(title, async () => {
      const socket = await openRelay();
      await readUntil(socket, 'hello');
      change();
      assert.equal(await endingOf(socket), 'ECONNRESET');
      const record = await fixture.record();
      assert.equal(reasonOf(record), reason);
      assert.equal(record.responseBytes, 6);
      const [at] = upstream.sockets;
      assert.ok(at !== undefined);
      await waitFor({ what: 'the end at the upstream', timeoutMs: 5000 }, async () => at.destroyed);
    });
  }

  test('but not when something else changes', async () => {
    const socket = await openRelay();
    await readUntil(socket, 'hello');
    fixture.swap({ grants: [grant, { ...grant, name: 'other' }] });
    socket.write('still there');
    await readUntil(socket, 'still there');
    socket.destroy();
  });

  test('K-33: when the sidecar stops, and is recorded before it has', async () => {
    const stopping = await start(upstream);
    const { socket } = await openConnect(upstream.port, stopping);
    const endings = [openRelay(stopping), socket].map(async (each) => endingOf(await each));
    await waitFor({ what: 'both', timeoutMs: 5000 }, async () => upstream.sockets.length === 2);
    await stopping.close();
    assert.deepEqual(stopping.records.map(({ entry }) => entry).toSorted(), ['captured_tcp', 'connect']);
    await Promise.all(endings);
  });

  test('when the policy changes while it is being dialled', async () => {
    fixture.beforeDial(() => fixture.swap({ grants: [] }));
    assert.equal(await endingOfNew(), 'ECONNRESET');
    assert.equal(reasonOf(await fixture.record()), 'no_grant');
  });

  test('when the upstream breaks it off', async () => {
    serving = (socket) => socket.once('data', () => socket.resetAndDestroy());
    const socket = await openRelay();
    socket.write('x');
    assert.equal(await endingOf(socket), 'ECONNRESET');
    const record = await fixture.record();
    assert.equal(reasonOf(record), null);
    assert.equal(record.phases.at(-1)?.error, 'broken');
  });

  test('when the agent leaves', async () => {
    const socket = await openRelay();
    await readUntil(socket, 'hello');
    socket.resetAndDestroy();
    await fixture.record();
    const [at] = upstream.sockets;
    await waitFor({ what: 'the end at the upstream', timeoutMs: 5000 }, async () => at?.destroyed);
  });
});

describe('bytes are relayed as they are', () => {
  for (const entry of ['captured_tcp', 'connect'] as const) {
    const open = async (): Promise<Socket> =>
      entry === 'connect' ? (await openConnect(upstream.port)).socket : openRelay();

    test(`by ${entry}: a server that speaks first, a half-closed agent, and both counts in one record`, async () => {
      const socket = await open();
      socket.allowHalfOpen = true;
      await readUntil(socket, 'hello\n');
      socket.end('a question');
      const rest = await readUntil(socket, 'bye\n');
      assert.equal(rest, 'a questionbye\n');
      const record = await fixture.record();
      assert.equal(record.entry, entry);
      assert.equal(record.capture, 'captured');
      assert.deepEqual([record.requestBytes, record.responseBytes], [10, 20]);
      assert.deepEqual([record.decision?.rule, record.decision?.action], ['db', 'allow']);
      assert.equal(record.status, entry === 'connect' ? 200 : 0);
      assert.equal(fixture.records.length, 1);
    });

    test(`by ${entry}: TLS of the upstream's own, which is not ended here`, async () => {
      const secure = await startOrigin(ca);
      const at = await start(secure);
      const raw = entry === 'connect' ? (await openConnect(secure.port, at)).socket : await openRelay(at);
      const tls = connectTls({ socket: raw, servername: originName, ca: ca.authority.certPem });
      await once(tls, 'secureConnect');
      tls.write(`GET /any HTTP/1.1\r\nHost: ${originName}\r\nConnection: close\r\n\r\n`);
      await readUntil(tls, 'hello');
      assert.deepEqual(
        secure.received.map(({ url }) => url),
        ['/any'],
      );
      tls.destroy();
      await at.close();
      await secure.close();
    });
  }

  test('with a slow reader, whose sender waits', async () => {
    const whole = 64 * 1024 * 1024;
    serving = (socket) => {
      const block = Buffer.alloc(64 * 1024);
      let sent = 0;
      const more = (): void => {
        while (sent < whole) {
          sent += block.length;
          if (!socket.write(block)) return;
        }
        socket.end();
      };
      socket.on('drain', more);
      more();
    };
    const socket = await openRelay();
    await once(socket, 'readable');
    const before = process.memoryUsage().arrayBuffers;
    await sleep(500);
    const [at] = upstream.sockets;
    assert.ok((at?.bytesWritten ?? whole) < whole / 2, 'the sender is held back');
    assert.ok(process.memoryUsage().arrayBuffers - before < 8 * 1024 * 1024);
    let read = 0;
    socket.on('data', (chunk) => (read += chunk.length));
    socket.resume();
    await once(socket, 'end');
    assert.equal(read, whole);
    socket.destroy();
    assert.equal((await fixture.record()).responseBytes, whole);
  });

  test('of a real PostgreSQL and its real client', { timeout: 60_000 }, async () => {
    const postgres = await startPostgres();
    const at = await start(postgres);
    try {
      const address = `postgresql://root:outrider-test-postgres@127.0.0.1:${relayPort(at)}/postgres`;
      const sql = "SELECT sum(n) FROM generate_series(1, 100000) n; SELECT repeat('x', 1000000)";
      const output = await run('psql', [address, '-X', '-A', '-t', '-c', sql]);
      assert.match(output, /^5000050000\nx{1000000}\n$/);
      const record = await at.record();
      assert.ok(record.responseBytes > 1_000_000);
      assert.equal(record.request?.scheme, 'tcp');
    } finally {
      await at.close();
      await postgres.stop();
    }
  });
});
