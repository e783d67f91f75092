import assert from 'node:assert/strict';
import { randomBytes, randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { waitFor } from '../../cluster/deadline.ts';
import { startFixture, type Fixture } from './fixture.ts';
import { createTestCa, originName, startOrigin, type Answer, type Origin, type TestCa } from './origin.ts';
import { expectClosed, openSocket, openTunnel, readAnswer, send } from './raw-client.ts';

let ca: TestCa;
let origin: Origin;
let fixture: Fixture;
let answering: Answer;
let place = '';

before(async () => {
  ca = await createTestCa();
  origin = await startOrigin(ca, { answer: (...args) => answering(...args) });
  place = `${originName}:${origin.port}`;
});
after(async () => {
  await origin.close();
  ca.close();
});
beforeEach(async () => {
  answering = (_message, response) => response.end('hello');
  origin.received.length = 0;
  fixture = await startFixture({ ca, origin });
});
afterEach(() => fixture.close());

const get = (path = '/token/x'): string => `GET ${path} HTTP/1.1\r\nHost: ${place}\r\n\r\n`;

async function stillServes(): Promise<void> {
  const tunnel = await openTunnel(fixture, origin.port);
  assert.equal((await send(tunnel, get())).status, 200);
  tunnel.destroy();
}

describe('the port', () => {
  test('K-22: that somebody else holds is an error', async () => {
    const squatter = createServer().listen(0, '127.0.0.1');
    await once(squatter, 'listening');
    const { port } = squatter.address() as AddressInfo;
    await assert.rejects(startFixture({ ca, origin, port }), { code: 'PORT_TAKEN' });
    squatter.close();
  });

  test('is the same on both loopback addresses, and free again after the end', async () => {
    const both = await startFixture({ ca, origin, hosts: ['127.0.0.1', '::1'] });
    await both.close();
    const again = await startFixture({ ca, origin, hosts: ['127.0.0.1', '::1'], port: both.port });
    assert.equal(again.port, both.port);
    await again.close();
  });

  test('ends with open tunnels, streams and handshakes', async () => {
    answering = (_message, response) => response.write('more is to come');
    const own = await startFixture({ ca, origin });
    const idle = await openSocket(own.port);
    const unfinished = await openSocket(own.port);
    await send(unfinished, `CONNECT ${place} HTTP/1.1\r\n\r\n`);
    const stream = await openTunnel(own, origin.port);
    stream.write(get());
    await once(stream, 'data');
    await own.close();
    await Promise.all([idle, unfinished, stream].map((socket) => closed(socket)));
  });
});

describe('limits', () => {
  test(
    'D: a head and a handshake that do not end are given up after 10 s',
    { timeout: 20_000 },
    async (context) => {
      const startedAtMs = performance.now();
      const head = await openSocket(fixture.port);
      head.write('GET https://');
      const drip = setInterval(() => head.write('x'), 500);
      const handshake = await openSocket(fixture.port);
      await send(handshake, `CONNECT ${place} HTTP/1.1\r\n\r\n`);
      await Promise.all([head, handshake].map((socket) => closed(socket)));
      clearInterval(drip);
      context.diagnostic(`given up after ${Math.round(performance.now() - startedAtMs)} ms`);
      const reasons = new Set(fixture.records.map(({ refusal }) => refusal?.reason));
      assert.deepEqual(reasons, new Set(['tls_handshake_failed', 'request_malformed']));
    },
  );

  test('D: of more than 512 connections the one that is silent for longest goes, and the others go on', async () => {
    const tunnel = await openTunnel(fixture, origin.port);
    const first = await openSocket(fixture.port);
    const sockets = await Promise.all(Array.from({ length: 510 }, () => openSocket(fixture.port)));
    await sleep(200);
    await stillServes();
    await closed(first);
    assert.equal((await send(tunnel, get())).status, 200);
    for (const socket of [tunnel, ...sockets]) socket.destroy();
  });

  test(
    'D: while 512 connections have requests under way, none is cut for another',
    { timeout: 30_000 },
    async () => {
      answering = () => {};
      const sockets = await Promise.all(Array.from({ length: 512 }, () => openSocket(fixture.port)));
      for (const socket of sockets) socket.write(get().replace('/token', `https://${place}/token`));
      await waitFor({ what: 'the requests', timeoutMs: 20_000 }, async () => origin.received.length === 512);
      await closed(await openSocket(fixture.port));
      assert.ok(sockets.every((socket) => !socket.destroyed));
      for (const socket of sockets) socket.destroy();
    },
  );

  test('D: more than 16 requests ahead of their answers end the connection', async () => {
    answering = () => {};
    const tunnel = await openTunnel(fixture, origin.port);
    tunnel.write(get().repeat(40));
    await closed(tunnel);
    await sleep(50);
    assert.ok(origin.received.length <= 1, 'one at a time');
  });

  test('H-06: requests sent ahead are answered in order, one at a time', async () => {
    let underWay = 0;
    answering = (message, response) => {
      underWay += 1;
      assert.equal(underWay, 1);
      setTimeout(() => {
        underWay -= 1;
        response.end(message.url);
      }, 10);
    };
    const tunnel = await openTunnel(fixture, origin.port);
    tunnel.write(Array.from({ length: 10 }, (_, i) => get(`/token/${i}`)).join(''));
    for (let i = 0; i < 10; i++) assert.equal((await readAnswer(tunnel)).body, `/token/${i}`);
    tunnel.destroy();
  });

  test('H-06: what cannot be parsed behind a request ends the connection after its answer', async () => {
    answering = (_message, response) => setTimeout(() => response.end('slow'), 50);
    const tunnel = await openTunnel(fixture, origin.port);
    tunnel.write(`${get()}garbage\r\n\r\n`);
    assert.equal((await readAnswer(tunnel)).body, 'slow');
    await expectClosed(tunnel);
    assert.equal(origin.received.length, 1);
  });
});

describe('H-08: nothing that an agent sends ends the process', () => {
  const pieces: (() => Buffer | string)[] = [
    () => randomBytes(randomInt(1, 400)),
    () => get().slice(0, randomInt(1, 40)),
    () => `GET https://${place}/token/x HTTP/1.1\r\n`,
    () => `CONNECT ${place} HTTP/1.1\r\n\r\n`,
    () => '__proto__: x\r\nconstructor: y\r\n',
    () => `Host: ${place}\r\n`,
    () => `Transfer-Encoding: chunked\r\n\r\n${randomInt(0, 20).toString(16)}\r\n`,
    () => `Content-Length: ${randomInt(0, 2000)}\r\n\r\n`,
    () => 'Expect: 100-continue\r\n',
    () => 'Upgrade: h2c\r\nConnection: upgrade\r\n',
    () => '\r\n\r\n',
    () => '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
    () => '\0',
  ];

  async function throwAt(socket: Socket): Promise<void> {
    for (let i = randomInt(1, 8); i > 0 && !socket.destroyed; i--) {
      socket.write((pieces[randomInt(pieces.length)] ?? (() => ''))());
      if (randomInt(4) === 0) await sleep(1);
    }
    if (randomInt(2) === 0) socket.destroy();
    else socket.end();
    setTimeout(() => socket.destroy(), 200);
    await closed(socket);
  }

  test('on the port', async () => {
    for (let round = 0; round < 20; round++) {
      await Promise.all(Array.from({ length: 20 }, async () => throwAt(await openSocket(fixture.port))));
    }
    await stillServes();
  });

  test('inside TLS', async () => {
    for (let round = 0; round < 10; round++) {
      await Promise.all(
        Array.from({ length: 10 }, async () => throwAt(await openTunnel(fixture, origin.port))),
      );
    }
    await stillServes();
  });

  test('and each exchange that was forwarded left a record', async () => {
    await Promise.all(
      Array.from({ length: 50 }, async () => throwAt(await openTunnel(fixture, origin.port))),
    );
    await waitFor({ what: 'the records', timeoutMs: 5000 }, async () => {
      const forwarded = fixture.records.filter(({ phases }) =>
        phases.some(({ name }) => name === 'upstream'),
      );
      return forwarded.length >= origin.received.length;
    });
  });

  test('D: agents that come and go while the upstream streams leave nothing behind', async () => {
    answering = (_message, response) => {
      const block = Buffer.alloc(16 * 1024);
      const more = (): void => {
        while (!response.destroyed && response.write(block));
      };
      response.on('drain', more);
      more();
    };
    for (let round = 0; round < 5; round++) {
      const tunnels = await Promise.all(Array.from({ length: 10 }, () => openTunnel(fixture, origin.port)));
      for (const tunnel of tunnels) tunnel.write(get());
      await sleep(20);
      for (const tunnel of tunnels) tunnel.destroy();
    }
    await waitFor({ what: 'the records', timeoutMs: 5000 }, async () => fixture.records.length === 50);
    answering = (_message, response) => response.end();
    await stillServes();
  });
});

/** Not `once`, which fails with the error that a reset connection has first. */
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
