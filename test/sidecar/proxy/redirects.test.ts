// A redirect is the agent's to follow, in a request that is decided like any other: what was put on the first one goes
// nowhere else (threat H-60; CVE-2023-45143 and its kind carried it along).

import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { startFixture, token, tokenPlaceholder, type Fixture } from './fixture.ts';
import { createTestCa, originName, startOrigin, type Origin, type TestCa } from './origin.ts';
import { openTunnel, send, type Answer } from './raw-client.ts';

let ca: TestCa;
let origin: Origin;
/** The same host on another port, which a policy allows without a credential. */
let elsewhere: Origin;
let fixture: Fixture;
let redirect: [status: number, headers: Record<string, string>] = [307, {}];

before(async () => {
  ca = await createTestCa();
  origin = await startOrigin(ca, {
    answer: (_message, response) => response.writeHead(...redirect).end('moved'),
  });
  elsewhere = await startOrigin(ca);
});
after(async () => {
  await Promise.all([origin.close(), elsewhere.close()]);
  ca.close();
});
beforeEach(async () => {
  origin.received.length = 0;
  elsewhere.received.length = 0;
  fixture = await startFixture({ ca, origin });
  const place = {
    names: [originName],
    scheme: 'https',
    cidrs: ['127.0.0.0/8'],
    caBundle: ca.authority.certPem,
  } as const;
  fixture.swap({
    grants: [
      { policy: 'team', name: 'token', action: 'Allow', destination: 'origin', credential: 'token' },
      { policy: 'team', name: 'elsewhere', action: 'Allow', destination: 'elsewhere' },
    ],
    destinations: {
      origin: { ...place, port: origin.port },
      elsewhere: { ...place, port: elsewhere.port },
    },
  });
});
afterEach(() => fixture.close());

async function ask(port: number, method: string, head = '', body = ''): Promise<Answer> {
  const socket = await openTunnel(fixture, port, { target: `${originName}:${port}` });
  try {
    return await send(
      socket,
      `${method} /token/x HTTP/1.1\r\nHost: ${originName}:${port}\r\n${head}\r\n${body}`,
    );
  } finally {
    socket.destroy();
  }
}

describe('H-60: a redirect is passed on, not followed', () => {
  for (const status of [301, 302, 303, 307, 308]) {
    for (const [method, head, body] of [
      ['GET', '', ''],
      ['POST', 'Content-Length: 6\r\n', 'secret'],
    ] as const) {
      test(`${status} to ${method}`, async () => {
        const location = `https://${originName}:${elsewhere.port}/token/x`;
        redirect = [status, { location, refresh: `0; url=${location}`, link: `<${location}>; rel=preload` }];
        const answer = await ask(origin.port, method, head, body);
        assert.deepEqual([answer.status, answer.headers.location], [status, location]);
        assert.deepEqual([origin.received.length, elsewhere.received.length], [1, 0]);
        assert.equal(origin.received[0]?.headers.authorization, `Bearer ${token}`);
      });
    }
  }
});

describe('H-60: an agent that follows one', () => {
  test('is refused where its placeholder would go along', async () => {
    const answer = await ask(elsewhere.port, 'GET', `Authorization: Bearer ${tokenPlaceholder}\r\n`);
    assert.equal(answer.problem?.code, 'credential_ambiguous');
    assert.equal(elsewhere.received.length, 0);
  });

  test('gets there without the credential of where it came from', async () => {
    assert.equal((await ask(elsewhere.port, 'GET')).status, 200);
    assert.doesNotMatch(JSON.stringify(elsewhere.received[0]?.rawHeaders), new RegExp(token));
  });

  test('is refused where the ceiling ends, though a rule names the credential', async () => {
    fixture.swap({
      grants: [
        { policy: 'team', name: 'wide', action: 'Allow', destination: 'elsewhere', credential: 'token' },
      ],
      destinations: {
        elsewhere: {
          names: [originName],
          scheme: 'https',
          port: elsewhere.port,
          cidrs: ['127.0.0.0/8'],
          caBundle: ca.authority.certPem,
        },
      },
    });
    assert.equal((await ask(elsewhere.port, 'GET')).problem?.code, 'credential_ceiling');
    assert.equal(elsewhere.received.length, 0);
  });
});
