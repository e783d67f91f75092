import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import type { RulesetRule } from '../../../policy/ruleset.ts';
import { renderDecisionLine } from '../../../sidecar/audit/decision-line.ts';
import { writeExchangeSpans } from '../../../sidecar/audit/exchange-spans.ts';
import { createSpanBytes } from '../../../sidecar/audit/span-bytes.ts';
import type { ExchangeRecord } from '../../../sidecar/audit/record.ts';
import { createClock } from '../../../sidecar/clock.ts';
import { startFixture, tokenPlaceholder, type Fixture } from './fixture.ts';
import { createTestCa, originName, startOrigin, type Origin, type TestCa } from './origin.ts';
import { compose, openTunnel, send, type Answer } from './raw-client.ts';

let ca: TestCa;
let origin: Origin;
let fixture: Fixture;
let nowMs = 0;

const untilMs = Date.parse('2026-12-31T00:00:00Z');
const team = { policy: 'team', destination: 'origin' } as const;

before(async () => {
  ca = await createTestCa();
  origin = await startOrigin(ca);
});
after(async () => {
  await origin.close();
  ca.close();
});
beforeEach(async () => {
  nowMs = untilMs - 1000;
  origin.received.length = 0;
  const clock = createClock({ wallMs: () => nowMs, monotonicMs: () => nowMs });
  fixture = await startFixture({ ca, origin, clock });
});
afterEach(() => fixture.close());

async function ask(path: string, head = ''): Promise<Answer> {
  const socket = await openTunnel(fixture, origin.port);
  const answer = await send(socket, compose('GET', `${originName}:${origin.port}`, path, head));
  socket.destroy();
  return answer;
}

/** Texts of a protobuf message stand in it as they are. */
function spansOf(record: ExchangeRecord): string {
  const spans = createSpanBytes(64 * 1024);
  writeExchangeSpans(spans, record);
  return spans.take().toString('latin1');
}

describe('under observe-until', () => {
  beforeEach(() => fixture.swap({ observeUntilMs: untilMs }));

  for (const [title, path, head, code] of [
    ['a guard holds', '/token/forbidden/x', '', 'denied_by_rule'],
    // No rule opened the place for it, and public addresses alone need none.
    ['what no rule grants reaches no private address', '/elsewhere', '', 'destination_blocked'],
    [
      'a placeholder is not sent anywhere',
      '/elsewhere',
      `Authorization: Bearer ${tokenPlaceholder}\r\n`,
      'no_grant',
    ],
    ['a path that can be read in two ways is refused', '/a%2Fb', '', 'request_ambiguous'],
  ] as const) {
    test(`${title}: ${code}`, async () => {
      assert.equal((await ask(path, head)).problem?.code, code);
      assert.equal(origin.received.length, 0);
    });
  }

  test('after its day nothing is forwarded that no rule grants', async () => {
    nowMs = untilMs;
    assert.equal((await ask('/elsewhere')).problem?.code, 'no_grant');
    const record = await fixture.record();
    assert.equal(record.decision?.observed, false);
  });

  test('the decision line and the span say observed, and no credential', async () => {
    await ask('/elsewhere', 'Authorization: Bearer own\r\n');
    const record = await fixture.record();
    assert.equal(record.decision?.observed, true);
    const line = JSON.parse(renderDecisionLine(record)) as Record<string, unknown>;
    assert.deepEqual([line.observed, line.credential, line.policy], [true, null, null]);
    assert.match(spansOf(record), /outrider\.observed/);
  });

  test('what a rule grants is not observed', async () => {
    assert.equal((await ask('/token/x')).status, 200);
    const record = await fixture.record();
    assert.equal(record.decision?.observed, false);
    assert.doesNotMatch(spansOf(record), /outrider\.observed/);
  });
});

describe('a policy in mode Audit', () => {
  const draft: RulesetRule = { ...team, policy: 'draft', name: 'close', action: 'Deny', audit: true };
  const open: RulesetRule = { ...team, policy: 'draft', name: 'open', action: 'Allow', audit: true };
  const cases: Record<string, [string, RulesetRule[], RulesetRule[], number, string | null]> = {
    'that would deny changes nothing': ['/plain/x', [draft], [], 200, 'deny denied_by_rule draft close'],
    'that would allow changes nothing': ['/elsewhere', [], [open], 403, 'allow draft open'],
    'that would do the same leaves no mark': ['/plain/x', [], [open], 200, null],
  };
  for (const [title, [path, guards, grants, status, shadow]] of Object.entries(cases)) {
    test(`${title}, and says so in line and span`, async () => {
      const plain: RulesetRule = { ...team, name: 'plain', action: 'Allow', paths: ['/plain/**'] };
      fixture.swap({ guards, grants: [...grants, plain] });
      assert.equal((await ask(path)).status, status);
      const record = await fixture.record();
      const line = JSON.parse(renderDecisionLine(record)) as Record<string, unknown>;
      assert.equal(line.shadow, shadow);
      assert.equal(spansOf(record).includes('outrider.shadow'), shadow !== null);
      if (shadow !== null) assert.ok(spansOf(record).includes(shadow));
    });
  }
});
