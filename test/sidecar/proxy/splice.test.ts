import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { spliceSockets, type Splice } from '../../../sidecar/proxy/splice.ts';

// Two real connections, each with its far end in the test's hands.

let server: Server;

before(async () => {
  server = createServer({ allowHalfOpen: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
after(() => server.close());

async function pair(): Promise<{ near: Socket; far: Socket }> {
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  const far = connect({
    port: (server.address() as AddressInfo).port,
    host: '127.0.0.1',
    allowHalfOpen: true,
  });
  const [near] = await accepted;
  far.on('error', () => {});
  return { near, far };
}

async function splice(idleMs = 60_000): Promise<Splice & { agent: Socket; upstream: Socket }> {
  const [agent, upstream] = [await pair(), await pair()];
  const spliced = spliceSockets(agent.near, upstream.near, idleMs);
  return { ...spliced, agent: agent.far, upstream: upstream.far };
}

/** Without destroying it at its end, as iterating would. */
async function readAll(socket: Socket): Promise<string> {
  let read = '';
  socket.setEncoding('latin1').on('data', (text: string) => (read += text));
  await once(socket, 'end', { signal: AbortSignal.timeout(5000) });
  return read;
}

async function endingOf(socket: Socket): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'error'));
  socket.once('end', () => resolve('end'));
  socket.resume();
  return promise;
}

describe('joined connections', () => {
  test('that nothing passes over are reset after the idle time, and not while something does', async () => {
    const { agent, upstream, done } = await splice(200);
    const startedAtMs = performance.now();
    const talking = setInterval(() => agent.write('x'), 50);
    setTimeout(() => clearInterval(talking), 500);
    const endings = [endingOf(agent), endingOf(upstream)];
    assert.equal(await done, 'idle');
    assert.ok(performance.now() - startedAtMs >= 650);
    assert.deepEqual(await Promise.all(endings), ['ECONNRESET', 'ECONNRESET']);
  });

  test('end one direction after the other', async () => {
    const { agent, upstream, done } = await splice();
    agent.end('question');
    assert.equal(await readAll(upstream), 'question');
    upstream.end('answer');
    assert.equal(await readAll(agent), 'answer');
    assert.equal(await done, 'ended');
  });

  test('in either order', async () => {
    const { agent, upstream, done } = await splice();
    upstream.end('last word');
    assert.equal(await readAll(agent), 'last word');
    agent.end('understood');
    assert.equal(await readAll(upstream), 'understood');
    assert.equal(await done, 'ended');
  });

  for (const side of ['agent', 'upstream'] as const) {
    test(`are both reset when the ${side} resets`, async () => {
      const spliced = await splice();
      const other = spliced[side === 'agent' ? 'upstream' : 'agent'];
      const ending = endingOf(other);
      spliced[side].resetAndDestroy();
      assert.equal(await spliced.done, 'broken');
      assert.equal(await ending, 'ECONNRESET');
    });
  }

  test('are both reset when they are cut, also between the end of one direction and of the other', async () => {
    const { agent, upstream, done, cut } = await splice();
    agent.end('question');
    await readAll(upstream);
    const ending = endingOf(agent);
    cut();
    assert.equal(await done, 'broken');
    assert.equal(await ending, 'ECONNRESET');
  });

  test('lose nothing of what was sent before the end', async () => {
    const { agent, upstream, done } = await splice();
    const whole = Buffer.alloc(8 * 1024 * 1024, 'x');
    upstream.end(whole);
    agent.end();
    assert.equal((await readAll(agent)).length, whole.length);
    upstream.resume();
    assert.equal(await done, 'ended');
  });
});
