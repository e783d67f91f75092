// No way around: a hostile image tries every way out of its pod on a real node, as an ordinary user and as root, over IPv4
// and IPv6. What arrives elsewhere is counted there, by the kernel of the node.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { stringify } from 'yaml';
import { waitFor } from '../cluster/deadline.ts';
import { startNode, type ClusterNode } from '../cluster/node.ts';
import { nodeSkipReason } from '../cluster/node-availability.ts';
import { buildHostileImage, hostileImage } from './hostile-image.ts';
import { allowVaultLogin, applyExample, installOutrider } from './installation.ts';
import { startTracker, type Tracker } from './tracker.ts';
import { startWorld, worldAddresses, type InnerPlace, type World } from './world.ts';

interface Try {
  readonly what: string;
  readonly outcome: string;
}

interface PodStatus {
  readonly podIP: string;
  readonly podIPs: readonly { readonly ip: string }[];
}

interface PodObject {
  readonly spec: {
    readonly initContainers?: readonly {
      readonly name: string;
      readonly securityContext: { readonly runAsUser: number; readonly runAsGroup: number };
    }[];
  };
  readonly status: PodStatus & {
    readonly initContainerStatuses?: readonly {
      readonly name: string;
      readonly restartCount: number;
      readonly state: { readonly terminated?: { readonly message?: string } };
    }[];
  };
}

describe('no way around', { skip: nodeSkipReason() ?? false, timeout: 800_000 }, () => {
  let node: ClusterNode;
  let tracker: Tracker;
  let world: World;
  let inner: readonly InnerPlace[];
  let hostile: PodObject;
  let free: PodObject;
  const token = `token-${randomBytes(12).toString('hex')}`;
  const kubectl = (...args: string[]) => node.kubectl(['-n', 'research', ...args], { timeoutMs: 120_000 });

  before(async () => {
    node = await startNode();
    await Promise.all([installOutrider(node), buildHostileImage(node)]);
    tracker = await startTracker(node, token);
    await node.vault.request('PUT', 'secret/data/agents/tracker', { data: { token } });
    await allowVaultLogin(node, 'research-agents', { name: 'triage', namespace: 'research' });
    await kubectl('create', 'namespace', 'research');
    await kubectl('label', 'namespace', 'research', 'team=research');
    await applyExample(node, 'first-policy/platform.yaml', { caBundle: tracker.caPem });
    for (const file of ['credential', 'policy', 'agent'])
      await applyExample(node, `first-policy/${file}.yaml`);
    await node.kubectl(['apply', '-f', '-'], {
      stdin: [pod('hostile', true), pod('free', false)].map((each) => stringify(each)).join('---\n'),
    });
    await kubectl('wait', '--for=condition=Ready', 'pod/hostile', 'pod/free', '--timeout=100s');
    hostile = await read('hostile');
    free = await read('free');
    const apiServer = await node.kubectl([
      'get',
      'service',
      'kubernetes',
      '-o',
      'jsonpath={.spec.clusterIP}',
    ]);
    const kubelet = await node.kubectl([
      'get',
      'nodes',
      '-o',
      'jsonpath={.items[0].status.daemonEndpoints.kubeletEndpoint.Port}',
    ]);
    inner = [
      { what: 'kubelet', address: node.address, port: Number(kubelet) },
      { what: 'API server', address: apiServer, port: 443 },
    ];
    world = await startWorld(addressesOf(hostile), inner);
  });
  after(async () => {
    await world?.close();
    tracker?.close();
    await node?.stop();
  });

  async function read(name: string): Promise<PodObject> {
    return JSON.parse(await kubectl('get', 'pod', name, '-o', 'json')) as PodObject;
  }

  async function attack(name: string, container: string): Promise<readonly Try[]> {
    const identity = hostile.spec.initContainers?.find((each) => each.name === 'outrider')?.securityContext;
    const plan = {
      ...worldAddresses,
      four: [...worldAddresses.four, ...inner.map(({ address }) => address)],
      own: addressesOf(name === 'hostile' ? hostile : free),
      ports: inner.map(({ port }) => port),
      gateway: 'fe80::1%eth0',
      allowed: 'tracker.upstream.svc:8443',
      uid: identity?.runAsUser ?? 20_000,
      gid: identity?.runAsGroup ?? 20_000,
    };
    const command = ['exec', name, '-c', container, '--', 'python3', '/attack.py', JSON.stringify(plan)];
    const lines = (await kubectl(...command)).trim().split('\n');
    return lines.map((line) => JSON.parse(line) as Try);
  }

  async function assertAllowed(): Promise<void> {
    const before = tracker.seen.length;
    const command = ['curl', '-sS', '-m', '10', '-o', '/dev/null', '-w', '%{http_code}'];
    const url = 'https://tracker.upstream.svc:8443/issues';
    // Without the proxy variables too: the name leads to the sidecar whatever the client knows.
    for (const how of [[], ['--noproxy', '*']]) {
      assert.equal(await kubectl('exec', 'hostile', '-c', 'agent', '--', ...command, ...how, url), '200');
    }
    assert.deepEqual(
      tracker.seen.slice(before).map(({ path, authorization }) => [path, authorization]),
      [
        ['/issues', `Bearer ${token}`],
        ['/issues', `Bearer ${token}`],
      ],
    );
  }

  async function assertNothingLeft(): Promise<void> {
    const left = Object.entries(await world.packets()).filter(([, packets]) => packets > 0);
    assert.deepEqual(left, []);
  }

  it('a pod that is not injected reaches each of the other hosts, so the counting works', async () => {
    const control = await startWorld(addressesOf(free), inner);
    const tries = await attack('free', 'agent');
    const packets = await control.packets();
    const reached = (address: string): boolean => (packets[address] ?? 0) > 0;
    const families = addressesOf(free);
    assert.deepEqual(
      worldAddresses.four.filter((address) => !reached(address)),
      [],
    );
    assert.ok(
      families.some((address) => address.includes(':')),
      'pods have IPv6 here',
    );
    assert.deepEqual(
      worldAddresses.six.filter((address) => !reached(address)),
      [],
    );
    assert.ok(tries.length > 250, `${tries.length} tries`);
    world = await startWorld(addressesOf(hostile), inner);
  });

  it('the level that was reached stands in the status of the pod', async () => {
    const { initContainerStatuses = [] } = (await read('hostile')).status;
    const message = initContainerStatuses.find(({ name }) => name === 'outrider-capture')?.state.terminated
      ?.message;
    assert.equal((JSON.parse(message ?? '{}') as { level?: string }).level, 'captured');
  });

  for (const [who, container] of [
    ['uid 1000', 'agent'],
    ['root', 'rooted'],
  ] as const) {
    it(`N-01…N-21, K-06, K-11, K-12: 0 packets of ${who} reach another host, and what is allowed still works`, async () => {
      await assertAllowed();
      const tries = await attack('hostile', container);
      await assertNothingLeft();
      const passed = tries.filter(({ what, outcome }) => isThrough(what, outcome));
      assert.deepEqual(passed, []);
      await assertAllowed();
      process.stdout.write(`${who}: ${tries.length} tries, ${JSON.stringify(tally(tries))}\n`);
    });
  }

  it('K-15: nor while the sidecar is killed in a loop', async () => {
    const attacks = new AbortController();
    const over = Promise.all([attack('hostile', 'agent'), attack('hostile', 'rooted')]).finally(() =>
      attacks.abort(),
    );
    let kills = 0;
    for (; !attacks.signal.aborted && kills < 40; kills++) {
      await node
        .killContainer({ namespace: 'research', pod: 'hostile', container: 'outrider' })
        .catch(() => undefined);
      await delay(700);
    }
    await over;
    await assertNothingLeft();
    assert.ok(kills >= 3, `${kills} kills`);
    await waitFor({ what: 'the sidecar is back', timeoutMs: 60_000, evidence: () => '' }, async () => {
      await assertAllowed();
      return true;
    });
    await assertNothingLeft();
  });
});

/** Two containers of one image: an ordinary user, and root as far as admission lets it. */
function pod(name: string, isInjected: boolean): object {
  const container = (containerName: string, runAsUser: number) => ({
    name: containerName,
    image: hostileImage,
    command: ['sleep', 'infinity'],
    securityContext: { runAsUser },
  });
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace: 'research',
      labels: { app: name },
      annotations: { 'outrider.dev/inject': String(isInjected) },
    },
    spec: {
      serviceAccountName: 'triage',
      terminationGracePeriodSeconds: 1,
      containers: [container('agent', 1000), container('rooted', 0)],
    },
  };
}

function addressesOf({ status }: PodObject): readonly string[] {
  return status.podIPs.map(({ ip }) => ip);
}

/**
 * An answer may come from the sidecar alone: a refusal, the allowed place's answer to its own name, or DNS. All else that
 * succeeds would have passed it.
 */
function isThrough(what: string, outcome: string): boolean {
  if (outcome === 'became it, and passed') return true;
  // Connected, at a port that is captured; nothing was said.
  if (outcome === 'done') return !what.startsWith('from loopback');
  if (/^(?:fast open|forged|raw|ping|a frame|sctp|dccp|udplite|udp connected .* 9999)/.test(what))
    return /^(?:answered|connected)/.test(outcome);
  if (what.startsWith('udp ') && !what.endsWith(' 53')) return outcome.startsWith('answered');
  if (what.startsWith('dns tunnel')) return !/^answered with code [35]$/.test(outcome);
  return false;
}

function tally(tries: readonly Try[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { outcome } of tries) counts[outcome] = (counts[outcome] ?? 0) + 1;
  return counts;
}
