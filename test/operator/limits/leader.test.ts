import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import fastify from 'fastify';
import type { HeldShare, LimitAnswer } from '../../../policy/limits-contract.ts';
import { OperatorError } from '../../../operator/errors.ts';
import { coverMs, createLimitsLeader, type LimitsLeader } from '../../../operator/limits/leader.ts';
import type { LimitStore, StoredLimits } from '../../../operator/limits/store.ts';

const { log } = fastify({ logger: false });
const minute = 60_000;
let nowMs = 0;
let content: StoredLimits | null = null;
let writes = 0;

beforeEach(() => {
  nowMs = 0;
  content = null;
  writes = 0;
});

/** Storage as the API server has it: a write of another version than the present one is a conflict. */
const store: LimitStore = {
  list: () => Promise.resolve(content === null ? [] : [content]),
  read: () => Promise.resolve(content),
  write: (namespace, text, previous) => {
    writes += 1;
    if (content === null && previous !== null) return Promise.reject(new OperatorError('KUBE_NOT_FOUND'));
    const [base, present] = [previous, content].map((each) => each?.configMap.metadata.resourceVersion);
    if (base !== present) return Promise.reject(new OperatorError('KUBE_CONFLICT'));
    content = {
      namespace,
      text,
      configMap: { metadata: { name: 'limits', resourceVersion: String(writes) } },
    };
    return Promise.resolve(content);
  },
};

function startLeader(leads: () => boolean = () => true): LimitsLeader {
  return createLimitsLeader({ store, leads, now: () => nowMs, log });
}

interface Question {
  readonly uid?: string;
  readonly need?: number;
  readonly want?: number;
  readonly overdrawn?: number;
  readonly shares?: readonly HeldShare[];
  readonly max?: number;
  readonly windowMs?: number;
  readonly limit?: string;
}

async function ask(leader: LimitsLeader, question: Question): Promise<LimitAnswer> {
  const { uid = 'a', need = 0, want = need, overdrawn = 0, shares = [], limit = 'l' } = question;
  const { max = 10, windowMs = minute } = question;
  const rule = { name: limit, max, windowMs, scope: 'Policy', exceeded: 'Deny' } as const;
  const [answer] = await leader.answer({ uid, namespace: 'team' }, [
    { ask: { policy: 'p', rule: 'r', limit, need, want, overdrawn, shares }, limit: rule },
  ]);
  assert.ok(answer);
  return answer;
}

describe('the leader’s refusals', () => {
  it('a replica that does not lead grants nothing', async () => {
    const leader = startLeader(() => false);
    await assert.rejects(ask(leader, { need: 1 }), { code: 'NOT_LEADER' });
    assert.equal(writes, 0);
  });

  it('what is spent is exceeded, with the time at which there is room', async () => {
    const leader = startLeader();
    assert.equal((await ask(leader, { need: 10 })).granted, 10);
    const { granted, refusal, retryAfterMs } = await ask(leader, { need: 1 });
    assert.deepEqual([granted, refusal], [0, 'exceeded']);
    assert.ok(
      retryAfterMs !== null && retryAfterMs >= minute && retryAfterMs < 1.2 * minute,
      `${retryAfterMs}`,
    );
    nowMs = retryAfterMs;
    assert.equal((await ask(leader, { need: 1 })).granted, 1);
  });

  it('says whole milliseconds, though its clock has fractions: sidecars take nothing else for an answer', async () => {
    const leader = startLeader();
    nowMs = 0.25;
    await ask(leader, { need: 10 });
    nowMs = 1234.567;
    const { refusal, retryAfterMs } = await ask(leader, { need: 1 });
    assert.equal(refusal, 'exceeded');
    assert.ok(Number.isSafeInteger(retryAfterMs), `${retryAfterMs}`);
  });

  it('what another pod holds unspent is unavailable, until that pod says that it spent it', async () => {
    const leader = startLeader();
    const { share } = await ask(leader, { uid: 'b', need: 10 });
    assert.equal((await ask(leader, { need: 1 })).refusal, 'unavailable');
    const spent = { id: share?.id ?? '', spent: 10, kept: 10, renew: 0 };
    await ask(leader, { uid: 'b', shares: [spent] });
    assert.equal((await ask(leader, { need: 1 })).refusal, 'exceeded');
  });

  it('more than the limit in one is exceeded for ever, whoever holds what', async () => {
    const leader = startLeader();
    await ask(leader, { uid: 'b', need: 5 });
    const { refusal, retryAfterMs } = await ask(leader, { need: 11 });
    assert.deepEqual([refusal, retryAfterMs], ['exceeded', null]);
  });

  it('O-05: a pod gives back only what is its own', async () => {
    const leader = startLeader();
    const { share } = await ask(leader, { uid: 'b', need: 10 });
    const foreign = { id: share?.id ?? '', spent: 0, kept: 0, renew: 0 };
    assert.equal((await ask(leader, { need: 1, shares: [foreign] })).granted, 0);
  });

  it('a limit that the ruleset does not have is unavailable, and leaves no trace', async () => {
    const known = { policy: 'p', rule: 'r', limit: 'none', need: 1, want: 1, overdrawn: 0, shares: [] };
    const answers = await startLeader().answer({ uid: 'a', namespace: 'team' }, [
      { ask: known, limit: null },
    ]);
    assert.deepEqual(
      answers.map(({ refusal }) => refusal),
      ['unavailable'],
    );
    assert.equal(writes, 0);
  });

  it('when what is stored is garbage, every limit is full for one window', async () => {
    content = { namespace: 'team', text: '{"format":1', configMap: { metadata: { name: 'limits' } } };
    const leader = startLeader();
    assert.equal((await ask(leader, { need: 1 })).refusal, 'exceeded');
    nowMs = 2 * minute;
    assert.equal((await ask(leader, { need: 1 })).granted, 1);
  });
});

describe('shares', () => {
  it('one pod gets the whole of a limit, and no more, before the window ends', async () => {
    const leader = startLeader();
    let total = 0;
    for (let asked = 0; asked < 40; asked += 1) total += (await ask(leader, { need: 1, want: 3 })).granted;
    assert.equal(total, 10);
  });

  it('no pod gets all of what is free just by wanting it', async () => {
    const leader = startLeader();
    assert.equal((await ask(leader, { need: 1, want: 1000, max: 1000 })).granted, 250);
    assert.equal((await ask(leader, { uid: 'b', need: 1, want: 1000, max: 1000 })).granted, 93);
  });

  it('what is given back is there for others at once, however often it is said', async () => {
    const leader = startLeader();
    const { share } = await ask(leader, { need: 10 });
    const back = [{ id: share?.id ?? '', spent: 4, kept: 4, renew: 0 }];
    await ask(leader, { shares: back });
    await ask(leader, { shares: back });
    assert.equal((await ask(leader, { uid: 'b', need: 7 })).granted, 0);
    assert.equal((await ask(leader, { uid: 'b', need: 6 })).granted, 6);
  });

  it('a renewed share lives longer and counts longer, and a repeated message renews nothing twice', async () => {
    const leader = startLeader();
    const { share } = await ask(leader, { need: 10, max: 40 });
    nowMs = 5000;
    const renewal = { shares: [{ id: share?.id ?? '', spent: 4, kept: 4, renew: 6 }], max: 40 };
    const first = await ask(leader, renewal);
    assert.deepEqual([first.renewed, first.share?.amount, first.granted], [[6], 6, 0]);
    const second = await ask(leader, renewal);
    assert.deepEqual([second.renewed, second.share], [[0], null]);
    assert.equal((await ask(leader, { need: 31, max: 40 })).granted, 0, '10 count');
    assert.equal((await ask(leader, { need: 30, max: 40 })).granted, 30);
  });

  it('what was overdrawn counts, even beyond the limit', async () => {
    const leader = startLeader();
    await ask(leader, { overdrawn: 15 });
    assert.equal((await ask(leader, { need: 1 })).refusal, 'exceeded');
  });

  it('a limit that is raised gives room at once, one that is lowered none until enough has expired', async () => {
    const leader = startLeader();
    assert.equal((await ask(leader, { need: 10 })).granted, 10);
    assert.equal((await ask(leader, { need: 1, max: 5 })).refusal, 'exceeded');
    assert.equal((await ask(leader, { need: 10, max: 20 })).granted, 10);
  });
});

describe('what is stored', () => {
  it('a new leader counts all that the old one granted, and the rest of its chunk', async () => {
    const old = startLeader();
    for (let asked = 0; asked < 10; asked += 1)
      assert.equal((await ask(old, { need: 8, max: 100 })).granted, 8);
    const next = startLeader();
    assert.equal((await ask(next, { need: 21, max: 100 })).granted, 0);
    nowMs = 2 * minute;
    assert.equal((await ask(next, { need: 100, max: 100 })).granted, 100);
  });

  it('P-13: two replicas that both believe they lead grant no more than the limit between them', async () => {
    const [one, other] = [startLeader(), startLeader()];
    let total = 0;
    for (let asked = 0; asked < 200; asked += 1) {
      total += (await ask(asked % 3 === 0 ? one : other, { need: 1, max: 100 })).granted;
    }
    assert.ok(total > 20 && total <= 100, `${total}`);
  });

  it('P-13: what a replaced leader still grants from its chunk is counted until a window after that', async () => {
    const windowMs = 8000;
    const [old, next] = [startLeader(), startLeader()];
    const limit = { max: 160, windowMs };
    assert.equal((await ask(old, { need: 1, ...limit })).granted, 1);
    // The chunk is a sixteenth of the limit: nine are left of it.
    nowMs = 100;
    assert.equal((await ask(next, { uid: 'b', need: 1, ...limit })).granted, 1);
    nowMs = coverMs - 100;
    const { share } = await ask(old, { need: 9, ...limit });
    assert.equal(share?.amount, 9, 'the old leader does not know yet');
    // That share may be spent until its lease ends; a window from then on, it counts at the new leader.
    nowMs += share?.lifetimeMs ?? 0;
    const spentAtMs = nowMs;
    for (; nowMs < spentAtMs + windowMs; nowMs += 250) {
      const { granted } = await ask(next, { uid: 'b', need: 152, ...limit });
      assert.equal(granted, 0, `at ${nowMs - spentAtMs} ms after`);
    }
    nowMs += coverMs + windowMs;
    assert.equal((await ask(next, { uid: 'b', need: 152, ...limit })).granted, 152);
  });

  it('a leader that hands over leaves no chunk behind', async () => {
    const old = startLeader();
    assert.equal((await ask(old, { need: 40, max: 100 })).granted, 40);
    await old.close();
    await assert.rejects(ask(old, { need: 1, max: 100 }), { code: 'SHUTTING_DOWN' });
    assert.equal((await ask(startLeader(), { need: 60, max: 100 })).granted, 60);
  });

  it('removed by hand, it is stored anew and nothing is forgotten', async () => {
    const leader = startLeader();
    await ask(leader, { need: 9 });
    content = null;
    // Its chunk has ended, so that it must write again.
    nowMs = coverMs;
    assert.equal((await ask(leader, { need: 2 })).refusal, 'exceeded');
    assert.equal((await ask(leader, { need: 1 })).granted, 1);
    assert.match(JSON.stringify(content), /p\/r\/l/);
  });

  it('in steady use a namespace is written once in five seconds at most', async () => {
    const leader = startLeader();
    const limits = ['l1', 'l2', 'l3'];
    const lasts = 10 * minute;
    let granted = 0;
    let before = 0;
    for (; nowMs < lasts; nowMs += 100) {
      if (nowMs === minute) before = writes;
      const limit = limits[(nowMs / 100) % 3] ?? 'l1';
      // The first is used up all the time, the others never.
      const max = limit === 'l1' ? 60 : 100_000;
      granted += (await ask(leader, { limit, need: 1, max })).granted;
    }
    const perWrite = (lasts - minute) / (writes - before);
    assert.ok(perWrite >= 5000, `one write in ${perWrite} ms`);
    assert.ok(granted > 4000, `${granted}`);
  });
});
