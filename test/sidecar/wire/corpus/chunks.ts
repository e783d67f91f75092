// H-04: chunk sizes, line endings, extensions and trailers (RFC 9112 section 7.1).

import { hello, post, visible, type Corpus, type WireCase } from './case.ts';

const chunked = (body: string): string => post(['Transfer-Encoding: chunked'], body);
const last = '0\r\n\r\n';

const sizes = [
  '0x5', '0X5', '+5', '-5', '5_', '0_5', '5.', '5,', '5,5', '5 5', '5h', 'G', '', ' ', ' 5', '\t5', '5\x0b', '5\x85', '5\xa0',
  '5\x00', '\x005', '"5"', "5'", '%35', 'ffffffffffffffff', 'fffffffffffffffff5', '10000000000000005', '8000000000000005',
  '\xef\xbc\x95', '5\\', '5=a', '5:a', '=5', ';a=b',
]; // prettier-ignore

/** What ends the line of the size, and what is between its data and the next. */
const lineEnds: Record<string, string> = {
  'a bare line feed behind the size': `5\nhello\r\n${last}`,
  'a bare carriage return behind the size': `5\rhello\r\n${last}`,
  'two carriage returns behind the size': `5\r\r\nhello\r\n${last}`,
  'a carriage return and another byte behind the size': `5\rXhello\r\n${last}`,
  'a line feed and a carriage return behind the size': `5\n\rhello\r\n${last}`,
  'a bare line feed in an extension': `5;a\nhello\r\n${last}`,
  'a bare carriage return in an extension': `5;a\r;b\r\nhello\r\n${last}`,
  'a carriage return before an extension': `5\r\r;ABCD\r\nhello\r\n${last}`,
  'a quoted line end in an extension': `5;a="x\r\ny"\r\nhello\r\n${last}`,
  'NUL in an extension': `5;a\x00b\r\nhello\r\n${last}`,
  'no line end behind the data': `5\r\nhello${last}`,
  'a bare line feed behind the data': `5\r\nhello\n${last}`,
  'a bare carriage return behind the data': `5\r\nhello\r${last}`,
  'two other bytes behind the data': `5\r\nhelloXX${last}`,
  'more data than the size says': `5\r\nhello!\r\n${last}`,
  'an empty line between chunks': `5\r\nhello\r\n\r\n${last}`,
  'an empty line before the first chunk': `\r\n5\r\nhello\r\n${last}`,
  'an empty line in place of a size': '\r\n\r\n',
  'a bare line feed behind the last size': '5\r\nhello\r\n0\n\r\n',
  'bare line feeds behind the last size': '5\r\nhello\r\n0\n\n',
  'a bare line feed at the end': '5\r\nhello\r\n0\r\n\n',
  'a bare carriage return at the end': '5\r\nhello\r\n0\r\n\r',
  'a carriage return and another byte at the end': '5\r\nhello\r\n0\r\n\rX',
  'two other bytes at the end': '5\r\nhello\r\n0\r\nXX',
  'a negative last size': `5\r\nhello\r\n-0\r\n\r\n`,
  'a last size of 0x0': `5\r\nhello\r\n0x0\r\n\r\n`,
  'a last size with a letter': `5\r\nhello\r\n0_2e\r\n\r\n`,
  'garbage in place of a chunk': 'INVALID!!!\r\n',
  'an extension of 20 KiB': `5;a=${'x'.repeat(20 * 1024)}\r\nhello\r\n${last}`,
  'a trailer without a colon': '5\r\nhello\r\n0\r\nX-A\r\n\r\n',
  'a trailer with a space before its colon': '5\r\nhello\r\n0\r\nX-A : b\r\n\r\n',
  'a folded trailer': '5\r\nhello\r\n0\r\nX-A: b\r\n c\r\n\r\n',
  'NUL in a trailer': '5\r\nhello\r\n0\r\nX-A: b\x00\r\n\r\n',
  'a bare line feed in a trailer': '5\r\nhello\r\n0\r\nX-A: b\n\r\n',
  'Content-Length as a trailer': '5\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n',
  'Transfer-Encoding as a trailer': '5\r\nhello\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n',
  'trailers of 70 KiB': `5\r\nhello\r\n0\r\nX-A: ${'x'.repeat(70 * 1024)}\r\n\r\n`,
};

const legal: Record<string, string> = {
  'one chunk': `5\r\nhello\r\n${last}`,
  'a chunk for each byte': `1\r\nh\r\n1\r\ne\r\n1\r\nl\r\n1\r\nl\r\n1\r\no\r\n${last}`,
  'leading zeros': `0005\r\nhello\r\n000\r\n\r\n`,
  'capital hexadecimal': `5\r\nhello\r\n${last}`,
  'an extension': `5;a=b\r\nhello\r\n${last}`,
  'an extension without a value': `5;a\r\nhello\r\n0;z\r\n\r\n`,
  'a quoted extension': `5;a="b;c"\r\nhello\r\n${last}`,
  'a trailer, which is dropped': '5\r\nhello\r\n0\r\nX-A: b\r\n\r\n',
  'Authorization as a trailer, which is dropped': '5\r\nhello\r\n0\r\nAuthorization: Bearer x\r\n\r\n',
  'Host as a trailer, which is dropped': '5\r\nhello\r\n0\r\nHost: evil.test\r\n\r\n',
};

export const chunks: Corpus = Object.fromEntries([
  ...sizes.map((size): [string, WireCase] => [
    `a size of ${visible(size)}`,
    { bytes: chunked(`${size}\r\nhello\r\n${last}`), isCut: true },
  ]),
  ...Object.entries(lineEnds).map(([title, body]): [string, WireCase] => [
    title,
    { bytes: chunked(body), isCut: true },
  ]),
  ...Object.entries(legal).map(([title, body]): [string, WireCase] => [
    title,
    { bytes: chunked(body), reading: { body: hello } },
  ]),
  [
    'a trailer that looks like a request, at once behind the last size',
    { bytes: chunked('0\r\nX:POST {to}/plain/y HTTP/1.1\r\n\r\n'), reading: {} },
  ],
]);
