import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Reason } from '../../../policy/reasons.ts';
import { waitFor } from '../../cluster/deadline.ts';
import { entries, openEntry, targetOf, type EntryMode } from './entries.ts';
import { startFixture, tokenPlaceholder, type Fixture } from './fixture.ts';
import {
  createTestCa,
  originName,
  startOrigin,
  startPlainOrigin,
  type Origin,
  type TestCa,
} from './origin.ts';
import { expectClosed, send } from './raw-client.ts';

// Requests that must never reach an upstream, as bytes, through every way in. TARGET/path is https://host/path on the
// proxy port and /path elsewhere, HOST the origin's host and port, SCHEME and OTHER what the entry speaks and does not.

interface Refused {
  readonly code: Reason;
  readonly status: number;
  readonly bytes: string;
  /** Where Node's parser gives up there is no model and so no trace of the method. */
  readonly only?: readonly EntryMode[];
}

const named = ['connect', 'captured_tls', 'captured_http'] as const;
/** Over plain HTTP a rule's credential refuses before. */
const secured = ['absolute', 'connect', 'captured_tls'] as const;
const host = 'Host: HOST\r\n';
const malformed = (bytes: string): Refused => ({ code: 'request_malformed', status: 400, bytes });
const ambiguous = (bytes: string): Refused => ({ code: 'request_ambiguous', status: 400, bytes });
const disagree = (bytes: string): Refused => ({ code: 'names_disagree', status: 421, bytes });
const get = (head: string, path = '/plain/x'): string => `GET TARGET${path} HTTP/1.1\r\n${host}${head}\r\n`;
const post = (head: string, body = ''): string => `POST TARGET/plain/x HTTP/1.1\r\n${host}${head}\r\n${body}`;

const framing: Record<string, Refused> = {
  'H-02: Content-Length with Transfer-Encoding': malformed(
    post('Content-Length: 5\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n'),
  ),
  'H-02: Transfer-Encoding with Content-Length': malformed(
    post('Transfer-Encoding: chunked\r\nContent-Length: 5\r\n', '0\r\n\r\n'),
  ),
  'H-02: two equal Content-Lengths': malformed(post('Content-Length: 1\r\nContent-Length: 1\r\n', 'x')),
  'H-02: two different Content-Lengths': malformed(post('Content-Length: 1\r\ncontent-length: 2\r\n', 'xy')),
  'H-02: a list of Content-Lengths': malformed(post('Content-Length: 1, 1\r\n', 'x')),
  'H-02: a signed Content-Length': malformed(post('Content-Length: +1\r\n', 'x')),
  'H-02: a negative Content-Length': malformed(post('Content-Length: -1\r\n', 'x')),
  'H-02: a hexadecimal Content-Length': malformed(post('Content-Length: 0x1\r\n', 'x')),
  'H-02: a Content-Length with a leading zero': malformed(post('Content-Length: 01\r\n', 'x')),
  'H-02: an empty Content-Length': malformed(post('Content-Length: \r\n', 'x')),
  'H-02: a Content-Length beyond what can be counted': malformed(
    post('Content-Length: 99999999999999999999\r\n', 'x'),
  ),
  'H-02: a GET with Content-Length': ambiguous(get('Content-Length: 5\r\n') + 'GET /'),
  'H-02: a GET with chunks': ambiguous(get('Transfer-Encoding: chunked\r\n') + '0\r\n\r\n'),
  'H-02: a HEAD with a body': ambiguous(get('Content-Length: 5\r\n').replace('GET', 'HEAD') + 'GET /'),
  'H-03: Transfer-Encoding with an empty member': ambiguous(
    post('Transfer-Encoding: ,chunked\r\n', '0\r\n\r\n'),
  ),
  'H-03: Transfer-Encoding gzip, chunked': ambiguous(
    post('Transfer-Encoding: gzip, chunked\r\n', '0\r\n\r\n'),
  ),
  'H-03: Transfer-Encoding in another case': ambiguous(post('Transfer-Encoding: Chunked\r\n', '0\r\n\r\n')),
  'H-03: Transfer-Encoding identity': ambiguous(post('Transfer-Encoding: identity\r\n', '')),
  'H-03: Transfer-Encoding chunked, identity': malformed(
    post('Transfer-Encoding: chunked, identity\r\n', ''),
  ),
  'H-03: Transfer-Encoding with a vertical tab': malformed(post('Transfer-Encoding: \x0bchunked\r\n', '')),
  'H-03: Transfer-Encoding with a no-break space': ambiguous(post('Transfer-Encoding: chunked\xa0\r\n', '')),
  'H-03: two Transfer-Encodings': malformed(
    post('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n'),
  ),
  'H-03: a space before the colon': malformed(post('Transfer-Encoding : chunked\r\n', '0\r\n\r\n')),
  'H-03: Transfer-Encoding over HTTP/1.0': ambiguous(
    post('Transfer-Encoding: chunked\r\n', '0\r\n\r\n').replace('1.1', '1.0'),
  ),
  'H-03: HTTP/2.0 on an HTTP/1 connection': malformed(get('').replace('HTTP/1.1', 'HTTP/2.0')),
  'H-03: HTTP/1.2': malformed(get('').replace('HTTP/1.1', 'HTTP/1.2')),
  'H-03: HTTP/0.9': malformed(get('').replace('HTTP/1.1', 'HTTP/0.9')),
  'H-03: a request line without a version': malformed('GET TARGET/plain/x\r\n\r\n'),
  'H-41: the preface of HTTP/2': malformed('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
};

const expectations: Record<string, Refused> = Object.fromEntries(
  ['100-Continue', 'y 100-continue', '100-continue, x', '200-ok', 'continue', '"100-continue"'].map(
    (value) => [
      `H-05: Expect: ${value}`,
      {
        code: 'expectation_unsupported',
        status: 417,
        bytes: post(`Content-Length: 1\r\nExpect: ${value}\r\n`, 'x'),
      },
    ],
  ),
);
expectations['H-05: Expect sent twice'] = ambiguous(
  post('Content-Length: 1\r\nExpect: 100-continue\r\nExpect: 100-continue\r\n', 'x'),
);
expectations['H-05: Expect over HTTP/1.0'] = {
  code: 'expectation_unsupported',
  status: 417,
  bytes: post('Content-Length: 1\r\nExpect: 100-continue\r\n', 'x').replace('HTTP/1.1', 'HTTP/1.0'),
};

const names: Record<string, Refused> = {
  'H-10: Host with another name': disagree('GET TARGET/plain/x HTTP/1.1\r\nHost: evil.test\r\n\r\n'),
  'H-10: Host without the port': disagree(`GET TARGET/plain/x HTTP/1.1\r\nHost: ${originName}\r\n\r\n`),
  'H-10: Host with another port': disagree(`GET TARGET/plain/x HTTP/1.1\r\nHost: ${originName}:1\r\n\r\n`),
  'H-10: Host with two trailing dots': ambiguous(
    `GET TARGET/plain/x HTTP/1.1\r\nHost: ${originName}..:PORT\r\n\r\n`,
  ),
  'H-10: Host percent-encoded': ambiguous(
    `GET TARGET/plain/x HTTP/1.1\r\nHost: ${originName.replace('a', '%61')}\r\n\r\n`,
  ),
  'H-10: Host with an underscore': ambiguous('GET TARGET/plain/x HTTP/1.1\r\nHost: api_example.test\r\n\r\n'),
  'H-10: Host with a zone': ambiguous('GET TARGET/plain/x HTTP/1.1\r\nHost: [fe80::1%25eth0]\r\n\r\n'),
  'H-10: an empty Host': ambiguous('GET TARGET/plain/x HTTP/1.1\r\nHost: \r\n\r\n'),
  'H-10: Host with userinfo': ambiguous('GET TARGET/plain/x HTTP/1.1\r\nHost: a@HOST\r\n\r\n'),
  'H-10: Host with a path': ambiguous('GET TARGET/plain/x HTTP/1.1\r\nHost: HOST/x\r\n\r\n'),
  'H-10: Host with a list': ambiguous('GET TARGET/plain/x HTTP/1.1\r\nHost: HOST,evil.test\r\n\r\n'),
  'H-10: two Hosts': ambiguous(get(host)),
  'H-10: two Hosts in other cases': ambiguous(get('hOST: evil.test\r\n')),
  'H-10: no Host': malformed('GET TARGET/plain/x HTTP/1.1\r\n\r\n'),
  'H-10: no Host over HTTP/1.0': malformed('GET TARGET/plain/x HTTP/1.0\r\n\r\n'),
  'N-14: Host with port 0': ambiguous(`GET TARGET/plain/x HTTP/1.1\r\nHost: ${originName}:0\r\n\r\n`),
  'N-14: Host with port 65536': ambiguous(`GET TARGET/plain/x HTTP/1.1\r\nHost: ${originName}:65536\r\n\r\n`),
  'N-14: Host with leading zeros in the port': ambiguous(
    `GET TARGET/plain/x HTTP/1.1\r\nHost: ${originName}:0PORT\r\n\r\n`,
  ),
  'N-14: Host with letters in the port': ambiguous('GET TARGET/plain/x HTTP/1.1\r\nHost: HOSTx\r\n\r\n'),
  'H-11: another name in the target': {
    ...disagree('GET SCHEME://evil.test/plain/x HTTP/1.1\r\nHost: HOST\r\n\r\n'),
  },
  'H-11: another name in target and Host': {
    ...disagree('GET SCHEME://evil.test/plain/x HTTP/1.1\r\nHost: evil.test\r\n\r\n'),
    only: named,
  },
  'H-11: another scheme in the target than that of the connection': {
    ...disagree('GET OTHER://HOST/plain/x HTTP/1.1\r\nHost: HOST\r\n\r\n'),
    only: named,
  },
  'H-13: userinfo in the target': ambiguous(
    'GET https://user:secret@HOST/plain/x HTTP/1.1\r\nHost: HOST\r\n\r\n',
  ),
  'H-13: no slash after the authority': malformed('GET https://HOST HTTP/1.1\r\nHost: HOST\r\n\r\n'),
  'H-13: a query after the authority': malformed('GET https://HOST?x HTTP/1.1\r\nHost: HOST\r\n\r\n'),
  'H-13: one slash after the scheme': malformed('GET https:/HOST/plain/x HTTP/1.1\r\nHost: HOST\r\n\r\n'),
  'H-13: another scheme': malformed('GET ftp://HOST/plain/x HTTP/1.1\r\nHost: HOST\r\n\r\n'),
  'H-13: a backslash in the authority': malformed(
    'GET https://HOST\\@evil.test/ HTTP/1.1\r\nHost: HOST\r\n\r\n',
  ),
  'H-13: OPTIONS *': malformed('OPTIONS * HTTP/1.1\r\nHost: HOST\r\n\r\n'),
  'H-13: two slashes at the start': {
    ...ambiguous(`GET //evil.test/x HTTP/1.1\r\n${host}\r\n`),
    only: named,
  },
  'H-13: a tab in the target': malformed(get('', '/plain/\tx')),
  'H-13: a space in the target': malformed(get('', '/plain/ x')),
};

const targets: Record<string, Refused> = {
  'H-20: a dot segment': ambiguous(get('', '/plain/../token/x')),
  'H-20: an encoded dot segment': ambiguous(get('', '/plain/%2e%2E/token/x')),
  'H-20: a twice encoded dot segment': ambiguous(get('', '/plain/%252e%252e/token/x')),
  'H-20: a dot segment with a parameter': ambiguous(get('', '/plain/..;/token/x')),
  'H-20: an encoded slash': ambiguous(get('', '/plain/a%2fb')),
  'H-20: an encoded backslash': ambiguous(get('', '/plain/a%5cb')),
  'H-20: a backslash': ambiguous(get('', '/plain/a\\b')),
  'H-20: an encoded NUL': ambiguous(get('', '/plain/a%00b')),
  'H-20: overlong UTF-8': ambiguous(get('', '/plain/%c0%ae%c0%ae/x')),
  'H-20: a percent sign without hex digits': ambiguous(get('', '/plain/%zz')),
  'H-20: an empty segment': ambiguous(get('', '/plain//x')),
  'H-20: a path parameter': ambiguous(get('', '/plain/x;v=1')),
  'H-20: bytes beyond ASCII': malformed(get('', '/plain/\xe9')),
  'H-22: a fragment': ambiguous(get('', '/plain/x#y')),
  'H-24: a target of more than 8 KiB': {
    code: 'target_too_long',
    status: 414,
    bytes: get('', `/plain/${'x'.repeat(8200)}`),
  },
  'H-24: more than 100 headers': {
    code: 'headers_too_large',
    status: 431,
    bytes: get(Array.from({ length: 100 }, (_, i) => `X-${i}: 1\r\n`).join('')),
  },
  'H-24: more than 64 KiB of headers': {
    code: 'headers_too_large',
    status: 431,
    bytes: get(`X-Long: ${'x'.repeat(66_000)}\r\n`),
  },
};

const headers: Record<string, Refused> = {
  'H-30: Connection names Authorization': ambiguous(
    get('Authorization: Bearer x\r\nConnection: Authorization, close\r\n'),
  ),
  'H-30: Connection names Host': ambiguous(get('Connection: host\r\n')),
  'H-30: Connection names Content-Length': ambiguous(
    post('Content-Length: 1\r\nConnection: close, content-length\r\n', 'x'),
  ),
  'H-30: Connection names a header of ours': ambiguous(get('Connection: traceparent\r\n')),
  'H-30: a second Connection names Cookie': ambiguous(
    get('Cookie: a=b\r\nConnection: close\r\nConnection: cookie\r\n'),
  ),
  'H-31: two Authorizations': ambiguous(get('Authorization: Bearer x\r\nauthorization: Bearer y\r\n')),
  'H-31: two Content-Types': ambiguous(
    post('Content-Type: a/b\r\nContent-Type: c/d\r\nContent-Length: 1\r\n', 'x'),
  ),
  'H-31: two Cookies': ambiguous(get('Cookie: a=1\r\nCookie: b=2\r\n')),
  'H-31: two API keys': ambiguous(get('X-Api-Key: a\r\nX-API-KEY: b\r\n')),
  'H-31: an underscore in place of a hyphen, framing': ambiguous(
    post('Transfer_Encoding: chunked\r\nContent-Length: 1\r\n', 'x'),
  ),
  'H-31: an underscore in place of a hyphen, length': ambiguous(
    post('Content_Length: 9\r\nContent-Length: 1\r\n', 'x'),
  ),
  'H-31: an underscore in place of a hyphen, a key': ambiguous(get('X_Api_Key: a\r\n')),
  'H-31: a proxy header with underscores': ambiguous(get('Proxy_Authorization: Basic x\r\n')),
  'H-32: bytes beyond ASCII in a value': ambiguous(get('X-Note: caf\xe9\r\n')),
  'H-32: a next-line byte in a value': ambiguous(get('X-Note: a\x85b\r\n')),
  'H-32: NUL in a value': malformed(get('X-Note: a\x00b\r\n')),
  'H-32: a bare carriage return': malformed(get('X-Note: a\rX-Evil: b\r\n')),
  'H-32: a bare line feed': malformed(get('X-Note: a\nX-Evil: b\r\n')),
  'H-32: a folded header': malformed(get('X-Note: a\r\n b\r\n')),
  'H-33: X-HTTP-Method-Override': ambiguous(get('X-HTTP-Method-Override: DELETE\r\n')),
  'H-33: X-HTTP-Method': ambiguous(get('x-http-method: PUT\r\n')),
  'H-33: X-Method-Override': ambiguous(get('X-Method-Override: get\r\n')),
  'H-33: TRACE': { code: 'protocol_unsupported', status: 403, bytes: get('').replace('GET', 'TRACE') },
  'H-33: a method in lower case': malformed(get('').replace('GET', 'get')),
  'H-40: a WebSocket': {
    code: 'protocol_unsupported',
    status: 403,
    bytes: get(
      'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eA==\r\n',
    ),
  },
  'H-40: a WebSocket among others': {
    code: 'protocol_unsupported',
    status: 403,
    bytes: get('Connection: Upgrade\r\nUpgrade: h2c, WebSocket/13\r\n'),
  },
  'H-53: an unknown Content-Encoding': ambiguous(
    post('Content-Encoding: chunked\r\nContent-Length: 1\r\n', 'x'),
  ),
  'S-22: two placeholders in Authorization': {
    code: 'credential_ambiguous',
    status: 403,
    bytes: get(`Authorization: Bearer ${tokenPlaceholder} ${tokenPlaceholder}\r\n`, '/token/x'),
  },
  'S-22: the placeholder of another credential': {
    code: 'credential_ambiguous',
    status: 403,
    bytes: get('Authorization: Bearer outrider-placeholder.research.other\r\n', '/token/x'),
  },
  'S-22: the placeholder of another namespace': {
    code: 'credential_ambiguous',
    status: 403,
    bytes: get('Authorization: Bearer outrider-placeholder.other.token\r\n', '/token/x'),
  },
  'S-22: a placeholder where no credential is injected': {
    code: 'credential_ambiguous',
    status: 403,
    bytes: get(`Authorization: Bearer ${tokenPlaceholder}\r\n`),
  },
  'S-22: a placeholder inside Basic where no credential is injected': {
    code: 'credential_ambiguous',
    status: 403,
    bytes: get(`Authorization: Basic ${Buffer.from(`x:${tokenPlaceholder}`).toString('base64')}\r\n`),
  },
  'S-22: a placeholder in another header': {
    only: secured,
    code: 'credential_ambiguous',
    status: 403,
    bytes: get(`X-Api-Key: ${tokenPlaceholder}\r\n`, '/token/x'),
  },
  'S-22: a placeholder in a cookie': {
    only: secured,
    code: 'credential_ambiguous',
    status: 403,
    bytes: get(`Cookie: session=${tokenPlaceholder}\r\n`, '/token/x'),
  },
  'S-22: a placeholder in the query': {
    only: secured,
    code: 'credential_ambiguous',
    status: 403,
    bytes: get('', `/token/x?key=${tokenPlaceholder}`),
  },
};

const decided: Record<string, Refused> = {
  'no rule allows the path': { code: 'no_grant', status: 403, bytes: get('', '/elsewhere') },
  'a rule denies the path': { code: 'denied_by_rule', status: 403, bytes: get('', '/token/forbidden/x') },
  'a rule denies the path in another case': {
    code: 'denied_by_rule',
    status: 403,
    bytes: get('', '/TOKEN/Forbidden/x'),
  },
  'http, which no destination opens': {
    code: 'no_grant',
    status: 403,
    bytes: 'GET http://HOST/plain/x HTTP/1.1\r\nHost: HOST\r\n\r\n',
    only: ['absolute'],
  },
  'a whole URL of a place without a rule': {
    code: 'no_grant',
    status: 403,
    bytes: 'GET https://evil.test/ HTTP/1.1\r\nHost: evil.test\r\n\r\n',
    only: ['absolute'],
  },
  'a path without a tunnel': {
    ...malformed(`GET /plain/x HTTP/1.1\r\n${host}\r\n`),
    only: ['absolute'],
  },
  'N-08: CONNECT elsewhere than on the proxy port': {
    code: 'protocol_unsupported',
    status: 403,
    bytes: 'CONNECT HOST HTTP/1.1\r\nHost: HOST\r\n\r\n',
    only: named,
  },
};

let ca: TestCa;
let origin: Origin;
let plainOrigin: Origin;
let fixture: Fixture;
let plainFixture: Fixture;

before(async () => {
  ca = await createTestCa();
  origin = await startOrigin(ca);
  plainOrigin = await startPlainOrigin();
  fixture = await startFixture({ ca, origin, capture: {} });
  plainFixture = await startFixture({
    ca,
    origin: plainOrigin,
    destination: { scheme: 'http' },
    capture: {},
  });
});
after(async () => {
  await fixture.close();
  await plainFixture.close();
  await origin.close();
  await plainOrigin.close();
  ca.close();
});

for (const entry of entries) {
  describe(`refused through ${entry}`, () => {
    for (const table of [framing, expectations, names, targets, headers, decided]) {
      for (const [title, { code, status, bytes, only }] of Object.entries(table)) {
        if (only?.includes(entry) === false) continue;
        test(title, () => refused(entry, bytes, code, status));
      }
    }
  });
}

async function refused(entry: EntryMode, template: string, code: Reason, status: number): Promise<void> {
  const isPlain = entry === 'captured_http';
  const [at, to] = isPlain ? [plainFixture, plainOrigin] : [fixture, origin];
  at.records.length = 0;
  const place = `${originName}:${to.port}`;
  const bytes = template
    .replaceAll('TARGET', targetOf(entry, place))
    .replaceAll('HOST', place)
    .replaceAll('PORT', String(to.port))
    .replaceAll('SCHEME', isPlain ? 'http' : 'https')
    .replaceAll('OTHER', isPlain ? 'https' : 'http');
  const socket = await openEntry(entry, at, to.port);
  try {
    const answer = await send(socket, bytes);
    assert.equal(answer.status, status, answer.body);
    // The answer to a HEAD has no body; the record has the reason all the same.
    if (!bytes.startsWith('HEAD')) assert.equal(answer.problem?.code, code, answer.body);
    const record = await waitFor({ what: 'the record', timeoutMs: 5000, everyMs: 2 }, async () =>
      at.records.find(({ id }) => id === answer.headers['outrider-decision']),
    );
    assert.equal(record.status, status);
    assert.equal(record.refusal?.reason ?? record.decision?.reason, code);
    assert.equal(record.entry, entry);
    if (answer.headers.connection === 'close') await expectClosed(socket);
  } finally {
    socket.destroy();
  }
  assert.equal(to.connections(), 0, 'nothing is dialled for a request that is refused');
  assert.equal(at.records.length, 1, 'one record');
}
