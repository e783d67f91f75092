// H-30 to H-35, H-40, H-41: header names and values, and headers that are between two connections.

import {
  compose,
  get,
  hello,
  oddBytes,
  post,
  visible,
  type Corpus,
  type Expected,
  type WireCase,
} from './case.ts';

/** RFC 9110 section 5.6.2: what is in no token. */
const separators = ' "(),/:;<=>?@[\\]{}'.split('');

const lines = [
  ': ignored', ' : x', 'no colon', 'X-A', 'X-A b: c', ' X-A: first line folded', '\tX-A: b', 'X-A: b\r\n c', 'X-A: b\r\n\tc', 'X-A: b\r\n ',
  'X-A: b\r\n\rX-B: c', 'X-A: b\rX-B: c', 'X-A: b\nX-B: c', 'X-A: v\x00\ralue', 'X-A: test\x00dropped', 'X-A:\n\nGET {to}/plain/y HTTP/1.1',
  'Useless:\n\nGET {to}/plain/y HTTP/1.1\r\nHost: {host}', 'X-A\r\n: b', 'GET {to}/plain/y HTTP/1.1', '\rZGET /evil: HTTP/1.1',
  'User: \x85admin\xa0', 'Authorization: a\r\nAuthorization: b', 'Authorization: a\r\nAUTHORIZATION: a', 'Cookie: a\r\nCookie: b',
  'X-Api-Key: a\r\nx-api-key: b', 'X_Api_Key: a', 'x-api_key: a', 'Content_Type: a/b', 'Proxy_Authorization: x', 'X_Forwarded_For: x', '_authorization: x\r\nX_HTTP_Method_Override: DELETE',
  'Content-Type: a/b\r\nContent-Type: c/d', 'Range: bytes=0-1\r\nRange: bytes=2-3', 'If-Range: "a"\r\nIf-Range: "b"',
  'X-HTTP-Method-Override: DELETE', 'X-HTTP-Method: DELETE', 'X-Method-Override: delete', 'X-HTTP-Method-Override: ',
  'Connection: Host', 'Connection: Authorization', 'Connection: cookie', 'Connection: close, X-Api-Key', 'Connection: content-type', 'Connection: traceparent',
  'Connection: outrider-decision', 'Connection: close\r\nConnection: authorization', 'Connection: "authorization"\x00',
  'Upgrade: websocket\r\nConnection: Upgrade', 'Upgrade: WebSocket\r\nConnection: Upgrade', 'Upgrade: h2c, websocket\r\nConnection: Upgrade', 'Upgrade: foo\r\nUpgrade: websocket/13\r\nConnection: upgrade',
  'Expect: 100-continue\r\nExpect: 100-continue', 'Expect: 100-Continue', 'Expect: 100-continue;', 'Expect: y 100-continue', 'Expect: 100-continue, x', 'Expect: ', 'Expect: \x00', 'Expect : 100-continue', ' Expect: 100-continue', 'Expect:\n 100-continue', 'Expect: 200-ok',
]; // prettier-ignore

const forwarded: Record<string, Expected['headers']> = {
  'X-A: b': [['x-a', 'b']],
  'X-A:b': [['x-a', 'b']],
  'X-A:\t b \t': [['x-a', 'b']],
  'X-A: b\tc': [['x-a', 'b\tc']],
  'X-A:': [['x-a', '']],
  'X-A: ': [['x-a', '']],
  "!#$%&'*+-.^`|~0aZ: token": [["!#$%&'*+-.^`|~0az", 'token']],
  'X-A: !"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~': [['x-a', '!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~']],
  'X-A: b\r\nX-A: c\r\nx-a: d': [
    ['x-a', 'b'],
    ['x-a', 'c'],
    ['x-a', 'd'],
  ],
  'X_Underscore: fine': [['x_underscore', 'fine']],
  '__proto__: x\r\nconstructor: y\r\nhasOwnProperty: z': [
    ['__proto__', 'x'],
    ['constructor', 'y'],
    ['hasownproperty', 'z'],
  ],
  'Authorization: Bearer mine': [['authorization', 'Bearer mine']],
  'Cookie: a=1; b=2': [['cookie', 'a=1; b=2']],
  'Accept-Encoding: gzip\r\nIf-None-Match: "x"': [
    ['accept-encoding', 'gzip'],
    ['if-none-match', '"x"'],
  ],
  // Between two connections, or claims about who asks: never forwarded.
  'Keep-Alive: timeout=5': [],
  'TE: trailers\r\nTrailer: X-A': [],
  'Proxy-Connection: keep-alive\r\nProxy-Authorization: Basic eDp5': [],
  'Connection: X-Private\r\nX-Private: a\r\nX-Public: b': [['x-public', 'b']],
  'Connection: ,,keep-alive ,\tx-private\r\nX-Private: a': [],
  'X-Forwarded-Host: evil.test\r\nX-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: http\r\nForwarded: host=evil.test':
    [],
  'X-Host: evil.test\r\nX-Original-URL: /admin\r\nX-Rewrite-URL: /admin\r\nX-HTTP-Host-Override: evil.test':
    [],
  'Via: 1.1 x\r\nBaggage: a=b\r\nX-Real-IP: 127.0.0.1': [],
  'Outrider-Decision: 1\r\noutrider-anything: 2': [],
  'X-HTTP-Method-Override: POST': [],
};

/** Dropped (RFC 9110 section 7.8), and the connection with it, since Node loses what came in one piece with such a request. */
const upgrades = [
  'Connection: notupgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA',
  'Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA',
  'Upgrade: TLS/1.0\r\nConnection: Upgrade',
  'Upgrade: connect-udp\r\nConnection: Upgrade',
];

const credentialed: Record<string, WireCase> = {
  'H-31: an Authorization of its own where ours is put': { bytes: get('/token/x', ['Authorization: Bearer mine']), reading: injected() },
  'H-31: another identity beside ours': { bytes: get('/token/x', ['Cookie: session=1', 'X-Api-Key: mine', 'X-Other: kept']), reading: injected([['x-other', 'kept']]) },
  'H-30: Connection names what is injected': { bytes: get('/token/x', ['Connection: authorization']) },
  'H-31: two where ours is put': { bytes: get('/token/x', ['Authorization: a', 'Authorization: b']) },
}; // prettier-ignore

function injected(more: Expected['headers'] = []): Expected {
  return {
    method: 'GET',
    target: '/token/x',
    headers: [...more, ['authorization', 'Bearer real-token-3f9a']],
  };
}

export const headerLines: Corpus = Object.fromEntries([
  ...oddBytes
    .concat(separators)
    // `X:A: b` is a header X, and a legal one.
    .filter((byte) => byte !== ':')
    .map((byte): [string, WireCase] => [`${visible(byte)} in a name`, { bytes: post([`X${byte}A: b`]) }]),
  ...oddBytes
    .filter((byte) => byte !== '\t')
    .map((byte): [string, WireCase] => [`${visible(byte)} in a value`, { bytes: post([`X-A: b${byte}c`]) }]),
  ...lines.map((line): [string, WireCase] => [visible(line), { bytes: post([line, 'Content-Length: 5'], hello) }]),
  ...Object.entries(forwarded).map(([line, headers = []]): [string, WireCase] => [
    visible(line),
    { bytes: post([line, 'Content-Length: 5'], hello), reading: { headers, body: hello } },
  ]),
  ...upgrades.map((line): [string, WireCase] => [
    `H-41: ${visible(line)}`,
    { bytes: post([line, 'Content-Length: 5'], hello), reading: { body: hello }, next: 'unread' },
  ]),
  ['Expect: 100-continue, answered by us', { bytes: post(['Expect: 100-continue', 'Content-Length: 5'], hello), reading: { body: hello } }],
  ['Expect: 100-continue with chunks', { bytes: post(['Expect: 100-continue', 'Transfer-Encoding: chunked'], '5\r\nhello\r\n0\r\n\r\n'), reading: { body: hello } }],
  ['Expect: 100-continue without a body', { bytes: get('/plain/x', ['Expect: 100-continue']), reading: { method: 'GET' } }],
  ['H-05: Expect with both framings', { bytes: post(['Expect: 100-continue', 'Content-Length: 5', 'Transfer-Encoding: chunked'], hello) }],
  ['100 headers', { bytes: post(Array.from({ length: 99 }, (_, at) => `X-${at}: 1`)), reading: { headers: Array.from({ length: 99 }, (_, at) => [`x-${at}`, '1'] as const) } }],
  ['101 headers', { bytes: post(Array.from({ length: 100 }, (_, at) => `X-${at}: 1`)) }],
  ['4000 headers', { bytes: post(Array.from({ length: 4000 }, () => 'a:')) }],
  ['a value of 40 KiB', { bytes: post([`X-A: ${'x'.repeat(40 * 1024)}`]), reading: { headers: [['x-a', 'x'.repeat(40 * 1024)]] } }],
  ['a value of 66 KiB', { bytes: post([`X-A: ${'x'.repeat(66 * 1024)}`]) }],
  ['a name of 66 KiB', { bytes: post([`${'x'.repeat(66 * 1024)}: a`]) }],
  ['H-06: Connection: close ahead of another request', { bytes: get('/plain/x', ['Connection: close']), reading: { method: 'GET' }, next: 'unread' }],
  ['H-06: Connection: CLOSE in a list', { bytes: get('/plain/x', ['Connection: x-none, CLOSE']), reading: { method: 'GET' }, next: 'unread' }],
  ['H-06: denied with a body that is a request', { bytes: compose('POST {to}/denied HTTP/1.1', ['Content-Length: 43'], 'GET /plain/smuggled HTTP/1.1\r\nHost: h\r\nX: y\r\n'.slice(0, 43)), isDenied: true }],
  ['H-06: denied with chunks', { bytes: compose('POST {to}/denied HTTP/1.1', ['Transfer-Encoding: chunked'], '5\r\nhello\r\n0\r\n\r\n'), isDenied: true }],
  ['H-06: denied without a body', { bytes: get('/denied'), isDenied: true }],
  ...Object.entries(credentialed).map(([title, each]): [string, WireCase] => [title, { ...each, needsTls: true }]),
]); // prettier-ignore
