// Request heads through the real proxy to a real server: whatever bytes came, that server reads what was decided, in order and
// no more often, and the proxy lives.

import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { after, before, test } from 'node:test';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import type { ExchangeRecord } from '../../sidecar/audit/record.ts';
import { waitFor } from '../cluster/deadline.ts';
import { startFixture, type Fixture } from '../sidecar/proxy/fixture.ts';
import {
  createTestCa,
  originName,
  startOrigin,
  type Origin,
  type Received,
  type TestCa,
} from '../sidecar/proxy/origin.ts';
import { openSocket, openTunnel, send } from '../sidecar/proxy/raw-client.ts';
import { fuzzBounds } from './bounds.ts';

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

const method = fc.oneof(
  { weight: 20, arbitrary: fc.constantFrom('GET', 'POST', 'POST', 'PUT', 'DELETE', 'HEAD', 'OPTIONS') },
  { weight: 1, arbitrary: fc.constantFrom('get', 'CONNECT', 'TRACE', 'QUERY', 'PRI', 'GE T', '', 'SOURCE') },
);
const path = fc.array(
  fc.oneof(
    { weight: 20, arbitrary: fc.constantFrom('/plain', '/token', '/x', '/a.b', '/%41', '?a=b', '&c') },
    { weight: 1, arbitrary: fc.constantFrom('/..', '//', '%2f', ';', '#', '\\', ' ', '%', '\0', '\xe9', '/.', '%00') },
  ),
  { maxLength: 4 },
); // prettier-ignore
const version = fc.oneof(
  { weight: 30, arbitrary: fc.constant('HTTP/1.1') },
  { weight: 1, arbitrary: fc.constantFrom('HTTP/1.0', 'HTTP/2.0', 'HTTP/1.2', 'RTSP/1.0', '', 'HTTP/1.1 ') },
);
const plainHeader = fc.constantFrom('X-A: b', 'X-A:b', 'x-a: c', 'X-B: a\tb', 'TE: trailers', '__proto__: x', 'Content-Type: a/b', 'Authorization: a', 'Upgrade: h2c', 'Expect: 100-continue', 'Connection: x-a', 'Content-Length: 5', 'Transfer-Encoding: chunked'); // prettier-ignore
const oddHeader = fc.constantFrom(
  'X-A: b', 'X-A:b', 'x-a: c', 'X A: b', 'X-A : b', ' X-A: b', 'X-A', ': b', 'X-A: \x80', 'X-A: a\tb', 'Host: evil.test', 'Host: PLACE', 'Connection: close', 'Connection: keep-alive', 'Connection: authorization', 'Connection: x-a', 'Upgrade: h2c', 'Upgrade: websocket', 'Expect: 100-continue', 'Expect: x', 'Content-Length: 5', 'Content-Length: 0', 'Content-Length: +5', 'Content-Length: 4\r\nContent-Length: 5', 'Transfer-Encoding: chunked', 'Transfer-Encoding: gzip, chunked', 'Transfer-Encoding:\tchunked', 'Transfer_Encoding: chunked', 'Authorization: a', 'Cookie: a', 'TE: trailers', 'Trailer: x', 'X-HTTP-Method-Override: DELETE', 'X-Original-URL: /token/forbidden', '__proto__: x', 'Outrider-Decision: x', 'Traceparent: 00-1-1-01', 'Content-Encoding: gzip', 'Content-Type: a/b',
); // prettier-ignore
const header = fc.oneof({ weight: 5, arbitrary: plainHeader }, { weight: 1, arbitrary: oddHeader });
const lineEnd = fc.oneof(
  { weight: 60, arbitrary: fc.constant('\r\n') },
  { weight: 1, arbitrary: fc.constantFrom('\n', '\r', '\r\r\n', '\n\r', '\r\n ', '\0\r\n') },
);
const body = fc.constantFrom(
  '', 'hello', '5\r\nhello\r\n0\r\n\r\n', '5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n', '0\r\n\r\n', '5\nhello\r\n0\r\n\r\n', '-1\r\n', '5\r\nhelloX', 'GET /plain/inner HTTP/1.1\r\nHost: PLACE\r\n\r\n',
); // prettier-ignore

const request = fc
  .tuple(method, path, version, fc.array(fc.tuple(header, lineEnd), { maxLength: 4 }), body, fc.nat(15))
  .map(([verb, pieces, protocol, headers, rest, hostless]) => {
    const lines = headers.map(([line, end]) => line + end).join('');
    return `${verb} TO/plain${pieces.join('')} ${protocol}\r\n${hostless === 0 ? '' : 'Host: PLACE\r\n'}${lines}\r\n${rest}`;
  });
const mutation = fc.tuple(
  fc.nat(),
  fc.integer({ min: 0, max: 255 }),
  fc.constantFrom('set', 'insert', 'drop'),
);
const conversation = fc.record({
  isTunnel: fc.boolean(),
  requests: fc.array(request, { minLength: 1, maxLength: 3 }),
  mutations: fc.oneof(
    { weight: 2, arbitrary: fc.constant([]) },
    { weight: 1, arbitrary: fc.array(mutation, { maxLength: 2 }) },
  ),
  cuts: fc.array(fc.nat(), { maxLength: 2 }),
});

test('FUZZ: a request head is refused, or the server reads what was decided', async (context) => {
  const counts = { conversations: 0, read: 0 };
  await fc.assert(
    fc.asyncProperty(conversation, async ({ isTunnel, requests, mutations, cuts }) => {
      counts.conversations += 1;
      // What an earlier conversation left under way may still arrive.
      const mark = `/plain/${counts.conversations}.`;
      const to = isTunnel ? '' : `https://${place}`;
      const text = requests.join('').replaceAll('TO/plain', `${to}${mark}`).replaceAll('PLACE', place);
      const socket = isTunnel ? await openTunnel(fixture, origin.port) : await openSocket(fixture.port);
      await write(socket, mutate(Buffer.from(text, 'latin1'), mutations), cuts);
      const read = origin.received.filter(({ url }) => url.startsWith(mark)).map(readingOf);
      // An agent that leaves is recorded, too, and what was under way by then may have been read.
      const decided = await waitFor({ what: 'the records', timeoutMs: 2000, everyMs: 1 }, async () => {
        const sent = fixture.records.filter(({ request: one }) => one?.path.startsWith(mark) === true);
        return sent.length >= read.length ? sent.map(decisionOf) : undefined;
      });
      counts.read += read.length;
      let from = 0;
      for (const one of read) {
        const at = decided.findIndex((each, index) => index >= from && isDeepStrictEqual(each, one));
        assert.ok(at >= 0, `${JSON.stringify(one)} is none of ${JSON.stringify(decided)}`);
        from = at + 1;
      }
      if (fixture.records.length > 1000) fixture.records.length = 0;
      if (origin.received.length > 1000) origin.received.length = 0;
    }),
    fuzzBounds(context, 1),
  );
  context.diagnostic(`${counts.conversations} conversations, ${counts.read} requests read`);
  assert.ok(counts.read > 0);
  const tunnel = await openTunnel(fixture, origin.port);
  assert.equal((await send(tunnel, `GET /plain/x HTTP/1.1\r\nHost: ${place}\r\n\r\n`)).status, 200);
  tunnel.destroy();
});

function readingOf({ method: verb, url, headers, body: content }: Received): object {
  const framings = ['content-length', 'transfer-encoding'].filter((name) => name in headers);
  assert.ok(framings.length <= 1);
  return { method: verb, target: url, place: headers.host, bytes: content.length };
}

function decisionOf({ request: model, requestBytes }: ExchangeRecord): object {
  const { method: verb, path: read, query = null, host, port } = model ?? {};
  const target = query === null ? read : `${read}?${query}`;
  return { method: verb, target, place: `${host}:${port}`, bytes: requestBytes };
}

function mutate(bytes: Buffer, mutations: readonly (readonly [number, number, string])[]): Buffer {
  let changed = bytes;
  for (const [where, byte, kind] of mutations) {
    const at = where % Math.max(1, changed.length);
    const left = changed.subarray(0, at);
    const right = changed.subarray(kind === 'insert' ? at : at + 1);
    changed = Buffer.concat([left, kind === 'drop' ? Buffer.alloc(0) : Buffer.from([byte]), right]);
  }
  return changed;
}

/** Of 1 ms: an answer takes fewer, and a request that never ends is not waited for. */
const quietTurns = 6;

/** In pieces, to the end of the conversation or of our patience. */
async function write(socket: Socket, bytes: Buffer, cuts: readonly number[]): Promise<void> {
  let heard = false;
  socket
    .on('error', () => {})
    .on('data', () => {
      heard = true;
    });
  let from = 0;
  for (const to of [...cuts.map((cut) => cut % bytes.length).toSorted((a, b) => a - b), bytes.length]) {
    if (!socket.destroyed) socket.write(bytes.subarray(from, to));
    from = to;
    await nextTurn();
  }
  for (let quiet = 0; quiet < quietTurns && !socket.destroyed; quiet += 1) {
    if (heard) quiet = 0;
    heard = false;
    await sleep(1);
  }
  socket.destroy();
}
