// H-13, H-20, H-22, H-23, H-24: paths and queries.

import { get, oddBytes, visible, type Corpus, type WireCase } from './case.ts';

const refused = [
  // dot segments, in all encodings that some server undoes
  '/plain/..', '/plain/../x', '/plain/./x', '/plain/.', '/..', '/.', '/../plain/x', '/plain/x/..', '/plain/x/.', '/plain/%2e', '/plain/%2e%2e/x', '/plain/%2E%2E/x',
  '/plain/.%2e/x', '/plain/%2e./x', '/plain/%252e%252e/x', '/plain/%252e%252e%252fx', '/plain/.%252e/x', '/plain/..;/x', '/plain/..;a=b/x', '/plain/.;/x', '/plain/..%3b/x', '/plain/%2e%2e;/x', '/plain/..%3Ba/x',
  '/plain/..%2fx', '/plain/..%2Fx', '/plain/%2e%2e%2fx', '/plain/..%5cx', '/plain/..%5Cx', '/plain/..\\x', '/plain/%2e%2e\\x', '/plain/..%252fx', '/plain/..%255cx', '/plain/a%2f..%2fx', '/plain/a%2f..',
  '/plain/%25%32%65%25%32%65/x', '/plain/..//x', '/plain/...%2f../x',
  // overlong and broken UTF-8
  '/plain/%c0%ae%c0%ae/x', '/plain/%c0%af', '/plain/%e0%80%af', '/plain/%f0%80%80%af', '/plain/%c1%9c', '/plain/%f8%80%80%80%af', '/plain/%ff', '/plain/%80', '/plain/%ed%a0%80', '/plain/%c3', '/plain/%c3%28', '/plain/%f4%90%80%80', '/plain/%fe%fe',
  // slashes, backslashes, empty segments
  '//plain/x', '/plain//x', '///plain/x', '/plain/x//', '//', '/plain/a%252fb', '/plain/a%252Fb', '/plain/a%255cb', '/plain/%2500', '/plain/a%250d%250aX:%2520y', '/plain/..%252f%25ff', '/plain/a%2fb', '/plain/a%2Fb', '/plain/%2f', '/plain%2fx', '/plain/a%5cb', '/plain/a\\b', '\\plain\\x', '/\\evil.test/x', '/plain/x\\', '/plain/%2f%2fevil.test',
  // parameters
  '/plain/x;', '/plain/x;a=b', '/plain;a/x', '/plain/;/x', '/plain/a;x=1/..',
  // control characters and spaces
  '/plain/%00', '/plain/a%00.html', '/plain/%0a', '/plain/%0d%0aX:%20y', '/plain/%09', '/plain/%1f', '/plain/%7f', '/plain/%c2%85', '/plain/%c2%80', '/plain/%c2%9f', '/plain/x%0d%0a', '/plain/x y', '/plain/x\ty', '/plain/x HTTP/1.1 x',
  // percent signs
  '/plain/%', '/plain/%2', '/plain/%zz', '/plain/%2g', '/plain/%%35', '/plain/%u002e', '/plain/%-1', '/plain/x%', '/plain/100%',
  // characters that must be encoded
  '/plain/"', '/plain/<', '/plain/>', '/plain/^', '/plain/`', '/plain/{x}', '/plain/|', '/plain/[x]',
  // fragments
  '/plain/x#', '/plain/x#y', '/plain/x?y#z', '#', '/plain/x#/../y',
  // queries
  '/plain/x?%', '/plain/x?%2', '/plain/x?%zz', '/plain/x?a b', '/plain/x?a\\b', '/plain/x?a=%u0041',
  // no path
  '?x', '', '*', 'plain/x', '.', 'x://y', ':80/', '@evil.test/', '.evil.test/x', '%2fplain/x',
  `/plain/${'x'.repeat(8192)}`, `/plain/x?${'y'.repeat(9000)}`,
]; // prettier-ignore

const legal = [
  '/plain/x', '/plain/', '/plain/x/', '/plain/...', '/plain/a...b', '/plain/.a', '/plain/a.', '/plain/..a', '/plain/a..', '/plain/.a./b', "/plain/-._~!$&'()*+,=:@", '/plain/models:generate', '/plain/@scope', '/plain/a%20b', '/plain/a+b', '/plain/%25', '/plain/100%25', '/plain/%2B', '/plain/%2b',
  '/plain/%41', '/plain/%61%62', '/plain/%3f', '/plain/%3F%23', '/plain/%C3%A9', '/plain/%e2%82%ac', '/plain/%f0%9f%8c%8d', '/plain/%3Cscript%3E', '/plain/%7Bx%7D', '/plain/A/a', '/plain/%e3%80%82', '/plain/%ef%bc%8e%ef%bc%8e', '/plain/%ef%bc%8f',
  '/plain/x?', '/plain/x??', '/plain/x?a', '/plain/x?a=', '/plain/x?=b', '/plain/x?a=1&a=2', '/plain/x?a=1&a[]=2', '/plain/x?&&', '/plain/x?a=1;b=2', '/plain/x?a=/../..', '/plain/x?a=//b', '/plain/x?a=%2e%2e%2f', '/plain/x?a=%00', '/plain/x?a=%0d%0a', '/plain/x?a=%ff', '/plain/x?{"a":[1]}', '/plain/x?a=|^`<>', '/plain/x?http://evil.test/', '/plain/x?a=%252e', '/plain/x?_method=DELETE', '/plain/x?!$&\'()*+,-./:;=?@_~',
  `/plain/${'x'.repeat(8000)}`, `/plain/x?${'y'.repeat(8000)}`,
]; // prettier-ignore

export const targets: Corpus = Object.fromEntries([
  ...refused.map((path): [string, WireCase] => [`refused: ${shorten(path)}`, { bytes: get(path) }]),
  ...oddBytes.flatMap((byte): [string, WireCase][] => [
    [`refused: /plain/a${visible(byte)}b`, { bytes: get(`/plain/a${byte}b`) }],
    [`refused: /plain/x?a${visible(byte)}b`, { bytes: get(`/plain/x?a${byte}b`) }],
  ]),
  ...legal.map((path): [string, WireCase] => [
    `read: ${shorten(path)}`,
    { bytes: get(path), reading: { method: 'GET', target: path } },
  ]),
]);

function shorten(path: string): string {
  return path.length > 60 ? `${path.slice(0, 20)}… of ${path.length}` : visible(path);
}
