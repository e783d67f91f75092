import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Decision } from '../../../policy/decision.ts';
import { applyCounters, evaluateCharges, strictest } from '../../../policy/limits/apply.ts';
import { counterKey, type Charge } from '../../../policy/limits/charge.ts';

const day: Charge = {
  policy: 'support-agent',
  rule: 'refund',
  limit: 'day',
  amount: 700,
  max: 1000,
  windowMs: 86_400_000,
  scope: 'Policy',
  exceeded: 'Deny',
  counts: 'sum',
};
const rate: Charge = { ...day, limit: 'rate', amount: 1, max: 30, windowMs: 60_000, counts: 'requests' };
const lifted: Charge = {
  ...day,
  exceeded: 'RequireApproval',
  approval: { groups: ['support-leads'], waitMs: 10_000, expiresMs: 600_000 },
};
const allowed: Decision = {
  action: 'allow',
  reason: null,
  policy: 'support-agent',
  rule: 'refund',
  message: null,
  revision: 'r',
  credential: 'stripe',
  inject: { kind: 'bearer' },
  destination: null,
  closest: null,
  charges: [day, rate],
  approval: null,
  statusOnly: true,
  observed: false,
  shadow: null,
};

describe('a decision whose limits have no room', () => {
  it('is a refusal that names the limit, what it is, and when to try again, and takes nothing along', () => {
    const decision = applyCounters(allowed, { kind: 'exceeded', charge: day, retryAfterMs: 2_100_000 });
    const { action, reason, policy, rule, message, credential, charges, closest, statusOnly } = decision;
    assert.deepEqual(
      { action, reason, policy, rule, credential, charges, statusOnly },
      {
        action: 'deny',
        reason: 'limit_exceeded',
        policy: 'support-agent',
        rule: 'refund',
        credential: null,
        charges: [],
        statusOnly: false,
      },
    );
    assert.equal(
      message,
      'The limit day of the rule refund in support-agent is used up (at most 1000 in sum in any 24h); try again in 35m.',
    );
    assert.deepEqual(closest, { policy: 'support-agent', rule: 'refund', field: 'limits[day]', message });
  });

  it('says of one request that is too much to send less, and not what it wanted', () => {
    const much = { ...day, amount: 123_456 };
    const { message } = applyCounters(allowed, { kind: 'exceeded', charge: much, retryAfterMs: null });
    assert.match(message ?? '', /^This request alone goes beyond the limit day .*; send less\.$/);
    assert.doesNotMatch(message ?? '', /123456/);
  });

  it('is another refusal when no share could be had', () => {
    const decision = applyCounters(allowed, { kind: 'unavailable', charge: rate, retryAfterMs: 1000 });
    assert.equal(decision.reason, 'limit_unavailable');
    assert.match(decision.message ?? '', /at most 30 requests in any 1m.*try again in 1s\.$/);
  });

  it('is a hold where the limit says so, by the approvers of its rule', () => {
    const decision = applyCounters(allowed, { kind: 'exceeded', charge: lifted, retryAfterMs: 5000 });
    assert.deepEqual([decision.action, decision.reason], ['hold', 'approval_required']);
    assert.equal(decision.credential, 'stripe');
    assert.deepEqual(decision.approval, {
      by: [{ policy: 'support-agent', rule: 'refund', groups: ['support-leads'] }],
      waitMs: 10_000,
      expiresMs: 600_000,
    });
    assert.match(decision.message ?? '', /somebody must approve what goes beyond it\.$/);
  });

  it('a hold is held by all, for the shortest time', () => {
    const others = [{ policy: 'z', rule: 'ask', groups: [] }];
    const held: Decision = {
      ...allowed,
      action: 'hold',
      reason: 'approval_required',
      approval: { by: others, waitMs: 25_000, expiresMs: 60_000 },
    };
    const { approval } = applyCounters(held, { kind: 'exceeded', charge: lifted, retryAfterMs: null });
    assert.deepEqual(approval, {
      by: [...others, { policy: 'support-agent', rule: 'refund', groups: ['support-leads'] }],
      waitMs: 10_000,
      expiresMs: 60_000,
    });
  });

  it('a share that could not be had is no reason to ask a person', () => {
    const decision = applyCounters(allowed, { kind: 'unavailable', charge: lifted, retryAfterMs: null });
    assert.deepEqual([decision.action, decision.reason], ['deny', 'limit_unavailable']);
  });

  it('a refusal stays what it was', () => {
    const denied: Decision = { ...allowed, action: 'deny', reason: 'no_grant' };
    assert.equal(applyCounters(denied, { kind: 'exceeded', charge: day, retryAfterMs: null }), denied);
  });
});

describe('of several refusals', () => {
  const refusal = (kind: 'exceeded' | 'unavailable', charge: Charge) => ({
    kind,
    charge,
    retryAfterMs: null,
  });
  it('the one that nobody can lift counts, then the one that is not known, then the one that a person can lift', () => {
    const [hard, unknown, soft] = [
      refusal('exceeded', day),
      refusal('unavailable', rate),
      refusal('exceeded', lifted),
    ];
    assert.equal(strictest([soft, unknown, hard]), hard);
    assert.equal(strictest([soft, unknown]), unknown);
    assert.equal(strictest([soft]), soft);
    assert.deepEqual(strictest([]), { kind: 'room' });
  });
});

describe('counters that a file states', () => {
  const cases: Readonly<
    Record<string, { charges: Charge[]; used: Record<string, number>; verdict: string }>
  > = {
    'one more than there is': { charges: [day], used: { [counterKey(day)]: 301 }, verdict: 'exceeded day' },
    'another limit is full': {
      charges: [day, rate],
      used: { [counterKey(rate)]: 30 },
      verdict: 'exceeded rate',
    },
    'two charges of one limit': { charges: [day, day], used: {}, verdict: 'exceeded day' },
    'exactly what there is': { charges: [day], used: { [counterKey(day)]: 300 }, verdict: 'room' },
    'nothing used': { charges: [day, rate], used: {}, verdict: 'room' },
    'nothing taken of what is overdrawn': {
      charges: [{ ...day, amount: 0 }],
      used: { [counterKey(day)]: 5000 },
      verdict: 'room',
    },
  };
  for (const [what, { charges, used, verdict }] of Object.entries(cases)) {
    it(`${what}: ${verdict}`, () => {
      const found = evaluateCharges(charges, used);
      assert.equal(found.kind === 'room' ? 'room' : `${found.kind} ${found.charge.limit}`, verdict);
    });
  }
});
