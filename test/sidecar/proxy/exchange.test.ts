import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { startFixture, token, tokenPlaceholder, type Fixture } from './fixture.ts';
import { createTestCa, originName, startOrigin, type Origin, type TestCa } from './origin.ts';
import { openSocket, openTunnel, send, type Answer } from './raw-client.ts';

let ca: TestCa;
let origin: Origin;
let fixture: Fixture;
let host = '';

before(async () => {
  ca = await createTestCa();
  origin = await startOrigin(ca);
  fixture = await startFixture({ ca, origin });
  host = `${originName}:${origin.port}`;
});
after(async () => {
  await fixture.close();
  await origin.close();
  ca.close();
});
beforeEach(() => {
  origin.received.length = 0;
});

async function ask(bytes: string): Promise<Answer> {
  const socket = await openTunnel(fixture, origin.port);
  const answer = await send(socket, bytes);
  socket.destroy();
  return answer;
}

describe('a refusal', () => {
  test('by default teaches what would have been allowed', async () => {
    const answer = await ask(`GET /elsewhere HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
    assert.equal(answer.status, 403);
    assert.equal(answer.headers['content-type'], 'application/problem+json');
    assert.equal(answer.problem?.code, 'no_grant');
    assert.equal(answer.problem.closest?.field, 'paths');
    assert.equal(answer.headers['outrider-decision'], answer.problem.decision);
    assert.equal(origin.received.length, 0);
    const record = await fixture.record();
    assert.equal(record.id, answer.problem.decision);
    assert.equal(record.status, 403);
    assert.equal(record.decision?.reason, 'no_grant');
  });
});

describe('an allowed request', () => {
  test('gets the credential in place of the placeholder', async () => {
    const answer = await ask(
      `GET /token/x?a=1 HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${tokenPlaceholder}\r\n\r\n`,
    );
    assert.equal(answer.status, 200);
    assert.equal(answer.body, 'hello');
    assert.equal(origin.received[0]?.headers.authorization, `Bearer ${token}`);
    assert.equal(origin.received[0]?.url, '/token/x?a=1');
  });

  test('goes in absolute form on the proxy port, too', async () => {
    const socket = await openSocket(fixture.port);
    const answer = await send(socket, `GET https://${host}/token/x HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
    assert.equal(answer.status, 200);
    assert.equal(origin.received[0]?.headers.authorization, `Bearer ${token}`);
    socket.destroy();
  });
});
