// Answers of a hostile upstream through the real proxy: whatever bytes it sent, the agent gets one answer that is well formed or
// a connection that ends, never our decision header without a refusal, and the next request gets its own answer.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { decisionHeader } from '../../policy/contract.ts';
import { startFixture, type Fixture } from '../sidecar/proxy/fixture.ts';
import {
  createTestCa,
  originName,
  startRawOrigin,
  type Origin,
  type TestCa,
} from '../sidecar/proxy/origin.ts';
import { openTunnel, send, type Answer } from '../sidecar/proxy/raw-client.ts';
import { fuzzBounds } from './bounds.ts';

let ca: TestCa;
let origin: Origin;
let fixture: Fixture;
let hostile: Buffer | null = null;

before(async () => {
  ca = await createTestCa();
  origin = await startRawOrigin(ca, (socket) => {
    const bytes = hostile;
    hostile = null;
    if (bytes === null) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnext');
    else socket.end(bytes);
  });
  fixture = await startFixture({ ca, origin });
});
after(async () => {
  await fixture.close();
  await origin.close();
  ca.close();
});

const statusLine = fc.constantFrom(
  'HTTP/1.1 200 OK', 'HTTP/1.1 200 Fine', 'HTTP/1.1 404 No', 'HTTP/1.1 500 No', 'HTTP/1.1 200', 'HTTP/1.0 200 OK', 'HTTP/1.1 100 Continue', 'HTTP/1.1 101 Switching', 'HTTP/1.1 103 Hints', 'HTTP/1.1 204 No', 'HTTP/1.1 304 Not', 'HTTP/1.1 401 No', 'HTTP/1.1 407 No', 'HTTP/1.1 999 X', 'HTTP/1.1 000 X', 'HTTP/2 200', 'HTTP/1.1 2000 OK', 'ICE/1.1 200 OK', '',
); // prettier-ignore
const header = fc.constantFrom(
  'Content-Length: 5', 'Content-Length: 0', 'Content-Length: 500', 'Content-Length: -1', 'Content-Length: 5, 5', 'Transfer-Encoding: chunked', 'Transfer-Encoding: gzip', 'Connection: close', 'Connection: keep-alive', 'Connection: x-a', 'Connection: content-length, transfer-encoding', 'X-A: b', 'X-A : b', ' folded', 'X-A: \0', 'X-A: \xff', 'X-A: a\rb', '__proto__: a', '__proto__: b', 'constructor: a', `${decisionHeader}: forged`, 'Set-Cookie: a=b', 'Set-Cookie: c=d', 'Content-Encoding: gzip', 'Upgrade: h2c', 'Trailer: x', 'Location: https://evil.test/', 'Date: x', 'Keep-Alive: timeout=0', 'Keep-Alive: timeout=99999999999',
); // prettier-ignore
const body = fc.constantFrom('', 'hello', 'hello and more', '5\r\nhello\r\n0\r\n\r\n', '5\r\nhello\r\n0\r\nX: y\r\n\r\n', '5\nhello', 'zz\r\n', 'ffffffffff\r\n', 'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison'); // prettier-ignore
const end = fc.oneof(
  { weight: 60, arbitrary: fc.constant('\r\n') },
  { weight: 1, arbitrary: fc.constantFrom('\n', '\r', '\r\r\n') },
);
const answer = fc
  .tuple(statusLine, end, fc.array(fc.tuple(header, end), { maxLength: 4 }), end, body)
  .map(
    ([first, ends, headers, last, rest]) => `${first}${ends}${headers.map((each) => each.join('')).join('')}${last}${rest}`,
  ); // prettier-ignore
const bytes = fc
  .tuple(
    fc.array(answer, { minLength: 1, maxLength: 3 }),
    fc.option(fc.tuple(fc.nat(), fc.nat(255)), { freq: 2 }),
  )
  .map(([answers, change]) => {
    const sent = Buffer.from(answers.join(''), 'latin1');
    if (change !== null && sent.length > 0) sent[change[0] % sent.length] = change[1];
    return sent;
  });

test('FUZZ: an answer is passed on well formed, refused or cut', async (context) => {
  const counts = { passed: 0, refused: 0, cut: 0 };
  await fc.assert(
    fc.asyncProperty(fc.constantFrom('GET', 'HEAD', 'POST'), bytes, async (method, sent) => {
      hostile = sent;
      const told = await ask(method, '/token/x').catch((error: unknown) => error as Error);
      if (told instanceof Error) {
        assert.match(told.message, /the connection ended/);
        counts.cut += 1;
      } else if (decisionHeader in told.headers) {
        assert.notEqual(told.headers[decisionHeader], 'forged');
        if (method !== 'HEAD') assert.match(told.problem?.code ?? '', /^upstream_/, told.body);
        counts.refused += 1;
      } else {
        assert.ok(told.status >= 200 && told.status < 600);
        assert.ok(!('content-length' in told.headers && 'transfer-encoding' in told.headers));
        counts.passed += 1;
      }
      hostile = null;
      assert.equal((await ask('GET', '/token/y')).body, 'next');
      assert.ok(fixture.records.every(({ errorCode }) => errorCode === null));
      fixture.records.length = 0;
    }),
    fuzzBounds<[string, Buffer]>(context, 1),
  );
  context.diagnostic(`${counts.passed} passed on, ${counts.refused} refused, ${counts.cut} cut`);
});

async function ask(method: string, path: string): Promise<Answer> {
  const tunnel = await openTunnel(fixture, origin.port);
  try {
    return await send(tunnel, `${method} ${path} HTTP/1.1\r\nHost: ${originName}:${origin.port}\r\n\r\n`);
  } finally {
    tunnel.destroy();
  }
}
