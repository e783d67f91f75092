import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Charge } from '../../../policy/limits/charge.ts';
import { createLimits, type Limits, type Reservation } from '../../../sidecar/limits/limits.ts';
import { createAuthority, type Authority, type Certificate } from '../../cluster/certificates.ts';
import { waitFor } from '../../cluster/deadline.ts';
import { charge as anyCharge } from './charges.ts';
import { startGrantingOperator, type GrantingOperator } from './granting-operator.ts';

let folder = '';
let authority: Authority;
let certificate: Certificate;
let operator: GrantingOperator;
let limits: Limits;
let codes: string[] = [];

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'outrider-limits-'));
  authority = await createAuthority(folder);
  certificate = await authority.issue({
    name: 'operator',
    subject: '/CN=outrider',
    alternativeNames: ['IP:127.0.0.1'],
    usages: ['serverAuth'],
  });
});
after(() => rmSync(folder, { recursive: true, force: true }));
beforeEach(async () => {
  codes = [];
  operator = await startGrantingOperator(certificate);
  limits = createLimits({
    endpoint: {
      url: operator.url,
      ca: () => authority.certPem,
      token: () => Promise.resolve('canary.token.1'),
    },
    stateDirectory: mkdtempSync(join(folder, 'state-')),
    diagnostics: { failed: ({ code }) => codes.push(code) },
  });
});
afterEach(async () => {
  await limits.close();
  await operator.close();
});

const charge = (fields: Partial<Charge> = {}): Charge =>
  anyCharge({ scope: 'Policy', max: 1000, windowMs: 3_600_000, ...fields });

async function reserve(...charges: readonly Charge[]): Promise<Reservation> {
  const reserved = await limits.reserve(charges);
  assert.ok(reserved.kind === 'reserved', `${reserved.kind}, ${codes.join(' ')}`);
  return reserved;
}

async function outcome(...charges: readonly Charge[]): Promise<string> {
  const reserved = await limits.reserve(charges);
  if (reserved.kind !== 'reserved') return reserved.kind;
  return reserved.commit()?.kind ?? 'sent';
}

describe('without the operator', () => {
  const answers: Readonly<Record<string, { instead: GrantingOperator['instead']; code: string }>> = {
    'one that does not know the pod': {
      instead: { status: 403, body: '{}' },
      code: 'OPERATOR_REFUSED',
    },
    'one without a leader': { instead: { status: 503, body: '{}' }, code: 'OPERATOR_UNAVAILABLE' },
    'one that sends no JSON': { instead: { status: 200, body: '<html>' }, code: 'STREAM_MALFORMED' },
    'one that answers something else': {
      instead: { status: 200, body: '{"answers":[]}' },
      code: 'STREAM_MALFORMED',
    },
    'one whose amounts are text': {
      instead: {
        status: 200,
        body: '{"answers":[{"share":{"id":"s","amount":"9","lifetimeMs":9},"granted":"9","renewed":[],"refusal":null,"retryAfterMs":null}]}',
      },
      code: 'STREAM_MALFORMED',
    },
  };
  for (const [what, { instead, code }] of Object.entries(answers)) {
    it(`${what}: unavailable, and nothing is sent`, async () => {
      operator.instead = instead;
      assert.equal(await outcome(charge()), 'unavailable');
      assert.deepEqual(codes, [code]);
    });
  }

  it('what is held is still spent, and then it is unavailable, without a wait for each request', async () => {
    await reserve(charge({ amount: 5 }));
    const held = await reserve(charge());
    await operator.close();
    assert.equal(held.commit(), null);
    const sinceMs = performance.now();
    const outcomes = [];
    for (let request = 0; request < 50; request += 1) outcomes.push(await outcome(charge({ amount: 20 })));
    assert.deepEqual(new Set(outcomes), new Set(['unavailable']));
    assert.ok(performance.now() - sinceMs < 2000);
    assert.ok(codes.length <= 3, codes.join(' '));
  });

  it('P-13: what waited longer than its lease is not sent', async () => {
    operator.lifetimeMs = 400;
    const held = await reserve(charge());
    await operator.close();
    await sleep(500);
    const refusal = held.commit();
    assert.equal(refusal?.kind, 'unavailable');
    held.settle(null);
    held.release();
  });
});

describe('with the operator', () => {
  it('shows its token', async () => {
    await reserve(charge());
    assert.deepEqual(operator.authorizations, ['Bearer canary.token.1']);
  });

  it('what is exceeded says when to try again, and is not asked for again at once', async () => {
    operator.room = 0;
    const first = await limits.reserve([charge()]);
    assert.ok(first.kind === 'exceeded' && first.retryAfterMs !== null);
    assert.ok(first.retryAfterMs > 6000 && first.retryAfterMs <= 7000, `${first.retryAfterMs}`);
    for (let request = 0; request < 100; request += 1) assert.equal(await outcome(charge()), 'exceeded');
    assert.equal(operator.asks.length, 1);
  });

  it('many requests are a few questions, and most do not wait', async () => {
    operator.room = 1000;
    let waited = 0;
    for (let request = 0; request < 500; request += 1) {
      const reserved = limits.reserve([charge()]);
      if (reserved instanceof Promise) waited += 1;
      const outcome = await reserved;
      assert.ok(outcome.kind === 'reserved' && outcome.commit() === null);
    }
    assert.ok(operator.asks.length < 30, `${operator.asks.length} questions`);
    assert.ok(waited < 30, `${waited} waited`);
  });

  it('P-13: a burst in parallel spends what was granted and no more', async () => {
    operator.room = 30;
    const outcomes = await Promise.all(Array.from({ length: 100 }, async () => outcome(charge())));
    assert.equal(outcomes.filter((each) => each === 'sent').length, 30);
  });

  it('a request that waits for a person keeps what it reserved past its lease', async () => {
    operator.lifetimeMs = 400;
    const held = await reserve(charge());
    await sleep(1500);
    assert.equal(held.commit(), null);
    assert.ok(operator.asks.some(({ shares }) => shares.some(({ renew }) => renew === 1)));
  });

  it('tokens that an answer did not take come back, though it took longer than the lease', async () => {
    operator.lifetimeMs = 400;
    operator.room = 1000;
    const tokens = await reserve(charge({ amount: 900, counts: 'tokens' }));
    assert.equal(tokens.commit(), null);
    await sleep(1000);
    tokens.settle(100);
    assert.equal(await outcome(charge({ amount: 800 })), 'sent');
  });

  it('what an answer took beyond its reservation is told', async () => {
    const tokens = await reserve(charge({ amount: 10, counts: 'tokens' }));
    tokens.commit();
    tokens.settle(25);
    await waitFor({ what: 'the debt', timeoutMs: 3000 }, async () =>
      operator.asks.some(({ overdrawn }) => overdrawn === 15),
    );
  });

  it('what is not needed any more goes back, and all of it at the end', async () => {
    const held = await reserve(charge({ amount: 40 }));
    held.release();
    await limits.close();
    const { shares = [] } = operator.asks.at(-1) ?? {};
    assert.ok(shares.length > 0 && shares.every(({ kept, renew }) => kept === 0 && renew === 0));
  });

  it('a limit that was changed is asked for anew', async () => {
    (await reserve(charge({ amount: 40 }))).release();
    operator.room = 0;
    assert.equal(await outcome(charge({ max: 500 })), 'exceeded');
  });

  it('P-13: beside a limit of the pod, both have room or neither is charged', async () => {
    operator.room = 1;
    const own = charge({ limit: 'own', scope: 'Pod', max: 2 });
    assert.equal(await outcome(own, charge()), 'sent');
    for (let request = 0; request < 20; request += 1) assert.equal(await outcome(own, charge()), 'exceeded');
    assert.equal(await outcome(own), 'sent');
    assert.equal(await outcome(own), 'exceeded');
  });
});
