import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterEach, describe, test } from 'node:test';
import { refusalOfFailure } from '../../../sidecar/proxy/upstream-failure.ts';
import { createUpstreams } from '../../../sidecar/proxy/upstream.ts';

// The deadlines of agents' requests to upstreams, with 1 s in place of 10 min. What the agent sees of each code is
// tested in upstream.test.ts.

let server: Server;
const sockets = new Set<Socket>();

afterEach(() => {
  for (const socket of sockets) socket.destroy();
  server.close();
});

const route = {
  host: 'api.example.test',
  port: 80,
  scheme: 'http',
  destination: null,
  credential: null,
  revision: '1',
} as const;

/** @returns the reason for which the answer never came, or never became whole. */
async function fail(answer: (socket: Socket) => void): Promise<string> {
  server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {}).once('data', () => answer(socket));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const upstreams = createUpstreams(async () => {
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    return socket;
  }, 1000);
  const { promise, resolve, reject } = Promise.withResolvers<Error>();
  upstreams.dispatch(
    route,
    { method: 'GET', target: '/', headers: [], body: null },
    {
      onRequestStart: () => {},
      onResponseStart: () => {},
      onResponseData: () => {},
      onResponseEnd: () => reject(new Error('the answer was whole')),
      onResponseError: (_controller, error) => resolve(error),
    },
  );
  const error = await promise;
  await upstreams.close();
  return refusalOfFailure(error, route.host).reason;
}

function endless(first: string, piece: string): (socket: Socket) => void {
  const block = piece.repeat(4096);
  return (socket) => {
    socket.write(first);
    const drip = setInterval(() => (socket.destroyed ? clearInterval(drip) : socket.write(block)), 10);
  };
}

describe('an upstream is given up after', { timeout: 20_000 }, () => {
  const cases: Record<string, (socket: Socket) => void> = {
    'D: no head of an answer': () => {},
    'D: half a head of an answer': (socket) => socket.write('HTTP/1.1 200 OK\r\nX-A: '),
    'D: a status line without end': endless('HTTP/1.1 200 ', 'x'),
    'D: empty lines without end': endless('', '\r\n'),
    'D: silence in the middle of an answer': (socket) =>
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel'),
    'D: silence behind a chunk': (socket) =>
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n'),
  };
  for (const [title, answer] of Object.entries(cases)) {
    test(title, async () => assert.equal(await fail(answer), 'upstream_timeout'));
  }
});
