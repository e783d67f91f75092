// H-02, H-03: ways to write Transfer-Encoding so that one server sees it and another does not.

import { hello, helloChunked, oddBytes, post, visible, type Corpus, type WireCase } from './case.ts';

const read = { body: hello };

/** Exactly `chunked` after optional white space (RFC 9110 section 5.5). */
const legal = [
  'Transfer-Encoding: chunked',
  'Transfer-Encoding:chunked',
  'Transfer-Encoding:  chunked',
  'Transfer-Encoding:\tchunked',
  'Transfer-Encoding: chunked ',
  'TRANSFER-ENCODING: chunked',
  'tRaNsFeR-eNcOdInG: chunked',
];

const spellings = [
  'Transfer-Encoding: chunked\t',
  'Transfer-Encoding: CHUNKED',
  'Transfer-Encoding: Chunked',
  'TrAnSFer-EnCODinG: cHuNkeD',
  'Transfer-Encoding : chunked',
  'Transfer-Encoding\t: chunked',
  'Transfer-Encoding\t:\tchunked',
  'Transfer Encoding: chunked',
  'Transfer Encoding:chunked',
  'Transfer_Encoding: chunked',
  'Transfer\\Encoding: chunked',
  'Transfer-Encoding x: chunked',
  'Transfer-Encoding',
  'Transfer-Encoding:',
  'Transfer-Encoding: ',
  'Transfer-\r\nEncoding: chunked',
  'Transfer\r-Encoding: chunked',
  'Tra\rnsfer-Encoding: chunked',
  'Transf\x82r-Encoding: chunked',
  'Transfer\xadEncoding: chunked',
  'Transfer-Encoding\x85: chunked',
  'Transfer-Encoding\xa0: chunked',
  'Transfer-Encoding\xad: chunked',
  'Transfer-Encoding:\xffchunked',
  'Transfer-Encoding: ch\x96nked',
  'Transfer-Encoding: \xa0chunked\xa0',
  'Transfer-Encoding: \xffchunked\xff',
  'Transfer-Encoding: "chunked"',
  "Transfer-Encoding: 'chunked'",
  'Transfer-Encoding: chunk',
  'Transfer-Encoding: chunked-x',
  'Transfer-Encoding: xchunked',
  'Transfer-Encoding: chunked;',
  'Transfer-Encoding: chunked;q=1',
  'Transfer-Encoding: chunked, ',
  'Transfer-Encoding: chunked,',
  'Transfer-Encoding: ,chunked',
  'Transfer-Encoding: , chunked',
  'Transfer-Encoding: chunked, cow',
  'Transfer-Encoding: cow, chunked',
  'Transfer-Encoding: cow chunked bar',
  'Transfer-Encoding: chunked chunked',
  'Transfer-Encoding: chunked, chunked',
  'Transfer-Encoding: chunked, identity',
  'Transfer-Encoding: identity, chunked',
  'Transfer-Encoding: identity, chunked, identity',
  'Transfer-Encoding: gzip, chunked',
  'Transfer-Encoding: gzip',
  'Transfer-Encoding: x-chunked',
  'Transfer-Encoding: identity',
  'Transfer-Encoding: blegh',
  'Transfer-Encoding: =?iso-8859-1?Q?chunked?=',
  'Transfer-Encoding: =?UTF-8?B?Y2h1bmtlZA==?=',
  'Transfer-Encoding: chun%6bed',
  'Transfer-Encoding:\n chunked',
  'Transfer-Encoding:\r\n chunked',
  'Transfer-Encoding:\r\n\tchunked',
  'Transfer-Encoding: \r\n \r\n chunked',
  'Transfer-Encoding\n : chunked',
  'Transfer-Encoding\n: chunked',
  'Transfer-Encoding: chunked\r',
  'Transfer-Encoding: chunked\r\n\t',
  'Transfer-Encoding: chunked\n\x0b',
  'Transfer-Encoding: chunked\x00',
  'Foo: bar\r\n Transfer-Encoding: chunked',
  'Foo: bar\r\n\tTransfer-Encoding: chunked',
  'Foo: bar\r\n\rTransfer-Encoding: chunked',
  'Foo: bar\rTransfer-Encoding: chunked',
  'Foo: bar\nTransfer-Encoding: chunked',
  'Foo: bar\n\nTransfer-Encoding: chunked',
  'X:X\rTransfer-Encoding: chunked',
  'X:X\nTransfer-Encoding: chunked',
  'Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked',
  'Connection: close, transfer-encoding\r\nTransfer-Encoding: chunked',
  'Transfer-Encoding: cow\r\nTransfer-Encoding: chunked',
  'Transfer-Encoding: chunked\r\nTransfer-Encoding: cow',
  'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked',
  'Transfer-Encoding: chunked\r\nTransfer-encoding: identity',
  'Transfer-Encoding: identity\r\nTransfer-Encoding: chunked',
  'Transfer-Encoding:\r\nTransfer-Encoding: chunked',
  'Transfer-Encoding: chunked\r\nTransfer_Encoding: chunked',
  'Content-Encoding: chunked\r\nContent-Length: 15',
];

/** Where an odd byte stands: the four places of defparam/smuggler. */
const places: Record<string, (byte: string) => string> = {
  'before the name': (byte) => `${byte}Transfer-Encoding: chunked`,
  'behind the name': (byte) => `Transfer-Encoding${byte}: chunked`,
  'before the value': (byte) => `Transfer-Encoding:${byte}chunked`,
  'behind the value': (byte) => `Transfer-Encoding: chunked${byte}`,
};

/** What one parser or another takes for a space, an end or nothing. */
const spaces = '\0\t\n\x0b\f\r\x1f\x7f\x80\x85\xa0\xad\xff'.split('');

export const transferEncoding: Corpus = Object.fromEntries([
  ...legal.flatMap((line): [string, WireCase][] => [
    [`${visible(line)} alone`, { bytes: post([line], helloChunked), reading: read }],
    ...beside(line),
  ]),
  ...spellings.flatMap((line): [string, WireCase][] => [
    [`${visible(line)} alone`, { bytes: post([line], helloChunked) }],
    ...beside(line),
  ]),
  ...Object.entries(places).flatMap(([place, spell]) =>
    oddBytes.map((byte): [string, WireCase] => {
      const isSpace = byte === '\t' && place === 'before the value';
      const bytes = post([spell(byte)], helloChunked);
      return [`${visible(byte)} ${place}`, isSpace ? { bytes, reading: read } : { bytes }];
    }),
  ),
  ...Object.entries(places).flatMap(([place, spell]) =>
    spaces.map((byte): [string, WireCase] => [
      `${visible(byte)} ${place}, with Content-Length`,
      { bytes: post(['Content-Length: 15', spell(byte)], helloChunked) },
    ]),
  ),
]);

/** CL.TE and TE.CL: both, in both orders, with lengths that mean the whole body and a part of it. */
function beside(line: string): [string, WireCase][] {
  return [
    [`Content-Length before ${visible(line)}`, { bytes: post(['Content-Length: 15', line], helloChunked) }],
    [`${visible(line)} before Content-Length`, { bytes: post([line, 'Content-Length: 4'], helloChunked) }],
  ];
}
