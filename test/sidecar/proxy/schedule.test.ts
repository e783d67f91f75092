import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import type { RulesetRule } from '../../../policy/ruleset.ts';
import { createClock, type Clock } from '../../../sidecar/clock.ts';
import { waitFor } from '../../cluster/deadline.ts';
import { startFixture, type Fixture } from './fixture.ts';
import { createTestCa, originName, startOrigin, type Origin, type TestCa } from './origin.ts';
import { compose, openTunnel, send, type Answer } from './raw-client.ts';

let ca: TestCa;
let origin: Origin;
let fixture: Fixture;
let clock: Clock;
let wall = 0;
let monotonic = 0;

const monday = (time: string): number => Date.parse(`2026-11-23T${time}Z`);
const officeHours = { timeZone: 'UTC', windows: [{ from: '08:00', to: '18:00' }] };
const rule = { policy: 'team', name: 'any', action: 'Allow', destination: 'origin' } as const;
const during: RulesetRule = { ...rule, during: officeHours };
const nights: RulesetRule = { policy: 'team', name: 'nights', action: 'Deny', outside: officeHours };

before(async () => {
  ca = await createTestCa();
  origin = await startOrigin(ca, {
    answer: (_message, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write('data: 1\n\n');
      if (_message.url === '/x') response.end();
    },
  });
});
after(async () => {
  await origin.close();
  ca.close();
});
beforeEach(async () => {
  wall = monday('12:00:00');
  monotonic = 0;
  clock = createClock({ wallMs: () => wall, monotonicMs: () => monotonic });
  fixture = await startFixture({ ca, origin, clock, ruleset: { grants: [during], guards: [] } });
});
afterEach(() => fixture.close());

function pass(ms: number): void {
  wall += ms;
  monotonic += ms;
}

async function ask(): Promise<Answer> {
  const socket = await openTunnel(fixture, origin.port);
  const answer = await send(socket, compose('GET', `${originName}:${origin.port}`, '/x'));
  socket.destroy();
  return answer;
}

describe('a request outside of its window is refused', () => {
  test('by a grant that holds during it', async () => {
    pass(6 * 3_600_000);
    const { problem } = await ask();
    assert.deepEqual([problem?.code, problem?.closest?.field], ['no_grant', 'during']);
  });

  test('by a guard that holds outside', async () => {
    fixture.swap({ grants: [rule], guards: [nights] });
    assert.equal((await ask()).status, 200);
    pass(6 * 3_600_000);
    assert.equal((await ask()).problem?.rule, 'nights');
  });
});

describe('P-14: a wall clock that is set opens no window', () => {
  for (const [title, grants, guards, code] of [
    ['of a grant', [during], [], 'no_grant'],
    ['that a guard leaves open', [rule], [nights], 'denied_by_rule'],
    ['of a grant by CEL', [{ ...rule, when: 'now.getHours() >= 8' }], [], 'no_grant'],
  ] as const) {
    test(`${title}, until the operator confirms it`, async () => {
      pass(12 * 3_600_000 - 60_000);
      fixture.swap({ grants, guards });
      wall = monday('12:00:00');
      assert.equal((await ask()).problem?.code, code);
      clock.confirm(monday('23:59:00'));
      assert.equal((await ask()).problem?.code, code);
      clock.confirm(wall);
      assert.equal((await ask()).status, 200);
    });
  }
});

describe('an open stream', () => {
  async function open(): Promise<Socket> {
    const socket = await openTunnel(fixture, origin.port);
    const seen: string[] = [];
    socket.on('data', (chunk: Buffer) => seen.push(chunk.toString()));
    socket.write(compose('GET', `${originName}:${origin.port}`, '/stream'));
    await waitFor({ what: 'the first event', timeoutMs: 10_000, everyMs: 5 }, async () =>
      seen.join('').includes('data: 1'),
    );
    return socket;
  }
  const endings: Record<string, [() => void, string]> = {
    'when its window ends': [() => pass(6 * 3_600_000), 'no_grant'],
    'P-14: when the clock steps': [() => void (wall += 600_000), 'no_grant'],
    'when a guard begins to hold': [
      () => {
        fixture.swap({ grants: [rule], guards: [nights] });
        pass(6 * 3_600_000);
      },
      'denied_by_rule',
    ],
  };
  for (const [title, [change, code]] of Object.entries(endings)) {
    test(`is cut ${title}`, async () => {
      const socket = await open();
      change();
      await once(socket, 'close', { signal: AbortSignal.timeout(10_000) });
      assert.equal((await fixture.record()).refusal?.reason, code);
    });
  }

  test('goes on from one minute to the next inside of its window', async () => {
    const socket = await open();
    for (let at = 0; at < 3; at += 1) {
      pass(60_000);
      await new Promise((resolve) => setTimeout(resolve, 1100));
    }
    assert.equal(socket.destroyed, false);
    socket.destroy();
  });
});
