// H-02: ways to write Content-Length, and bodies that look like the next request (CL.0, 0.CL, TE.0).

import { compose, get, hello, oddBytes, post, visible, type Corpus, type WireCase } from './case.ts';

const read = { body: hello };
const smuggled = 'GET /plain/smuggled HTTP/1.1\r\nHost: evil.test\r\n\r\n';
/** Its length depends on the origin's, so it is chunked or padded to this. */
const paddedLength = 200;
const padded = (text: string): string => `{pad:${paddedLength}}${text}{/pad}`;

const legal = ['Content-Length: 5', 'Content-Length:5', 'content-length:\t5', 'CONTENT-LENGTH:  5 '];

const spellings = [
   '+5', '-5', '05', '005', '0x5', '0X5', '0b101', '0o5', '5.0', '5,', ',5', '5,5', '5, 5', '5;', '5; 5', '5 5', '5e0',
  '1e1', '"5"', "'5'", '5_0', '+1_0', '1Z', 'Z5', '5\x00', '5\x0b', '\x0b5', '\x0c5', '5\r', '5\xa0', '\xa05', '\xb2',
  '\xd9\xa5', '\xef\xbc\x95', '', ' ', 'five', '-0', '+0', '00', '-1', '18446744073709551621',
  '9007199254740993', '99999999999999999999999999', '5\r\n 0', '5\r\n\t', '\r\n 5', '5\n', '=?UTF-8?Q?5?=', '%35', '5 chunked',
]; // prettier-ignore

const lines = [
  'Content-Length : 5',
  'Content-Length\t: 5',
  'Content-Length 5',
  'Content Length: 5',
  'Content_Length: 5\r\nContent-Length: 0',
  'Content_Length: 5',
  'Content-Length=5',
  'Content\\Length: 5',
  'Content\xadLength: 5',
  'Content-Length\x85: 5',
  'Content-Length: 5\r\nContent-Length: 5',
  'Content-Length: 5\r\nContent-Length: 0',
  'Content-Length: 0\r\nContent-Length: 5',
  'Content-Length: 5\r\ncontent-length: 6',
  'Content-Length: \r\nContent-Length: 5',
  'Content-Length: 5\r\nContent-Length: ',
  'Content-Length: 5\r\nContent_Length: 9',
  'Content-Length: 5\r\nContent-Length : 9',
  'Content-Length: 5\r\n Content-Length: 9',
  'X-Junk: x\nContent-Length: 5',
  'X-Junk: x\rContent-Length: 5',
  ' Content-Length: 5',
  'X-Junk: x\r\n Content-Length: 5',
  'Connection: Content-Length\r\nContent-Length: 5',
  'Connection: content-length, close\r\nContent-Length: 5',
];

/** HiddenPair of http-request-smuggler: the length that only one side sees. */
const places: Record<string, (byte: string) => string> = {
  'before the name': (byte) => `${byte}Content-Length: 5`,
  'behind the name': (byte) => `Content-Length${byte}: 5`,
  'before the value': (byte) => `Content-Length:${byte}5`,
  'behind the value': (byte) => `Content-Length: 5${byte}`,
};

const bodies: Corpus = {
  'CL.0: a body that is a request': {
    bytes: post([`Content-Length: ${paddedLength}`], padded(smuggled)),
    reading: { body: padded(smuggled) },
  },
  'CL.0: a body that is half of a request': {
    bytes: post([`Content-Length: ${paddedLength}`], padded('GET /plain/smuggled HTTP/1.1\r\nX: ')),
    reading: { body: padded('GET /plain/smuggled HTTP/1.1\r\nX: ') },
  },
  'TE.0: a chunk that is a request': {
    bytes: post(['Transfer-Encoding: chunked'], `c8\r\n${padded(smuggled)}\r\n0\r\n\r\n`),
    reading: { body: padded(smuggled) },
  },
  'TE.0: a last chunk in front of a request': {
    bytes: post(['Transfer-Encoding: chunked'], `0\r\n\r\n${smuggled}`),
    reading: {},
    next: 'unread',
  },
  '0.CL: a length without a body, so that it is the next request that is read': {
    bytes: post([`Content-Length: {next}`]),
    reading: { body: '{nextRequest}' },
    next: 'swallowed',
  },
  'a head that ends before its framing': {
    bytes: post(['\r\n Transfer-Encoding: chunked'], '0\r\n\r\n'),
    reading: {},
    next: 'unread',
  },
  'a length of 0': { bytes: post(['Content-Length: 0']), reading: {} },
  'no length': { bytes: post([]), reading: {} },
  'a length that is never filled': { bytes: post(['Content-Length: 900000'], hello), isCut: true },
  'chunks that never end': {
    bytes: post(['Transfer-Encoding: chunked'], '5\r\nhello\r\n'),
    isCut: true,
  },
  ...Object.fromEntries(
    ['PUT', 'PATCH', 'DELETE', 'OPTIONS'].map((method): [string, WireCase] => [
      `${method} with a body that is a request`,
      {
        bytes: compose(
          `${method} {to}/plain/x HTTP/1.1`,
          [`Content-Length: ${paddedLength}`],
          padded(smuggled),
        ),
        reading: { method, body: padded(smuggled) },
      },
    ]),
  ),
  ...Object.fromEntries(
    ['GET', 'HEAD'].flatMap((method): [string, WireCase][] => [
      [
        `${method} with a length and a body that is a request`,
        {
          bytes: compose(
            `${method} {to}/plain/x HTTP/1.1`,
            [`Content-Length: ${paddedLength}`],
            padded(smuggled),
          ),
        },
      ],
      [
        `${method} with chunks`,
        { bytes: compose(`${method} {to}/plain/x HTTP/1.1`, ['Transfer-Encoding: chunked'], '0\r\n\r\n') },
      ],
    ]),
  ),
  'GET with a length of 0': {
    bytes: get('/plain/x', ['Content-Length: 0']),
    reading: { method: 'GET' },
  },
  'Range beside a body': {
    bytes: post(['Range: bytes=0-0', 'Content-Length: 5'], hello),
    reading: { body: hello, headers: [['range', 'bytes=0-0']] },
  },
};

export const contentLength: Corpus = Object.fromEntries([
  ...legal.map((line): [string, WireCase] => [visible(line), { bytes: post([line], hello), reading: read }]),
  ...spellings.map((value): [string, WireCase] => [
    `Content-Length: ${visible(value)}`,
    { bytes: post([`Content-Length: ${value}`], hello) },
  ]),
  ...lines.map((line): [string, WireCase] => [visible(line), { bytes: post([line], hello) }]),
  ...Object.entries(places).flatMap(([place, spell]) =>
    oddBytes.map((byte): [string, WireCase] => {
      const isSpace = byte === '\t' && place.endsWith('the value');
      const bytes = post([spell(byte)], hello);
      return [`${visible(byte)} ${place}`, isSpace ? { bytes, reading: read } : { bytes }];
    }),
  ),
  ...Object.entries(bodies),
]);
