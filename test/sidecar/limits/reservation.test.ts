import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Charge } from '../../../policy/limits/charge.ts';
import { createLocalLimits, type Limits, type Reservation } from '../../../sidecar/limits/limits.ts';
import { charge } from './charges.ts';

async function reserve(limits: Limits, ...charges: readonly Charge[]): Promise<Reservation> {
  const reserved = await limits.reserve(charges);
  assert.ok(reserved.kind === 'reserved', reserved.kind);
  return reserved;
}

async function refusal(limits: Limits, ...charges: readonly Charge[]): Promise<string> {
  const reserved = await limits.reserve(charges);
  if (reserved.kind === 'reserved') {
    reserved.release();
    return 'room';
  }
  return `${reserved.kind} ${reserved.charge.limit} ${reserved.retryAfterMs === null ? 'never' : 'later'}`;
}

describe('a request for which there is no room', () => {
  const amounts: Readonly<Record<string, { charge: Charge; answer: string }>> = {
    'more than the limit': { charge: charge({ amount: 11 }), answer: 'exceeded rate never' },
    'no number': { charge: charge({ amount: NaN }), answer: 'exceeded rate never' },
    'a negative amount': { charge: charge({ amount: -1 }), answer: 'exceeded rate never' },
    'half a unit': { charge: charge({ amount: 0.5 }), answer: 'exceeded rate never' },
  };
  for (const [what, each] of Object.entries(amounts)) {
    it(`${what} is refused for ever`, async () => {
      assert.equal(await refusal(createLocalLimits(), each.charge), each.answer);
    });
  }

  it('P-13: of several limits all must have room, and when one has none the others lose nothing', async () => {
    const limits = createLocalLimits();
    const [minute, day] = [charge({ limit: 'minute', max: 100 }), charge({ limit: 'day', max: 1 })];
    (await reserve(limits, day)).commit();
    for (let tries = 0; tries < 200; tries += 1) {
      assert.equal(await refusal(limits, minute, day), 'exceeded day later');
    }
    await reserve(limits, charge({ limit: 'minute', max: 100, amount: 100 }));
  });

  it('a limit that nobody can lift is named before one that a person can', async () => {
    const limits = createLocalLimits();
    const soft = charge({ limit: 'soft', max: 1, exceeded: 'RequireApproval' });
    const hard = charge({ limit: 'hard', max: 1 });
    (await reserve(limits, soft, hard)).commit();
    assert.equal(await refusal(limits, soft, hard), 'exceeded hard later');
    assert.equal(await refusal(limits, soft), 'exceeded soft later');
  });

  it('P-13: a burst in parallel takes no more than there is', async () => {
    const limits = createLocalLimits();
    const all = await Promise.all(Array.from({ length: 500 }, async () => limits.reserve([charge()])));
    assert.equal(all.filter(({ kind }) => kind === 'reserved').length, 10);
  });
});

describe('a reservation', () => {
  it('is there at once, without a promise, where counters are local', () => {
    const reserved = createLocalLimits().reserve([charge()]);
    assert.ok(!(reserved instanceof Promise) && reserved.kind === 'reserved');
  });

  it('of a request without limits costs nothing', async () => {
    const limits = createLocalLimits();
    assert.equal(limits.reserve([]), limits.reserve([]));
    await limits.close();
  });

  it('is whole again after release, and after release only', async () => {
    const limits = createLocalLimits();
    const whole = charge({ amount: 10 });
    const reservation = await reserve(limits, whole);
    assert.equal(await refusal(limits, charge()), 'exceeded rate later');
    reservation.release();
    reservation.release();
    assert.equal(reservation.commit(), null);
    reservation.settle(0);
    assert.equal(await refusal(limits, whole), 'room');
    const sent = await reserve(limits, whole);
    sent.commit();
    sent.release();
    assert.equal(await refusal(limits, charge()), 'exceeded rate later');
  });

  it('of tokens gives back what the answer did not take, and counts what it took beyond', async () => {
    const limits = createLocalLimits();
    const tokens = (amount: number): Charge => charge({ amount, max: 1000, counts: 'tokens' });
    const cheap = await reserve(limits, tokens(800));
    cheap.commit();
    cheap.settle(100);
    cheap.settle(0);
    assert.equal(await refusal(limits, tokens(901)), 'exceeded rate later');
    const unknown = await reserve(limits, tokens(300));
    unknown.commit();
    unknown.settle(null);
    assert.equal(await refusal(limits, tokens(601)), 'exceeded rate later');
    const dear = await reserve(limits, tokens(100));
    dear.commit();
    dear.settle(700);
    assert.equal(await refusal(limits, tokens(1)), 'exceeded rate later');
  });

  it('of requests beside tokens settles the tokens alone', async () => {
    const limits = createLocalLimits();
    const requests = charge({ max: 1 });
    const reservation = await reserve(limits, requests, charge({ limit: 'tokens', counts: 'tokens' }));
    reservation.commit();
    reservation.settle(0);
    assert.equal(await refusal(limits, requests), 'exceeded rate later');
    assert.equal(await refusal(limits, charge({ limit: 'tokens', amount: 10 })), 'room');
  });
});

it('in local mode a limit of scope Policy is counted as one of the pod', async () => {
  const limits = createLocalLimits();
  const shared = charge({ scope: 'Policy', max: 1 });
  (await reserve(limits, shared)).commit();
  assert.equal(await refusal(limits, shared), 'exceeded rate later');
});
