import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  createCachedValue,
  type CachedValue,
  type FreshValue,
} from '../../../sidecar/credentials/cached-value.ts';
import type { Lease } from '../../../sidecar/credentials/provider.ts';
import { SidecarError } from '../../../sidecar/errors.ts';
import { waitFor } from '../../cluster/deadline.ts';
import { materialOf, opened } from './opened.ts';

/** What a source would do, step by step: each reading is another user with another lease. */
interface Script {
  attempts: number;
  reads: number;
  renewals: number;
  readonly revoked: number[];
  /** What a renewal gives; an error is thrown. */
  renewal: number | null | Error;
  failing: boolean;
  leaseMs: number;
}

let script: Script;
let value: CachedValue;

beforeEach(() => {
  script = { attempts: 0, reads: 0, renewals: 0, revoked: [], renewal: 300, failing: false, leaseMs: 300 };
  value = createCachedValue({
    prefetchAfterMs: null,
    read: async (): Promise<FreshValue> => {
      script.attempts += 1;
      if (script.failing) throw new SidecarError('VAULT_SEALED');
      script.reads += 1;
      const name = script.reads;
      const lease: Lease = {
        durationMs: script.leaseMs,
        renew: async () => {
          script.renewals += 1;
          if (script.renewal instanceof Error) throw script.renewal;
          return script.renewal;
        },
        revoke: async () => void script.revoked.push(name),
      };
      return { material: materialOf(`user-${name}`), lifetimeMs: script.leaseMs, lease };
    },
    onChange: () => {},
    now: () => performance.now(),
  });
});
afterEach(() => value.drop());

async function until(what: string, probe: () => boolean): Promise<void> {
  await waitFor({ what, timeoutMs: 8000, everyMs: 5 }, async () => probe() || undefined);
}

describe('a value under a lease', () => {
  test('P-21: is not served beyond its lease while the source is down, and is had again without a restart', async () => {
    assert.equal(opened(await value.get()), 'user-1');
    script.renewal = new SidecarError('VAULT_UNREACHABLE');
    script.failing = true;
    await sleep(100);
    assert.equal(opened(await value.get()), 'user-1', 'while it lives');
    await sleep(300);
    await assert.rejects(value.get(), { code: 'VAULT_UNREACHABLE' });
    [script.renewal, script.failing] = [300, false];
    await until('recovery', () => value.state().failure === null);
    assert.equal(opened(await value.get()), 'user-2');
  });

  test('P-21: is renewed at two thirds, and stays the same value', async () => {
    assert.equal(opened(await value.get()), 'user-1');
    await until('three renewals', () => script.renewals >= 3);
    assert.equal(opened(await value.get()), 'user-1');
    assert.equal(script.reads, 1);
    assert.equal(value.state().rotatedAt, null);
  });

  test('P-21: that cannot be renewed any longer gives way to another without a gap, and lives on for who has it', async () => {
    assert.equal(opened(await value.get()), 'user-1');
    script.renewal = null;
    const seen = new Set<string>();
    await until('the next one', () => script.reads === 2);
    seen.add(opened(await value.get()));
    assert.deepEqual([...seen], ['user-2']);
    assert.notEqual(value.state().rotatedAt, null);
    assert.deepEqual(script.revoked, [], 'requests with the old one may be under way');
  });

  test('P-21: of a year is not renewed again and again, which a timer of more than 24 days would do', async () => {
    script.leaseMs = 365 * 86_400_000;
    script.renewal = script.leaseMs;
    await value.get();
    await sleep(100);
    assert.deepEqual([script.reads, script.renewals], [1, 0]);
  });

  test('P-11: is given up with the pod, and so are those that it took the place of', async () => {
    await value.get();
    script.renewal = null;
    await until('the next one', () => script.reads === 2);
    await value.drop();
    assert.deepEqual(
      script.revoked.toSorted((a, b) => a - b),
      [1, 2],
    );
    await assert.rejects(value.get(), { code: 'CREDENTIAL_UNBOUND' });
  });

  test('P-11: that arrives after the credential was dropped is given up at once', async () => {
    const asked = value.get();
    void value.drop();
    await assert.rejects(asked, { code: 'CREDENTIAL_UNBOUND' });
    await until('the end of the lease', () => script.revoked.length === 1);
  });

  test('P-11: whose replacement still waits for its time is not read any more', async () => {
    const asked = value.replace(await value.get());
    await value.drop();
    await assert.rejects(asked, { code: 'CREDENTIAL_UNBOUND' });
    assert.equal(script.reads, 1);
  });

  test('P-20: a source that fails is asked at longer and longer intervals, up to three seconds, by those who need it', async () => {
    script.failing = true;
    let failures = 0;
    const startedAtMs = performance.now();
    for (; performance.now() < startedAtMs + 5500; await sleep(5)) {
      await assert.rejects(value.get(), { code: 'VAULT_SEALED' });
      failures += 1;
    }
    assert.ok(failures > 300);
    // At 0, 1 and 4 s.
    assert.ok(script.attempts >= 2 && script.attempts <= 3, `${script.attempts} times`);
    script.failing = false;
    await until('recovery', () => {
      void value.get().catch(() => {});
      return value.state().failure === null;
    });
    assert.equal(opened(await value.get()), 'user-1');
  });

  test('P-20: an upstream that refuses every user is no reason to make one a second', async () => {
    script.leaseMs = 60_000;
    let refused = await value.get();
    for (const endsAtMs = performance.now() + 3500; performance.now() < endsAtMs; await sleep(10)) {
      refused = await value.replace(refused);
    }
    assert.ok(script.reads <= 3, `${script.reads} users`);
  });
});
