// The plain injections through the whole proxy: what bytes the upstream gets for what the agent sent.

import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { after, afterEach, before, describe, test } from 'node:test';
import type { RulesetInject } from '../../../../policy/ruleset-credential.ts';
import { startFixture, tokenPlaceholder as ours, type Fixture } from '../../proxy/fixture.ts';
import { createTestCa, originName, startOrigin, type Origin, type TestCa } from '../../proxy/origin.ts';
import { compose, composeWith, openTunnel, send, type Answer } from '../../proxy/raw-client.ts';
import { materialOf } from './filling.ts';

let ca: TestCa;
let origin: Origin;
let fixture: Fixture | null = null;

before(async () => {
  ca = await createTestCa();
  origin = await startOrigin(ca);
});
after(async () => {
  await origin.close();
  ca.close();
});
afterEach(async () => {
  await fixture?.close();
  fixture = null;
});

async function ask(
  inject: RulesetInject,
  parts: Readonly<Record<string, string>>,
  bytes: (place: string) => string,
): Promise<Answer> {
  origin.received.length = 0;
  fixture = await startFixture({
    ca,
    origin,
    ruleset: {
      guards: [],
      grants: [{ policy: 'team', name: 'all', action: 'Allow', destination: 'origin', credential: 'token' }],
      credentials: {
        token: {
          source: { kind: 'file', path: 'token' },
          allow: [{ destination: 'origin' }],
          inject,
          refreshIntervalMs: 60_000,
        },
      },
    },
  });
  fixture.setSecret(materialOf(parts));
  const socket = await openTunnel(fixture, origin.port);
  const answer = await send(socket, bytes(`${originName}:${origin.port}`));
  socket.destroy();
  return answer;
}

interface Sent {
  readonly url?: string;
  readonly body?: string;
  /** Absent: no header of this name. */
  readonly headers?: Readonly<Record<string, string | undefined>>;
}

const form = 'application/x-www-form-urlencoded';
const json = 'application/json';
const chunked = (type: string, text: string): string =>
  `Content-Type: ${type}\r\nTransfer-Encoding: chunked\r\n\r\n${text.length.toString(16)}\r\n${text}\r\n0\r\n`;
const hook: RulesetInject = {
  kind: 'hmac',
  algorithm: 'Sha256',
  keyEncoding: 'Utf8',
  canonical: '{method}{target}{body}',
  digest: 'Hex',
  timestamp: 'Seconds',
  headers: { 'x-sign': 'v1={signature}' },
};
const sign = (text: string): string => `v1=${createHmac('sha256', 'key-1').update(text).digest('hex')}`;

describe('the upstream gets', () => {
  const one = { value: 's-1' };
  const cases: Record<
    string,
    [RulesetInject, parts: Record<string, string>, bytes: (place: string) => string, expected: Sent]
  > = {
    'basic in place of a placeholder inside Basic': [
      { kind: 'basic', username: 'x-access-token' },
      one,
      (place) =>
        compose(
          'GET',
          place,
          '/a',
          `Authorization: Basic ${Buffer.from(`x:${ours}`).toString('base64')}\r\n`,
        ),
      {
        url: '/a',
        headers: { authorization: `Basic ${Buffer.from('x-access-token:s-1').toString('base64')}` },
      },
    ],
    'a header in place of its placeholder': [
      { kind: 'header', name: 'x-api-key', prefix: 'k=' },
      one,
      (place) => compose('GET', place, '/a', `X-Api-Key: ${ours}\r\n`),
      { headers: { 'x-api-key': 'k=s-1' } },
    ],
    'a parameter in place of its placeholder': [
      { kind: 'query', name: 'key' },
      { value: 'a&b' },
      (place) => compose('GET', place, `/a?key=${ours}&q=x+y%7e`),
      { url: '/a?q=x+y%7e&key=a%26b', headers: { authorization: undefined } },
    ],
    'a segment of the path': [
      { kind: 'path', prefix: '/bot' },
      { value: '1:AAx' },
      (place) => compose('GET', place, `/bot${ours}/send?a=1`),
      { url: '/bot1:AAx/send?a=1' },
    ],
    'a value in JSON, and the length that it then has': [
      { kind: 'body', pointer: '/token' },
      one,
      (place) => composeWith(place, '/a', json, `{"token":"${ours}", "n":1}`),
      { body: '{"token":"s-1", "n":1}', headers: { 'content-length': '22' } },
    ],
    'a value in a form that came in chunks': [
      { kind: 'body', pointer: '/token' },
      one,
      (place) => compose('POST', place, '/a', chunked(form, `a=1&token=${ours}`)),
      { body: 'a=1&token=s-1' },
    ],
    'a signature of all that is sent': [
      hook,
      { value: 'key-1' },
      (place) => composeWith(place, '/a?b=%7e', json, '{"x":1}', `X-Sign: ${ours}\r\n`),
      { url: '/a?b=%7e', body: '{"x":1}', headers: { 'x-sign': sign('POST/a?b=%7e{"x":1}') } },
    ],
    'a signature of a body that came in chunks': [
      hook,
      { value: 'key-1' },
      (place) => compose('PUT', place, '/a', chunked(json, '{"x":1}')),
      { body: '{"x":1}', headers: { 'x-sign': sign('PUT/a{"x":1}') } },
    ],
    'a signature of a request without a body': [
      hook,
      { value: 'key-1' },
      (place) => compose('DELETE', place, '/a'),
      { body: '', headers: { 'x-sign': sign('DELETE/a') } },
    ],
    'OAuth 1.0 of a form, which it leaves as it is': [
      { kind: 'oauth1', signatureMethod: 'Plaintext', consumerKey: 'ck' },
      one,
      (place) => composeWith(place, '/a', form, 'b=+%7e', `Authorization: OAuth oauth_token="${ours}"\r\n`),
      { body: 'b=+%7e' },
    ],
  };
  for (const [what, [inject, parts, bytes, expected]] of Object.entries(cases)) {
    test(`H-63: ${what}`, async () => {
      const answer = await ask(inject, parts, bytes);
      assert.equal(answer.status, 200, answer.body);
      const [received, ...more] = origin.received;
      assert.equal(more.length, 0);
      if (expected.url !== undefined) assert.equal(received?.url, expected.url);
      if (expected.body !== undefined) assert.equal(received?.body, expected.body);
      for (const [name, value] of Object.entries(expected.headers ?? {})) {
        assert.equal(received?.headers[name], value, name);
      }
      assert.doesNotMatch(JSON.stringify(received), /outrider-placeholder/);
      assert.doesNotMatch(JSON.stringify(fixture?.records), /s-1|key-1|AAx/);
    });
  }
});

describe('nothing reaches the upstream', () => {
  const cases: Record<
    string,
    [RulesetInject, bytes: (place: string) => string, code: string, status: number]
  > = {
    'S-22: of a placeholder in another header': [
      { kind: 'query', name: 'key' },
      (place) => compose('GET', place, '/a', `X-Api-Key: ${ours}\r\n`),
      'credential_ambiguous',
      403,
    ],
    'S-22: of a path without its placeholder': [
      { kind: 'path', prefix: '/bot' },
      (place) => compose('GET', place, '/bot1:own/send'),
      'request_unsignable',
      400,
    ],
    'S-22: of a body with its placeholder twice': [
      { kind: 'body', pointer: '/token' },
      (place) => composeWith(place, '/a', json, `{"token":"${ours}","note":"${ours}"}`),
      'request_unsignable',
      400,
    ],
    'of a body that is too long to be parsed for its placeholder': [
      { kind: 'body', pointer: '/token' },
      (place) => composeWith(place, '/a', json, `{"token":"${ours}","x":"${'x'.repeat(1024 * 1024)}"}`),
      'body_too_large',
      413,
    ],
    'of a form that is too long to be parsed for a signature': [
      { kind: 'oauth1', signatureMethod: 'HmacSha1', consumerKey: 'c' },
      (place) => compose('POST', place, '/a', chunked(form, `a=${'x'.repeat(1024 * 1024)}`)),
      'body_too_large',
      413,
    ],
    'of another spelling of the parameter': [
      { kind: 'query', name: 'key' },
      (place) => compose('GET', place, '/a?KEY=own'),
      'request_unsignable',
      400,
    ],
    'P-23: of a secret that its slot cannot carry': [
      { kind: 'path', prefix: '/bot' },
      (place) => compose('GET', place, `/bot${ours}/send`),
      'secret_unavailable',
      503,
    ],
  };
  for (const [what, [inject, bytes, code, status]] of Object.entries(cases)) {
    test(what, async () => {
      const answer = await ask(inject, { value: 'canary/1' }, bytes);
      assert.deepEqual([answer.problem?.code, answer.status], [code, status], answer.body);
      assert.equal(origin.received.length, 0);
      assert.doesNotMatch(answer.body + JSON.stringify(fixture?.records), /canary/);
    });
  }
});
