// The token request of an SDK that found a placeholder file: the sidecar answers it, and nothing leaves.

import assert from 'node:assert/strict';
import { createSign } from 'node:crypto';
import { after, afterEach, before, describe, test } from 'node:test';
import { createPlaceholderKey, googleKeyFile } from '../../../sidecar/credentials/google-placeholder.ts';
import { startFixture, type Fixture } from './fixture.ts';
import { createTestCa, startOrigin, type Origin, type TestCa } from './origin.ts';
import { openTunnel, readAnswer, type Answer } from './raw-client.ts';

const host = 'oauth2.googleapis.com';
const form = 'Content-Type: application/x-www-form-urlencoded\r\n';

let ca: TestCa;
let origin: Origin;
let fixture: Fixture;
let body = '';
let foreign = '';

before(async () => {
  ca = await createTestCa();
  origin = await startOrigin(ca);
  const key = await createPlaceholderKey();
  body = assertion(googleKeyFile('research', 'calendar', key));
  foreign = assertion(googleKeyFile('support', 'calendar', key));
});
afterEach(() => fixture.close());
after(async () => {
  await origin.close();
  ca.close();
});

function assertion(file: string): string {
  const { client_email: iss, private_key: key } = JSON.parse(file) as Record<string, string>;
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const unsigned = `${part({ alg: 'RS256' })}.${part({ iss, aud: `https://${host}/token` })}`;
  const signature = createSign('RSA-SHA256')
    .update(unsigned)
    .sign(key ?? '')
    .toString('base64url');
  return `grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=${unsigned}.${signature}`;
}

/** @param meanwhile runs when half of the body is there. */
async function ask(text: string, meanwhile: (() => void) | null = null): Promise<Answer> {
  fixture = await startFixture({
    ca,
    origin,
    ruleset: {
      credentials: {
        calendar: {
          source: { kind: 'file', path: 'calendar' },
          allow: [{ hosts: ['www.googleapis.com'] }],
          inject: { kind: 'googleServiceAccount', scopes: ['a'] },
          placeholderFile: true,
          refreshIntervalMs: 60_000,
        },
      },
    },
  });
  const tunnel = await openTunnel(fixture, origin.port, { target: `${host}:443`, serverName: host });
  const half = Math.floor(text.length / 2);
  tunnel.write(`POST /token HTTP/1.1\r\nHost: ${host}\r\n${form}Content-Length: ${text.length}\r\n\r\n`);
  tunnel.write(text.slice(0, half));
  if (meanwhile !== null) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    meanwhile();
  }
  tunnel.write(text.slice(half));
  const answer = await readAnswer(tunnel);
  tunnel.destroy();
  return answer;
}

describe('refused like any other', () => {
  test('an assertion that was not made with a file of this pod', async () => {
    assert.deepEqual((await ask(foreign)).problem?.code, 'no_grant');
  });
  test('a body that is none, and one that is too long', async () => {
    assert.equal((await ask('grant_type=x')).problem?.code, 'no_grant');
    await fixture.close();
    assert.equal((await ask(`${body}&x=${'x'.repeat(20_000)}`)).problem?.code, 'body_too_large');
  });
  test('P-11: that of an agent that is halted while its body is under way', async () => {
    const answer = await ask(body, () => fixture.swap({ halt: { policy: 'stop' } }));
    assert.equal(answer.problem?.code, 'halted');
  });
});

test('answered with the placeholder, recorded as allowed, and sent nowhere', async () => {
  const { status, body: text } = await ask(body);
  assert.equal(status, 200);
  assert.equal(
    (JSON.parse(text) as { access_token: string }).access_token,
    'outrider-placeholder.research.calendar',
  );
  const { decision, upstreamStatus, status: recorded } = await fixture.record();
  assert.deepEqual([decision?.action, recorded, upstreamStatus], ['allow', 200, null]);
  assert.equal(origin.received.length, 0);
});
