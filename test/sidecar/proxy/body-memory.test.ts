import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { waitFor } from '../../cluster/deadline.ts';
import { createBodyMemory } from '../../../sidecar/proxy/body-memory.ts';
import { startFixture, type Fixture } from './fixture.ts';
import { createTestCa, originName, startOrigin, type Origin, type TestCa } from './origin.ts';
import { composeWith, openTunnel, send, type Answer } from './raw-client.ts';

const maxBytes = 64 * 1024;
const body = `{"amount":5,"note":"${'x'.repeat(60_000)}"}`;

describe('the memory for bodies that rules look into', () => {
  let ca: TestCa;
  let origin: Origin;
  let fixture: Fixture;

  before(async () => {
    ca = await createTestCa();
    origin = await startOrigin(ca);
    const where = { policy: 'team', name: 'refund', destination: 'origin', paths: ['/refunds'] };
    const rule = { types: ['Json' as const], maxBytes, fields: { '/amount': { max: 100 } } };
    const ruleset = { grants: [{ ...where, action: 'Allow' as const, body: rule }], guards: [] };
    fixture = await startFixture({ ca, origin, ruleset, maxHeldBytes: 96 * 1024 });
  });
  after(async () => {
    await fixture.close();
    await origin.close();
    ca.close();
  });

  const bytes = (): string =>
    composeWith(`${originName}:${origin.port}`, '/refunds', 'application/json', body);

  async function ask(): Promise<Answer> {
    const socket = await openTunnel(fixture, origin.port);
    const answer = await send(socket, bytes());
    socket.destroy();
    return answer;
  }

  test('D: what is beyond it is refused until another request has ended, and nothing of it is sent', async () => {
    const slow = await openTunnel(fixture, origin.port);
    const whole = bytes();
    slow.write(whole.slice(0, whole.length - 20_000));
    let refused: Answer | null = null;
    await waitFor({ what: 'a refusal', timeoutMs: 10_000, everyMs: 20 }, async () => {
      const answer = await ask();
      if (answer.status === 503) refused = answer;
      return refused !== null;
    });
    const { problem } = refused as unknown as Answer;
    assert.deepEqual([problem?.code, problem?.retryAfter], ['overloaded', 1]);
    const arrived = origin.received.length;
    assert.equal((await ask()).status, 503);
    assert.equal(origin.received.length, arrived);
    slow.destroy();
    await waitFor(
      { what: 'room again', timeoutMs: 10_000, everyMs: 20 },
      async () => (await ask()).status === 200,
    );
  });
});

test('a claim that is refused holds what it held, and one that has ended nothing', () => {
  const memory = createBodyMemory(100);
  const [one, two] = [memory.claim(), memory.claim()];
  assert.deepEqual([one.hold(60), two.hold(41), two.hold(40), one.hold(61)], [true, false, true, false]);
  two.end();
  two.end();
  assert.deepEqual([one.hold(100), two.hold(1)], [true, false]);
});
