// H-07, H-60: what an upstream may answer with, as bytes; the client is undici, whose parser is llhttp without leniences. After
// each, whatever it was, the next request must get its own answer and nothing that was queued behind the first.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { decisionHeader } from '../../../policy/contract.ts';
import { startFixture, type Fixture } from '../proxy/fixture.ts';
import { createTestCa, originName, startRawOrigin, type Origin, type TestCa } from '../proxy/origin.ts';
import { openTunnel, send, type Answer } from '../proxy/raw-client.ts';

interface Response {
  /** Written at once; a function writes as it likes. */
  readonly bytes: string | ((socket: TLSSocket) => void);
  /** Whether the upstream closes behind it. */
  readonly ends?: boolean;
  readonly method?: string;
  /** What the agent must see. `cut`: the beginning of an answer that does not look whole. */
  readonly seen: 'refused' | 'cut' | Seen;
}

interface Seen {
  readonly status: number;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string | undefined>>;
  /** Of what came behind: the connection is not used again. */
  readonly isClosed?: boolean;
}

const ok = 'HTTP/1.1 200 OK\r\n';
const poison = `${ok}Content-Length: 6\r\n\r\npoison`;
const withBody = (head: string): string => `${ok}${head}\r\n\r\nhello`;
const refused = (bytes: string): Response => ({ bytes, ends: true, seen: 'refused' });
const hello = { status: 200, body: 'hello' };

const framing: Record<string, Response> = {
  'both framings': refused(`${ok}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`),
  'both framings, the other way round': refused(`${ok}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n`),
  'two equal lengths': refused(withBody('Content-Length: 5\r\nContent-Length: 5')),
  'two lengths in other cases': refused(withBody('Content-Length: 5\r\ncontent-length: 4')),
  'a list of lengths': refused(withBody('Content-Length: 5, 5')),
  'a negative length': refused(withBody('Content-Length: -5')),
  'a hexadecimal length': refused(withBody('Content-Length: 0x5')),
  'an empty length': refused(withBody('Content-Length:')),
  'a length with a letter': refused(withBody('Content-Length: 5a')),
  'a length of two numbers': refused(withBody('Content-Length: 4 2')),
  'a length that cannot be counted': refused(withBody('Content-Length: 99999999999999999999')),
  'gzip before chunked': refused(`${ok}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`),
  'chunked before gzip': refused(`${ok}Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n`),
  'identity': refused(`${ok}Transfer-Encoding: identity\r\n\r\nhello`),
  'two transfer codings': refused(`${ok}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`),
  'chunked twice in one': refused(`${ok}Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n`),
  'chunkedchunked': refused(`${ok}Transfer-Encoding: chunkedchunked\r\n\r\n0\r\n\r\n`),
  'a vertical tab before chunked': refused(`${ok}Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n`),
  'a folded transfer coding': refused(`${ok}Transfer-Encoding: chunked\r\n  abc\r\n\r\n0\r\n\r\n`),
  'a spaced transfer coding': refused(`${ok}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n`),
}; // prettier-ignore

const heads: Record<string, Response> = {
  'nothing but the end': { bytes: '', ends: true, seen: 'refused' },
  'half a status line': refused('HTTP/1.1 200'),
  'half a head': refused(`${ok}X-A: b\r\n`),
  'HTP': refused('HTP/1.1 200 OK\r\n\r\n'),
  'HTTPER': refused('HTTPER/1.1 200 OK\r\n\r\n'),
  'HTTP/1.2': refused('HTTP/1.2 200 OK\r\n\r\n'),
  'HTTP/01.1': refused('HTTP/01.1 200 OK\r\n\r\n'),
  'HTTP/1.01': refused('HTTP/1.01 200 OK\r\n\r\n'),
  'HTTP/11.1': refused('HTTP/11.1 200 OK\r\n\r\n'),
  'a tab behind the version': refused('HTTP/1.1\t200 OK\r\n\r\n'),
  'a space before the version': refused(' HTTP/1.1 200 OK\r\n\r\n'),
  'a status of two digits': refused('HTTP/1.1 20 OK\r\n\r\n'),
  'a status of four digits': refused('HTTP/1.1 2000 OK\r\n\r\n'),
  'a status of letters': refused('HTTP/1.1 2x0 OK\r\n\r\n'),
  'a negative status': refused('HTTP/1.1 -20 OK\r\n\r\n'),
  'status 000': refused('HTTP/1.1 000 None\r\nContent-Length: 0\r\n\r\n'),
  'status 099': refused('HTTP/1.1 099 None\r\nContent-Length: 0\r\n\r\n'),
  'status 600': refused('HTTP/1.1 600 Beyond\r\nContent-Length: 0\r\n\r\n'),
  'status 999': refused('HTTP/1.1 999 Beyond\r\nContent-Length: 0\r\n\r\n'),
  'a bare line feed behind the status line': refused('HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n'),
  'a bare carriage return behind the status line': refused('HTTP/1.1 200 OK\rContent-Length: 0\r\n\r\n'),
  'bare line feeds throughout': refused('HTTP/1.1 200 OK\nContent-Length: 0\n\n'),
  'a bare line feed at the end of the head': refused(`${ok}Content-Length: 0\r\n\n`),
  'a bare carriage return between headers': refused(`${ok}X-A: 1\rX-B: 2\r\n\r\n`),
  'a bare line feed between headers': refused(`${ok}X-A: 1\nX-B: 2\r\n\r\n`),
  'a folded header': refused(`${ok}X-A: b\r\n c\r\nContent-Length: 0\r\n\r\n`),
  'a header folded with a tab': refused(`${ok}X-A: b\r\n\tc\r\nContent-Length: 0\r\n\r\n`),
  'a folded first header': refused(`${ok} X-A: b\r\nContent-Length: 0\r\n\r\n`),
  'a space in a name': refused(`${ok}X A: b\r\nContent-Length: 0\r\n\r\n`),
  'a space before a colon': refused(`${ok}X-A : b\r\nContent-Length: 0\r\n\r\n`),
  'an empty name': refused(`${ok}: b\r\nContent-Length: 0\r\n\r\n`),
  'no colon': refused(`${ok}X-A\r\nContent-Length: 0\r\n\r\n`),
  'NUL in a name': refused(`${ok}X\0A: b\r\nContent-Length: 0\r\n\r\n`),
  'NUL in a value': refused(`${ok}X-A: a\0b\r\nContent-Length: 0\r\n\r\n`),
  'a control character in a value': refused(`${ok}X-A: a\x01b\r\nContent-Length: 0\r\n\r\n`),
  'a header of 70 KiB': refused(`${ok}X-A: ${'x'.repeat(70_000)}\r\n\r\n`),
  'headers of 70 KiB together': refused(`${ok}${`X-A: ${'x'.repeat(990)}\r\n`.repeat(70)}\r\n`),
  '257 headers': refused(`${ok}${'a:\r\n'.repeat(256)}Content-Length: 0\r\n\r\n`),
  '20,000 headers': refused(`${ok}${'a:\r\n'.repeat(20_000)}\r\n`),
  'no HTTP at all': refused('SSH-2.0-OpenSSH_9.2\r\n\r\n'),
  'the preface of HTTP/2': refused('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  'settings of HTTP/2': refused('\0\0\0\x04\0\0\0\0\0'),
  'a request': refused('GET / HTTP/1.1\r\nHost: a\r\n\r\n'),
}; // prettier-ignore

const interim: Record<string, Response> = {
  '32 of them': { bytes: `${'HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(32)}${withBody('Content-Length: 5')}`, seen: hello },
  '33 of them': { bytes: `${'HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(33)}${withBody('Content-Length: 5')}`, seen: 'refused' },
  'one 103': { bytes: `HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n${withBody('Content-Length: 5')}`, seen: { ...hello, headers: { link: undefined } } },
  'an unasked 100': { bytes: `HTTP/1.1 100 Continue\r\n\r\n${withBody('Content-Length: 5')}`, ends: true, seen: 'refused' },
  'a 101 unasked': refused(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n${poison}`),
  'a 101 without Upgrade': refused('HTTP/1.1 101 Switching Protocols\r\n\r\n'),
  'a 102 with a length': refused(`HTTP/1.1 102 Processing\r\nContent-Length: 5\r\n\r\nhello`),
  'nothing but interim answers': refused('HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(3)),
  'a flood of interim answers': { bytes: flood('HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n'), seen: 'refused' },
  'an interim answer without end': { bytes: flood('x', 'HTTP/1.1 103 Early Hints\r\nX-A: '), seen: 'refused' },
  'a head without end': { bytes: flood('X-A: b\r\n', ok), seen: 'refused' },
}; // prettier-ignore

const bodies: Record<string, Response> = {
  'a length': { bytes: withBody('Content-Length: 5'), seen: hello },
  'a length with spaces': { bytes: withBody('Content-Length:  5  '), seen: hello },
  'until its end': { bytes: `${ok}\r\nhello`, ends: true, seen: hello },
  'HTTP/1.0 until its end': { bytes: 'HTTP/1.0 200 OK\r\n\r\nhello', ends: true, seen: hello },
  'chunks': { bytes: `${ok}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`, seen: hello },
  'chunks with an extension': { bytes: `${ok}Transfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\n\r\n`, seen: hello },
  'chunks with a trailer, which is dropped': {
    bytes: `${ok}Transfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n5\r\nhello\r\n0\r\nX-T: a\r\nSet-Cookie: b\r\n${decisionHeader}: c\r\n\r\n`,
    seen: { ...hello, headers: { 'x-t': undefined, 'set-cookie': undefined, trailer: undefined, [decisionHeader]: undefined } },
  },
  // The parser does not tell these, and none of it is passed on: our answer is HTTP/1.1 with a reason of our own.
  ...Object.fromEntries(
    ['RTSP/1.1', 'ICE/1.1', 'HTTP/0.9', 'HTTP/2.0'].map((version) => [version, { bytes: `${version} 200 OK\r\nContent-Length: 5\r\n\r\nhello`, seen: hello }]),
  ),
  'NUL in the reason': { bytes: 'HTTP/1.1 200 O\0K\r\nContent-Length: 5\r\n\r\nhello', seen: hello },
  'a reason of 70 KiB': { bytes: `HTTP/1.1 200 ${'x'.repeat(70_000)}\r\nContent-Length: 5\r\n\r\nhello`, seen: hello },
  'a reason that is missing': { bytes: 'HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello', seen: hello },
  'a reason with bytes beyond ASCII': { bytes: 'HTTP/1.1 200 Oriënt\r\nContent-Length: 5\r\n\r\nhello', seen: hello },
  'an empty line ahead': { bytes: `\r\n${withBody('Content-Length: 5')}`, seen: hello },
  'a Content-Encoding bomb, as it is': {
    bytes: withBody('Content-Length: 5\r\nContent-Encoding: gzip'),
    seen: { ...hello, headers: { 'content-encoding': 'gzip' } },
  },
  'another answer behind it': { bytes: `${withBody('Content-Length: 5')}${poison}`, seen: hello },
  'another answer behind chunks': { bytes: `${ok}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n${poison}`, seen: hello },
  'one byte behind it': { bytes: `${withBody('Content-Length: 5')}x`, seen: hello },
  'line ends behind it': { bytes: `${withBody('Content-Length: 5')}\r\n\r\n`, seen: hello },
  '204 with a length and a body': { bytes: `HTTP/1.1 204 No Content\r\nContent-Length: 6\r\n\r\npoison`, seen: { status: 204, body: '', headers: { 'content-length': undefined } } },
  '204 with chunks': { bytes: `HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n6\r\npoison\r\n0\r\n\r\n`, seen: { status: 204, body: '', headers: { 'transfer-encoding': undefined } } },
  '204 with an answer behind it': { bytes: `HTTP/1.1 204 No Content\r\n\r\n${poison}`, seen: { status: 204, body: '' } },
  '304 with a body': { bytes: `HTTP/1.1 304 Not Modified\r\nContent-Length: 6\r\n\r\npoison`, seen: { status: 304, body: '' } },
  '304 with chunks': { bytes: `HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n6\r\npoison\r\n0\r\n\r\n`, seen: { status: 304, body: '' } },
  '205 with a body': { bytes: `HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n`, seen: { status: 205, body: '' } },
  'a body to HEAD': { method: 'HEAD', bytes: withBody('Content-Length: 5'), seen: { status: 200, body: '', headers: { 'content-length': '5' } } },
  'chunks to HEAD': { method: 'HEAD', bytes: `${ok}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`, seen: { status: 200, body: '' } },
  'an answer behind that to HEAD': { method: 'HEAD', bytes: `${ok}Content-Length: 0\r\n\r\n${poison}`, seen: { status: 200, body: '' } },
  '599': { bytes: 'HTTP/1.1 599 Last\r\nContent-Length: 5\r\n\r\nhello', seen: { status: 599, body: 'hello' } },
  'less than its length': { bytes: withBody('Content-Length: 10'), ends: true, seen: 'cut' },
  'chunks without the last': { bytes: `${ok}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n`, ends: true, seen: 'cut' },
}; // prettier-ignore

/** Behind a good first chunk. */
const chunks: Record<string, string> = {
  'a size with a letter': '5g\r\nhello\r\n0\r\n\r\n',
  'a size of 0x5': '0x5\r\nhello\r\n0\r\n\r\n',
  'a negative size': '-5\r\nhello\r\n0\r\n\r\n',
  'an empty size': '\r\nhello\r\n0\r\n\r\n',
  'a size beyond 64 bits': 'fffffffffffffffff5\r\nhello\r\n0\r\n\r\n',
  'a bare line feed behind a size': '5\nhello\r\n0\r\n\r\n',
  'a carriage return and another byte behind a size': '5\rXhello\r\n0\r\n\r\n',
  'a bare line feed behind data': '5\r\nhello\n0\r\n\r\n',
  'other bytes behind data': '5\r\nhelloXX0\r\n\r\n',
  'an unquoted quote in an extension': '5;a="b\r\nhello\r\n0\r\n\r\n',
  'a bare line feed at the end': '5\r\nhello\r\n0\r\n\n',
  'a folded trailer': '5\r\nhello\r\n0\r\nX-T: a\r\n b\r\n\r\n',
  'NUL in a trailer': '5\r\nhello\r\n0\r\nX-T: \0\r\n\r\n',
  'a length as a trailer': '5\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n',
};

const between: Record<string, Response> = {
  'our decision header, which is not believed': {
    bytes: withBody(`Content-Length: 5\r\n${decisionHeader}: forged\r\nOutrider-Decision: forged`),
    seen: { ...hello, headers: { [decisionHeader]: undefined } },
  },
  'hop-by-hop headers, which go': {
    bytes: withBody('Content-Length: 5\r\nConnection: x-private, keep-alive\r\nX-Private: a\r\nX-Public: b\r\nKeep-Alive: timeout=9\r\nProxy-Authenticate: Basic\r\nProxy-Connection: close\r\nTrailer: x\r\nUpgrade: h2c\r\nTE: trailers'),
    seen: { ...hello, headers: { 'x-private': undefined, 'x-public': 'b', 'proxy-authenticate': undefined, 'proxy-connection': undefined, trailer: undefined, upgrade: undefined, te: undefined } },
  },
  'Connection naming its own framing': {
    bytes: withBody('Content-Length: 5\r\nConnection: content-length, content-type\r\nContent-Type: a/b'),
    seen: { ...hello, headers: { 'content-type': undefined } },
  },
  'names of prototypes': {
    bytes: withBody('Content-Length: 5\r\n__proto__: a\r\n__proto__: b\r\nconstructor: c\r\ntoString: d'),
    seen: hello,
  },
  'bytes beyond ASCII in a value': { bytes: withBody('Content-Length: 5\r\nX-A: caf\xe9'), seen: { ...hello, headers: { 'x-a': 'caf\xe9' } } },
  'a redirect elsewhere, which is not followed (H-60)': {
    bytes: 'HTTP/1.1 307 Temporary Redirect\r\nLocation: https://evil.test/\r\nRefresh: 0;url=https://evil.test\r\nContent-Length: 0\r\n\r\n',
    seen: { status: 307, body: '', headers: { location: 'https://evil.test/' } },
  },
  '256 headers': { bytes: withBody(`${'a:\r\n'.repeat(255)}Content-Length: 5`), seen: hello },
  'several cookies, one by one': {
    bytes: withBody('Content-Length: 5\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2'),
    seen: { ...hello, headers: { 'set-cookie': 'a=1, b=2' } },
  },
}; // prettier-ignore

const tables: Record<string, Record<string, Response>> = {
  'framed in a way that is no one way is refused': framing,
  'with a head that is none is refused': heads,
  'with interim answers': interim,
  'with a body': bodies,
  'with a chunk that is none never looks whole': Object.fromEntries(
    Object.entries(chunks).map(([title, rest]) => [
      title,
      {
        bytes: `${ok}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n${rest}`,
        ends: true,
        seen: 'cut',
      } as const,
    ]),
  ),
  'with headers that are between two connections': between,
};

let ca: TestCa;
let origin: Origin;
let fixture: Fixture;
let next: Response | null = null;

before(async () => {
  ca = await createTestCa();
  origin = await startRawOrigin(ca, (socket) => {
    const now = next;
    next = null;
    if (now === null) socket.write(`${ok}Content-Length: 4\r\n\r\nnext`);
    else if (typeof now.bytes === 'function') now.bytes(socket);
    else if (now.ends === true) socket.end(Buffer.from(now.bytes, 'latin1'));
    else socket.write(Buffer.from(now.bytes, 'latin1'));
  });
  fixture = await startFixture({ ca, origin });
});
after(async () => {
  await fixture.close();
  await origin.close();
  ca.close();
});

for (const [title, table] of Object.entries(tables)) {
  describe(`H-07: an answer ${title}`, () => {
    for (const [name, response] of Object.entries(table)) {
      test(name, { timeout: 20_000 }, () => answered(response));
    }
  });
}

async function answered(response: Response): Promise<void> {
  const { method = 'GET', seen } = response;
  next = response;
  const answer = await ask(method, '/plain/x').catch((error: unknown) => error as Error);
  if (seen === 'refused') {
    assert.ok(!(answer instanceof Error), (answer as Error).message);
    assert.match(answer.problem?.code ?? '', /^upstream_(?:invalid|unreachable)$/, answer.rawHead);
  } else if (seen === 'cut') {
    // Where the fault is known before the head was passed on, it is a refusal; else the connection ends.
    if (answer instanceof Error) assert.match(answer.message, /the connection ended/);
    else assert.match(answer.problem?.code ?? '', /^upstream_(?:invalid|unreachable)$/, answer.body);
  } else {
    assert.ok(!(answer instanceof Error), (answer as Error).message);
    assert.equal(answer.status, seen.status, answer.body);
    assert.equal(answer.body, seen.body ?? '');
    for (const [name, value] of Object.entries(seen.headers ?? {})) {
      assert.equal(answer.headers[name], value, `${name} in ${answer.rawHead}`);
    }
    assert.equal(answer.headers[decisionHeader], undefined);
  }
  assert.equal((await ask('GET', '/plain/y')).body, 'next');
}

async function ask(method: string, path: string): Promise<Answer> {
  const tunnel = await openTunnel(fixture, origin.port);
  try {
    return await send(tunnel, `${method} ${path} HTTP/1.1\r\nHost: ${originName}:${origin.port}\r\n\r\n`);
  } finally {
    tunnel.destroy();
  }
}

/** As fast as it is read, until somebody hangs up. */
function flood(piece: string, first = ''): (socket: TLSSocket) => void {
  const block = Buffer.from(piece.repeat(Math.ceil(16_384 / piece.length)), 'latin1');
  return (socket) => {
    socket.write(first);
    const more = (): void => {
      while (!socket.destroyed && socket.write(block));
    };
    socket.on('drain', more);
    more();
  };
}
