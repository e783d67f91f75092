import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { inspect } from 'node:util';
import type { CredentialReport } from '../../../policy/contract.ts';
import type { Ruleset } from '../../../policy/ruleset.ts';
import type { RulesetCredential } from '../../../policy/ruleset-credential.ts';
import { createCredentials, type Credentials } from '../../../sidecar/credentials/credentials.ts';
import { createFileProvider } from '../../../sidecar/credentials/file.ts';
import type { Providers } from '../../../sidecar/credentials/provider.ts';
import { createEgress } from '../../../sidecar/proxy/egress.ts';
import { waitFor } from '../../cluster/deadline.ts';
import { opened } from './opened.ts';
import { createSettableSnapshots, rulesetWith, type SettableSnapshots } from '../settable-snapshots.ts';

const hourMs = 3_600_000;
let directory = '';
let snapshots: SettableSnapshots;
let credentials: Credentials;
let reads = 0;
let forgotten = 0;
let skewMs = 0;

before(() => {
  directory = mkdtempSync(join(tmpdir(), 'outrider-credentials-'));
});
after(() => rmSync(directory, { recursive: true, force: true }));

beforeEach(() => {
  [reads, forgotten, skewMs] = [0, 0, 0];
  snapshots = createSettableSnapshots();
  const files = createFileProvider({ directory });
  // The real source of files, counted; it takes a moment, as a store on the network does.
  const counted: Providers['file'] = {
    async read(source, stores) {
      reads += 1;
      await sleep(20);
      return files.read(source, stores);
    },
    async forget() {
      forgotten += 1;
    },
  };
  const unused = { read: () => Promise.reject(new Error('unused')), forget: async () => {} };
  credentials = createCredentials({
    snapshots,
    providers: { vault: unused, awsSecretsManager: unused, file: counted },
    dial: createEgress({ resolver: { resolve: async () => [] } }).dial,
    now: () => performance.now() + skewMs,
  });
});
afterEach(() => credentials.close());

function credential(path: string, refreshIntervalMs = hourMs): RulesetCredential {
  return { source: { kind: 'file', path }, allow: [], inject: { kind: 'bearer' }, refreshIntervalMs };
}

function binding(path: string, refreshIntervalMs?: number): Ruleset {
  return rulesetWith({ credentials: { bot: credential(path, refreshIntervalMs) } });
}

function store(path: string, value: string): void {
  writeFileSync(join(directory, path), value);
}

async function reported(probe: (report: CredentialReport | undefined) => boolean): Promise<CredentialReport> {
  await waitFor({ what: 'the report', timeoutMs: 10_000, everyMs: 10 }, async () =>
    probe(credentials.report()[0]),
  );
  return credentials.report()[0] as CredentialReport;
}

describe('refused', () => {
  test('a credential that the ruleset does not bind', async () => {
    const snapshot = snapshots.set(binding('token'));
    await assert.rejects(credentials.resolve('other', snapshot), { code: 'CREDENTIAL_UNBOUND' });
    await assert.rejects(credentials.resolve('toString', snapshot), { code: 'CREDENTIAL_UNBOUND' });
  });

  test('a credential that has become another since the request was decided', async () => {
    store('token', 'first');
    const before = snapshots.set(binding('token'));
    assert.equal(opened(await credentials.resolve('bot', before)), 'first');
    store('elsewhere', 'second');
    const after = snapshots.set(binding('elsewhere'));
    await assert.rejects(credentials.resolve('bot', before), { code: 'CREDENTIAL_UNBOUND' });
    assert.equal(opened(await credentials.resolve('bot', after)), 'second');
  });

  test('P-23: a value that its slot cannot carry, before any request, and without printing it', async () => {
    store('token', 'canary-1 with a space');
    const snapshot = snapshots.set(binding('token'));
    const report = await reported((latest) => latest?.state === 'Failing');
    assert.equal(report.code, 'SECRET_UNPRINTABLE');
    const error: unknown = await credentials.resolve('bot', snapshot).catch((thrown: unknown) => thrown);
    assert.doesNotMatch(inspect([error, report], { depth: null, showHidden: true }), /canary/);
  });

  test('P-20: a failing source, which is read at most once a second however many ask', async () => {
    rmSync(join(directory, 'token'), { force: true });
    const snapshot = snapshots.set(binding('token'));
    const until = performance.now() + 1500;
    let asked = 0;
    while (performance.now() < until) {
      const asking = Array.from({ length: 20 }, () => credentials.resolve('bot', snapshot));
      for (const answer of await Promise.allSettled(asking)) {
        assert.equal(answer.status, 'rejected');
        assert.equal((answer.reason as { code?: string }).code, 'FILE_NOT_FOUND');
      }
      asked += asking.length;
      await sleep(5);
    }
    assert.ok(asked > 1000, `asked ${asked} times`);
    assert.ok(reads <= 2, `read ${reads} times`);
  });

  test('P-11: whoever still waits for a secret when the agent is halted', async () => {
    store('token', 'first');
    const snapshot = snapshots.set(binding('token'));
    const waiting = credentials.resolve('bot', snapshot);
    snapshots.set({ ...binding('token'), halt: { policy: 'stop' } });
    await assert.rejects(waiting, { code: 'CREDENTIAL_UNBOUND' });
    assert.deepEqual(credentials.report(), []);
    assert.ok(forgotten > 0, 'the sessions with the source are given up');
  });
});

describe('resolved', () => {
  test('ahead of any request, so that status can tell', async () => {
    store('token', 'first');
    snapshots.set(binding('token'));
    assert.deepEqual(credentials.report(), [{ name: 'bot', state: 'Pending' }]);
    assert.deepEqual(await reported((latest) => latest?.state !== 'Pending'), {
      name: 'bot',
      state: 'Resolved',
    });
    assert.equal(reads, 1);
  });

  test('once, however many requests wait for it', async () => {
    store('token', 'first');
    const snapshot = snapshots.set(binding('token'));
    const all = await Promise.all(Array.from({ length: 100 }, () => credentials.resolve('bot', snapshot)));
    assert.equal(new Set(all).size, 1);
    await credentials.resolve('bot', snapshot);
    assert.equal(reads, 1);
  });

  test('from memory when the ruleset changes elsewhere, for requests of both rulesets', async () => {
    store('token', 'first');
    const before = snapshots.set(binding('token'));
    const secret = await credentials.resolve('bot', before);
    const after = snapshots.set({ ...binding('token'), destinations: {}, operatorCas: 'other' });
    assert.equal(await credentials.resolve('bot', after), secret);
    assert.equal(await credentials.resolve('bot', before), secret);
    assert.equal(reads, 1);
  });
});

describe('over time', () => {
  test('a rotated value is seen at the next refresh, ahead of the end of the old one', async () => {
    store('token', 'first');
    const snapshot = snapshots.set(binding('token', 1000));
    assert.equal(opened(await credentials.resolve('bot', snapshot)), 'first');
    let told = 0;
    const stop = credentials.onChange(() => (told += 1));
    store('token', 'second');
    const startedAtMs = performance.now();
    const report = await reported((latest) => latest?.rotatedAt !== undefined);
    stop();
    assert.ok(performance.now() - startedAtMs < 1000);
    assert.equal(report.state, 'Resolved');
    assert.equal(told, 1);
    assert.equal(opened(await credentials.resolve('bot', snapshot)), 'second');
  });

  test('P-21: a failing source serves the value until its lease ends, then refuses, then recovers', async () => {
    store('token', 'first');
    const snapshot = snapshots.set(binding('token', 800));
    await credentials.resolve('bot', snapshot);
    const readAtMs = performance.now();
    rmSync(join(directory, 'token'));
    const failing = await reported((latest) => latest?.state === 'Failing');
    assert.equal(failing.code, 'FILE_NOT_FOUND');
    assert.ok(performance.now() - readAtMs < 800, 'it is told ahead');
    assert.equal(opened(await credentials.resolve('bot', snapshot)), 'first');
    await sleep(readAtMs + 850 - performance.now());
    await assert.rejects(credentials.resolve('bot', snapshot), { code: 'FILE_NOT_FOUND' });
    store('token', 'first');
    const recovered = await reported((latest) => latest?.state === 'Resolved');
    assert.equal(recovered.rotatedAt, undefined, 'the same value is no rotation');
    assert.equal(opened(await credentials.resolve('bot', snapshot)), 'first');
  });

  test('P-20: a value that an upstream refuses is read again once, for all who ask', async () => {
    store('token', 'first');
    const snapshot = snapshots.set(binding('token'));
    const refused = await credentials.resolve('bot', snapshot);
    const readAtMs = performance.now();
    store('token', 'second');
    const storm = await Promise.all(
      Array.from({ length: 50 }, () => credentials.replace('bot', snapshot, refused)),
    );
    assert.deepEqual([...new Set(storm.map(opened))], ['second']);
    assert.equal(reads, 2);
    assert.ok(performance.now() - readAtMs > 900, 'a source is asked at most once a second');
    assert.equal(await credentials.replace('bot', snapshot, refused), storm[0], 'the newer value is enough');
    assert.equal(await credentials.resolve('bot', snapshot), storm[0]);
    assert.equal(reads, 2);
  });

  test('P-20: an upstream that refuses every value is no reason to go on reading', async () => {
    store('token', 'first');
    const snapshot = snapshots.set(binding('token'));
    const refused = await credentials.resolve('bot', snapshot);
    skewMs += 1001;
    await credentials.replace('bot', snapshot, refused);
    assert.equal(reads, 2);
    for (let storm = 0; storm < 50; storm += 1) {
      skewMs += 39;
      assert.equal(opened(await credentials.replace('bot', snapshot, refused)), 'first');
    }
    assert.equal(reads, 2, 'not within two seconds');
    for (let ms = 0; ms < 60_000; ms += 100) {
      skewMs += 100;
      await credentials.replace('bot', snapshot, refused);
    }
    assert.ok(reads <= 8, `${reads} reads in a minute`);
    store('token', 'second');
    skewMs += 30_000;
    assert.equal(opened(await credentials.replace('bot', snapshot, refused)), 'second');
  });
});
