import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { createHealth, type Health } from '../../sidecar/health.ts';

let ready = false;
let health: Health;
let port = 0;

before(async () => {
  health = createHealth({ ready: () => ready });
  ({ port } = await health.listen(0, '127.0.0.1'));
});
after(() => health.close());

async function ask(head: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.end(`${head}\r\nHost: x\r\nConnection: close\r\n\r\n`);
  let text = '';
  socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
  await once(socket, 'close');
  return text;
}

describe('K-20: health tells yes or no and nothing else', () => {
  const cases: Record<string, [head: string, status: number]> = {
    'another path': ['GET /metrics HTTP/1.1', 404],
    'a path of Node': ['GET /json/list HTTP/1.1', 404],
    'a query': ['GET /readyz?verbose HTTP/1.1', 404],
    'another method': ['POST /readyz HTTP/1.1', 405],
    'not ready yet': ['GET /readyz HTTP/1.1', 503],
    alive: ['GET /livez HTTP/1.1', 200],
  };
  for (const [what, [head, status]] of Object.entries(cases)) {
    test(`${what} is ${status}`, async () => {
      const text = await ask(head);
      assert.match(text, new RegExp(`^HTTP/1.1 ${status} `));
      assert.match(text, /\r\n\r\n(?:0\r\n\r\n)?$/);
      const headers = text
        .split('\r\n')
        .slice(1)
        .filter((line) => line.includes(':'));
      assert.ok(
        headers.every((line) => /^(connection|transfer-encoding|content-length):/i.test(line)),
        text,
      );
    });
  }

  test('ready is 200', async () => {
    ready = true;
    assert.match(await ask('GET /readyz HTTP/1.1'), /^HTTP\/1.1 200 /);
    ready = false;
  });

  test('a head that never ends is cut, and so is one that is too long', async () => {
    const socket = connect(port, '127.0.0.1');
    socket.resume().write('GET /livez HTTP/1.1\r\nX: ');
    socket.write('x'.repeat(8192));
    await once(socket, 'close');
  });
});

test('K-22: a port that is taken is an error with a code', async () => {
  await assert.rejects(createHealth({ ready: () => true }).listen(port, '127.0.0.1'), { code: 'PORT_TAKEN' });
});
