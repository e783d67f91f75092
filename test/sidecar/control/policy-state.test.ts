import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import type { Watermark } from '../../../policy/contract.ts';
import { rulesetRevision, type Ruleset } from '../../../policy/ruleset.ts';
import { createKeptWatermark } from '../../../sidecar/control/kept-watermark.ts';
import { createPolicyState, type PolicyState } from '../../../sidecar/control/policy-state.ts';
import type { SidecarError } from '../../../sidecar/errors.ts';
import { waitFor } from '../../cluster/deadline.ts';
import { rulesetWith } from '../settable-snapshots.ts';

let folder = '';
let directory = '';
let state: PolicyState;
let nowMs = 0;
let failures: SidecarError[] = [];
let confirmed: number[] = [];

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'outrider-state-'));
});
after(() => rmSync(folder, { recursive: true, force: true }));
beforeEach(() => {
  directory = mkdtempSync(join(folder, 'state-'));
  failures = [];
  confirmed = [];
  nowMs = 1_000_000;
  state = restarted();
});

function restarted(): PolicyState {
  return createPolicyState({
    kept: createKeptWatermark({ directory }),
    onFailure: (error) => failures.push(error),
    clock: { confirm: (operatorMs) => void confirmed.push(operatorMs) },
    now: () => nowMs,
  });
}

const grants = rulesetWith({
  grants: [{ policy: 'p', name: 'read', action: 'Allow', hosts: ['api.example'] }],
});
const none = rulesetWith({});
const halted = rulesetWith({ halt: { policy: 'stop' } });

function event(ruleset: Ruleset, version: number | Watermark, lease = 60): object {
  const watermark = typeof version === 'number' ? { AgentPolicy: String(version) } : version;
  return { revision: rulesetRevision(ruleset), watermark, lease, ruleset };
}

function heartbeat(version: number): object {
  return { watermark: { AgentPolicy: String(version) } };
}

function inForce(): Ruleset | undefined {
  return state.current()?.ruleset;
}

async function acknowledged(revision: string): Promise<void> {
  const wait = { what: 'the acknowledgement', timeoutMs: 5000, everyMs: 5 };
  await waitFor(wait, async () => state.acknowledged() === revision);
}

describe('before the first ruleset', () => {
  test('nothing is in force, nothing is fresh, and a heartbeat changes neither', () => {
    state.acceptHeartbeat(heartbeat(5));
    assert.equal(state.current(), null);
    assert.equal(state.fresh(), false);
    assert.equal(state.acknowledged(), '');
  });
});

describe('P-12, O-11: refused, while the last good ruleset stays', () => {
  beforeEach(() => state.acceptRuleset(event(grants, 10)));

  const unreadable: Record<string, object> = {
    'an unknown format': { ...none, format: 2 },
    'a feature that this sidecar lacks': { ...none, requires: ['rules/v9'] },
    'a ruleset without grants': { ...none, grants: undefined },
    'a rule that cannot be compiled': { ...none, guards: [null] },
  };
  for (const [what, ruleset] of Object.entries(unreadable)) {
    test(`${what}: the last one runs out, whatever heartbeats say`, () => {
      assert.throws(() => state.acceptRuleset(event(ruleset as Ruleset, 11)), { code: 'RULESET_UNREADABLE' });
      assert.deepEqual(inForce(), grants);
      nowMs += 50_000;
      state.acceptHeartbeat(heartbeat(11));
      assert.equal(state.fresh(), true);
      nowMs += 10_001;
      assert.equal(state.fresh(), false);
      state.acceptRuleset(event(none, 12));
      assert.equal(state.fresh(), true);
    });
  }

  test('a ruleset whose content is not that of its revision', () => {
    const mixed = { ...event(none, 11), revision: rulesetRevision(halted) };
    assert.throws(() => state.acceptRuleset(mixed), { code: 'RULESET_UNREADABLE' });
    assert.deepEqual(inForce(), grants);
  });

  const malformed: Record<string, unknown> = {
    'no object': 'ruleset',
    null: null,
    'no revision': { ...event(none, 11), revision: undefined },
    'a revision with other characters': { ...event(none, 11), revision: 'a\nb' },
    'no watermark': { ...event(none, 11), watermark: undefined },
    'a watermark that is no number': { ...event(none, { AgentPolicy: '0x11' }) },
    'a watermark with a leading zero': { ...event(none, { AgentPolicy: '011' }) },
    'a lease that is no number': { ...event(none, 11), lease: '60' },
    'a negative lease': { ...event(none, 11), lease: -1 },
    'a lease that is not a number': { ...event(none, 11), lease: Number.NaN },
    'a time that is text': { ...event(none, 11), time: '2026-01-01T00:00:00Z' },
    'a time that is no time': { ...event(none, 11), time: -1 },
    'a time with fractions': { ...event(none, 11), time: 1.5 },
  };
  for (const [what, value] of Object.entries(malformed)) {
    test(`an event with ${what}`, () => {
      assert.throws(() => state.acceptRuleset(value), { code: 'STREAM_MALFORMED' });
      assert.deepEqual(inForce(), grants);
    });
  }

  test('a heartbeat without a watermark', () => {
    assert.throws(() => state.acceptHeartbeat({}), { code: 'STREAM_MALFORMED' });
    assert.throws(() => state.acceptHeartbeat(null), { code: 'STREAM_MALFORMED' });
  });

  test('a halt is obeyed even in a ruleset that cannot be enforced', () => {
    const newer = { ...halted, requires: ['rules/v9'] };
    assert.throws(() => state.acceptRuleset(event(newer, 11)), { code: 'RULESET_UNREADABLE' });
    assert.deepEqual(inForce()?.halt, { policy: 'stop' });
  });
});

describe('P-11, O-10: what is older than anything seen', () => {
  const known: Watermark = { AgentPolicy: '10', Namespace: '999' };
  const older: Record<string, Watermark> = {
    'lower in one kind': { AgentPolicy: '9', Namespace: '1000' },
    'lower in the other kind': { AgentPolicy: '11', Namespace: '998' },
    'lower, although longer as text sorts': { AgentPolicy: '9', Namespace: '1000' },
    'without a kind that was known': { AgentPolicy: '11' },
    empty: {},
  };
  for (const [what, watermark] of Object.entries(older)) {
    test(`a ruleset whose watermark is ${what} does not lift a halt, nor after a restart`, async () => {
      state.acceptRuleset(event(halted, known));
      await acknowledged(rulesetRevision(halted));
      assert.throws(() => state.acceptRuleset(event(grants, watermark)), { code: 'RULESET_OLDER' });
      assert.throws(() => state.acceptHeartbeat({ watermark }), { code: 'RULESET_OLDER' });
      assert.deepEqual(inForce(), halted);
      state = restarted();
      assert.deepEqual(state.watermark(), known);
      assert.throws(() => state.acceptRuleset(event(grants, watermark)), { code: 'RULESET_OLDER' });
      assert.equal(state.current(), null);
    });
  }

  test('an older heartbeat does not lengthen the lease', () => {
    state.acceptRuleset(event(grants, 10));
    nowMs += 59_000;
    assert.throws(() => state.acceptHeartbeat(heartbeat(9)), { code: 'RULESET_OLDER' });
    nowMs += 1001;
    assert.equal(state.fresh(), false);
  });

  test('versions beyond what a number can hold are told apart', () => {
    state.acceptRuleset(event(grants, { AgentPolicy: '90071992547409931' }));
    assert.throws(() => state.acceptHeartbeat({ watermark: { AgentPolicy: '90071992547409930' } }), {
      code: 'RULESET_OLDER',
    });
  });
});

describe('the lease', () => {
  test('ends 60 s after the last heartbeat, by a clock that nobody sets', () => {
    state.acceptRuleset(event(grants, 10));
    nowMs += 59_999;
    assert.equal(state.fresh(), true);
    state.acceptHeartbeat(heartbeat(10));
    nowMs += 59_999;
    assert.equal(state.fresh(), true);
    nowMs += 1;
    assert.equal(state.fresh(), false);
    assert.deepEqual(inForce(), grants, 'the ruleset itself stays known');
    state.acceptHeartbeat(heartbeat(10));
    assert.equal(state.fresh(), true);
  });

  test('is what the operator has left when it cannot confirm, and never more than 60 s', () => {
    state.acceptRuleset(event(grants, 10, 5));
    nowMs += 5000;
    assert.equal(state.fresh(), false);
    state.acceptRuleset(event(none, 11, 3600));
    nowMs += 60_000;
    assert.equal(state.fresh(), false);
  });
});

describe('P-14: the operator’s time', () => {
  test('that is none is refused, and changes neither the clock nor the lease', () => {
    state.acceptRuleset(event(grants, 10));
    nowMs += 59_000;
    for (const time of [null, '1', 0, 1.5, 2 ** 60]) {
      assert.throws(() => state.acceptHeartbeat({ ...heartbeat(10), time }), { code: 'STREAM_MALFORMED' });
    }
    nowMs += 1001;
    assert.equal(state.fresh(), false);
    assert.deepEqual(confirmed, []);
  });

  test('reaches the clock with every event, also of one that is older than what was seen', () => {
    state.acceptRuleset({ ...event(grants, 10), time: 1_000 });
    state.acceptHeartbeat({ ...heartbeat(10), time: 2_000 });
    assert.throws(() => state.acceptHeartbeat({ ...heartbeat(9), time: 3_000 }), { code: 'RULESET_OLDER' });
    assert.deepEqual(confirmed, [1_000, 2_000, 3_000]);
  });

  test('is not missed where an older operator sends none', () => {
    state.acceptRuleset(event(grants, 10));
    state.acceptHeartbeat(heartbeat(10));
    assert.equal(state.fresh(), true);
    assert.deepEqual(confirmed, []);
  });
});

describe('a swap', () => {
  test('is told once, whole, and not again for the same revision', () => {
    const seen: string[] = [];
    const stop = state.onChange((snapshot) => seen.push(snapshot.revision));
    state.acceptRuleset(event(grants, 10));
    state.acceptRuleset(event(grants, 11));
    state.acceptRuleset(event(none, 12));
    stop();
    state.acceptRuleset(event(halted, 13));
    assert.deepEqual(seen, [rulesetRevision(grants), rulesetRevision(none)]);
  });

  test('is in force at once and acknowledged when its watermark is on disk', async () => {
    let told = 0;
    state.onAcknowledged(() => (told += 1));
    state.acceptRuleset(event(grants, 10));
    assert.deepEqual(inForce(), grants);
    assert.equal(state.acknowledged(), '');
    await acknowledged(rulesetRevision(grants));
    const kept: unknown = JSON.parse(readFileSync(join(directory, 'watermark.json'), 'utf8'));
    assert.deepEqual(kept, { AgentPolicy: '10' });
    assert.equal(told, 1);
  });

  test('is enforced but not acknowledged while the disk cannot be written, and then after all', async () => {
    mkdirSync(join(directory, 'watermark.json.new'));
    state.acceptRuleset(event(halted, 10));
    await waitFor({ what: 'the failure', timeoutMs: 5000 }, async () => failures.length > 0);
    assert.equal(failures[0]?.code, 'STATE_UNWRITABLE');
    assert.deepEqual(inForce(), halted);
    assert.equal(state.acknowledged(), '');
    rmSync(join(directory, 'watermark.json.new'), { recursive: true });
    state.acceptHeartbeat(heartbeat(10));
    await acknowledged(rulesetRevision(halted));
  });
});

describe('a kept watermark that cannot be read stops the start', () => {
  for (const text of ['', '{', '[]', '{"AgentPolicy":10}', '{"AgentPolicy":"-1"}']) {
    test(`such as ${JSON.stringify(text)}`, () => {
      writeFileSync(join(directory, 'watermark.json'), text);
      assert.throws(() => restarted(), { code: 'STATE_UNREADABLE' });
    });
  }
});
