import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { after, before, beforeEach, describe, test } from 'node:test';
import { codeOf, OperatorError } from '../../../operator/errors.ts';
import { createKubeClient, type KubeClient } from '../../../operator/kube/client.ts';
import { createAuthority, type AuthorityKeeper } from '../../../operator/webhook/authority.ts';
import { createCaStore, type CaStore } from '../../../operator/webhook/ca-store.ts';
import { startControlPlane, type ControlPlane } from '../../cluster/control-plane.ts';
import { waitFor } from '../../cluster/deadline.ts';

const namespace = 'outrider-system';
const name = 'outrider-ca';
const hourMs = 60 * 60_000;

let cluster: ControlPlane;
let kube: KubeClient;
let store: CaStore;
let stop: AbortController;

before(async () => {
  cluster = await startControlPlane();
  kube = createKubeClient({ kubeconfig: cluster.kubeconfig });
  store = createCaStore({ kube, namespace, name });
  await cluster.kubectl(['create', 'namespace', namespace]);
});
after(async () => {
  await kube?.close();
  await cluster?.stop();
});
beforeEach(async () => {
  stop = new AbortController();
  // As the chart brings it: with a label of its own and without data.
  const secret = {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name, namespace, labels: { app: 'outrider' } },
  };
  await cluster.kubectl(['delete', 'secret', name, '-n', namespace, '--ignore-not-found']);
  await cluster.kubectl(['create', '-f', '-'], { stdin: JSON.stringify(secret) });
});

interface Replica extends AuthorityKeeper {
  readonly failures: unknown[];
}

function replica(options: {
  leads: boolean;
  lifetimeMs?: number;
  overlapMs?: number;
  now?: () => number;
}): Replica {
  const failures: unknown[] = [];
  const authority = createAuthority({
    store,
    settings: { lifetimeMs: options.lifetimeMs ?? 24 * hourMs, overlapMs: options.overlapMs ?? hourMs },
    dnsNames: ['outrider.outrider-system.svc'],
    leads: () => options.leads,
    now: options.now ?? Date.now,
    fail: (error) => failures.push(error),
  });
  return { ...authority, failures };
}

const certificates = (pem: string): X509Certificate[] =>
  pem
    .split(/(?<=-----END CERTIFICATE-----\n)/)
    .filter((text) => text !== '')
    .map((text) => new X509Certificate(text));

/** Whose signature the replica's certificate bears, as its place in its own bundle. */
const signerIn = (authority: AuthorityKeeper): number =>
  certificates(authority.bundle()).findIndex((ca) =>
    new X509Certificate(authority.serving().cert).checkIssued(ca),
  );

describe('the authority', () => {
  test('has nothing to serve before a leader has minted a CA', async () => {
    const follower = replica({ leads: false });
    const started = follower.start(stop.signal);
    await store.read();
    assert.throws(
      () => follower.serving(),
      (error) => codeOf(error) === 'CERTIFICATE_UNAVAILABLE',
    );
    stop.abort();
    await started;
  });

  test('does not write over a CA that somebody else wrote first', async () => {
    const stored = await store.read();
    await replica({ leads: true }).start(stop.signal);
    stop.abort();
    await assert.rejects(store.write([], stored), (error) => codeOf(error) === 'KUBE_CONFLICT');
  });

  test('does not mint over a CA that it cannot read', async () => {
    const broken = { 'ca-1.crt': Buffer.from('not PEM').toString('base64') };
    await cluster.kubectl(['patch', 'secret', name, '-n', namespace, '-p', JSON.stringify({ data: broken })]);
    const leader = replica({ leads: true });
    const started = leader.start(stop.signal);
    await waitFor({ what: 'the failure', timeoutMs: 5000 }, async () => leader.failures.length > 0);
    assert.match(String(leader.failures[0]), /ca-1\.crt .*remove both of its keys/);
    stop.abort();
    await started;
    assert.throws(() => leader.bundle(), OperatorError);
  });

  test('mints one CA, whoever leads at the same moment, and every replica serves under it', async () => {
    const replicas = [replica({ leads: true }), replica({ leads: true }), replica({ leads: false })];
    await Promise.all(replicas.map((each) => each.start(stop.signal)));
    assert.equal(new Set(replicas.map((each) => each.bundle())).size, 1);
    assert.equal(certificates(replicas[0]?.bundle() ?? '').length, 1);
    assert.deepEqual(replicas.map(signerIn), [0, 0, 0]);
    assert.equal(new Set(replicas.map((each) => each.serving().cert)).size, 3);
    assert.deepEqual(
      replicas.flatMap(({ failures }) => failures),
      [],
    );
    stop.abort();
  });

  test('keeps what the chart wrote beside it', async () => {
    await replica({ leads: true }).start(stop.signal);
    stop.abort();
    const label = ['get', 'secret', name, '-n', namespace, '-o', 'jsonpath={.metadata.labels.app}'];
    assert.equal(await cluster.kubectl(label), 'outrider');
  });

  test('goes on with the same CA after a restart', async () => {
    const first = replica({ leads: true });
    await first.start(stop.signal);
    const second = replica({ leads: true });
    await second.start(stop.signal);
    assert.equal(second.bundle(), first.bundle());
    stop.abort();
  });

  test('goes on with what it has when the Secret is deleted', async () => {
    const leader = replica({ leads: true, overlapMs: 3000, lifetimeMs: hourMs });
    await leader.start(stop.signal);
    const bundle = leader.bundle();
    await cluster.kubectl(['delete', 'secret', name, '-n', namespace]);
    await waitFor({ what: 'the failure', timeoutMs: 5000 }, async () => leader.failures.length > 0);
    assert.equal(codeOf(leader.failures[0]), 'KUBE_NOT_FOUND');
    assert.equal(leader.bundle(), bundle);
    assert.equal(signerIn(leader), 0);
    stop.abort();
  });

  test('announces the next CA before it signs, and drops the old one when it has expired', async () => {
    const startedAt = Date.now();
    let aheadMs = 0;
    const now = (): number => startedAt + aheadMs;
    const settings = { lifetimeMs: 24 * hourMs, overlapMs: 6 * hourMs, now };
    const [leader, follower] = [
      replica({ ...settings, leads: true }),
      replica({ ...settings, leads: false }),
    ];
    const seen: string[] = [];
    const look = (): void => {
      const line = `${certificates(follower.bundle()).length} in the bundle, signed by ${signerIn(follower)}`;
      if (seen.at(-1) !== line) seen.push(line);
    };
    await Promise.all([leader, follower].map((each) => each.start(stop.signal)));
    look();
    follower.onChange(look);
    const steps: [number, number][] = [
      [12.1 * hourMs, 2],
      [18.2 * hourMs, 2],
      [24.05 * hourMs, 1],
    ];
    // The authority sleeps by the real clock, so that a step of the test's is noticed by starting it anew.
    for (const [at, size] of steps) {
      aheadMs = at;
      await leader.start(stop.signal);
      await follower.start(stop.signal);
      assert.equal(certificates(follower.bundle()).length, size, `at ${at / hourMs} h`);
      assert.equal(follower.bundle(), leader.bundle());
    }
    assert.deepEqual(seen, [
      '1 in the bundle, signed by 0',
      '2 in the bundle, signed by 0',
      '2 in the bundle, signed by 1',
      '1 in the bundle, signed by 0',
    ]);
    stop.abort();
  });

  test('tells every replica within seconds when an upgrade makes a CA due at once', async () => {
    const before_ = replica({ leads: true, lifetimeMs: 60_000, overlapMs: 20_000 });
    await before_.start(stop.signal);
    // These would look again in a minute.
    const [follower, leader] = [replica({ leads: false }), replica({ leads: true })];
    await follower.start(stop.signal);
    assert.equal(certificates(follower.bundle()).length, 1);
    await leader.start(stop.signal);
    await waitFor({ what: 'the next CA at the follower', timeoutMs: 5000 }, async () => {
      return certificates(follower.bundle()).length === 2;
    });
    assert.deepEqual([signerIn(leader), signerIn(follower)], [0, 0]);
    stop.abort();
  });

  test('rotates by itself while it runs, and every handshake trusts what was known a moment before', async () => {
    const settings = { lifetimeMs: 6000, overlapMs: 2000 };
    const [leader, follower] = [
      replica({ ...settings, leads: true }),
      replica({ ...settings, leads: false }),
    ];
    await Promise.all([leader, follower].map((each) => each.start(stop.signal)));
    const first = certificates(leader.bundle())[0]?.subject;
    let learnt = leader.bundle();
    let last = '';
    const startedAt = Date.now();
    while (certificates(follower.bundle())[0]?.subject === first) {
      assert.ok(Date.now() - startedAt < 20_000, 'the first CA is still trusted');
      await waitFor({ what: 'a renewal', timeoutMs: 5000 }, async () => follower.serving().cert !== last);
      last = follower.serving().cert;
      const served = new X509Certificate(last);
      assert.ok(certificates(learnt).some((ca) => served.checkIssued(ca) && served.verify(ca.publicKey)));
      learnt = leader.bundle();
    }
    stop.abort();
  });

  test('leaves no key of an expired CA in the Secret', async () => {
    const leader = replica({ leads: true });
    await leader.start(stop.signal);
    const later = replica({ leads: true, now: () => Date.now() + 25 * hourMs });
    await later.start(stop.signal);
    const { generations } = await store.read();
    assert.deepEqual(
      generations.map(({ number }) => number),
      [2],
    );
    stop.abort();
  });
});
