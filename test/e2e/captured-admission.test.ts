// What a platform team does with agents' pods by kubectl, on a node where they run: workloads as real projects publish them,
// exec, debug, resize, an operator that is away, and a namespace that is not captured.

import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { stringify } from 'yaml';
import { waitFor } from '../cluster/deadline.ts';
import { startNode, type ClusterNode } from '../cluster/node.ts';
import { nodeSkipReason } from '../cluster/node-availability.ts';
import { applyChart, installOutrider } from './installation.ts';
import { tryEach, type Outcome } from './pod-tries.ts';
import { warningOf } from './rows.ts';
import { buildStandIn, createSurroundings, readShapes, type Shape } from './shapes.ts';
import { startStore, type Store } from './stores.ts';
import { startWiki, type Wiki } from './wiki.ts';
import { startWorld, worldAddresses } from './world.ts';

const wikiUrl = 'http://wiki.tools.svc:8080';

interface PodObject {
  readonly spec: {
    readonly initContainers: readonly {
      readonly name: string;
      readonly securityContext?: { readonly runAsUser?: number };
    }[];
  };
  readonly status: { readonly podIPs: readonly { readonly ip: string }[] };
}

describe('agents’ pods and kubectl', { skip: nodeSkipReason() ?? false, timeout: 500_000 }, () => {
  let node: ClusterNode;
  let wiki: Wiki;
  let store: Store;
  let shapes: readonly Shape[];
  const kubectl = (...args: string[]) => node.kubectl(['-n', 'research', ...args], { timeoutMs: 120_000 });
  const apply = (...objects: object[]) =>
    node.kubectl(['apply', '-f', '-'], { stdin: objects.map((each) => stringify(each)).join('---\n') });
  const create = (object: object) => node.kubectl(['create', '-f', '-'], { stdin: stringify(object) });

  before(async () => {
    node = await startNode();
    await Promise.all([installOutrider(node), buildStandIn(node)]);
    [wiki, store] = await Promise.all([startWiki(node), startStore(node, null)]);
    const places = [
      { name: 'langgraph-postgres', port: 5432 },
      { name: 'langgraph-redis', port: 6379 },
    ];
    for (const each of places) {
      await node.publishHostService({ namespace: 'research', hostPort: store.port, ...each });
    }
    await kubectl('label', 'namespace', 'research', 'team=research');
    await node.kubectl(['create', 'namespace', 'casual']);
    await node.kubectl(['label', 'namespace', 'casual', 'team=research', 'outrider.dev/capture=cooperative']);
    await apply(
      destination('wiki', { namespace: 'tools', name: 'wiki', port: 8080, scheme: 'http' }),
      ...places.map((each) => destination(each.name, { namespace: 'research', scheme: 'tcp', ...each })),
      policy('research', ['wiki', ...places.map(({ name }) => name)]),
      policy('casual', ['wiki']),
    );
    shapes = await readShapes('research', wikiUrl);
    await apply(...(await createSurroundings(node, 'research')));
    await apply(...shapes.map(({ manifest }) => manifest));
    await node.kubectl(['create', 'namespace', 'agents']);
    await node.kubectl(['label', 'namespace', 'agents', 'outrider.dev/inject=enabled']);
    await create(pod('agent'));
    await create(pod('agent', { namespace: 'agents', annotations: {} }));
    for (const { name, resource } of shapes.filter(({ kind }) => kind === 'CronJob')) {
      await kubectl('create', 'job', name, `--from=${resource}`);
    }
    for (const namespace of ['research', 'agents']) {
      const ready = ['wait', '--for=condition=Ready', 'pod/agent', '--timeout=100s'];
      await node.kubectl(['-n', namespace, ...ready], { timeoutMs: 120_000 });
    }
  });
  after(async () => {
    wiki?.close();
    store?.close();
    await node?.stop();
  });

  async function exec(name: string, container: string, ...command: string[]): Promise<string> {
    return kubectl('exec', name, '-c', container, '--', ...command);
  }

  /** An allowed request, by netfilter alone. */
  async function assertAllowed(name: string, container = 'agent'): Promise<void> {
    const command = ['curl', '-sS', '-m', '10', '--noproxy', '*', '-o', '/dev/null', '-w', '%{http_code}'];
    assert.equal(await exec(name, container, ...command, `${wikiUrl}/${name}/${container}`), '200');
  }

  async function debug(name: string, custom: object, ...options: string[]): Promise<string> {
    const file = join(node.folder, `${name}.json`);
    await writeFile(file, JSON.stringify(custom));
    const fixed = ['debug', 'agent', '-c', name, '--image=localhost/node:26', `--custom=${file}`];
    return kubectl(...fixed, ...options, '--', 'sleep', 'infinity');
  }

  const asUser = (runAsUser: number): object => ({ securityContext: { runAsUser } });
  const restricted = '--profile=restricted';

  async function sidecarUid(name: string): Promise<number> {
    const { spec } = JSON.parse(await kubectl('get', 'pod', name, '-o', 'json')) as PodObject;
    return (
      spec.initContainers.find(({ name }) => name === 'outrider')?.securityContext?.runAsUser ?? assert.fail()
    );
  }

  it('K-16: exec and attach do not enter the sidecar, nor what wrote its rules', async () => {
    for (const container of ['outrider', 'outrider-capture']) {
      const refused = new RegExp(`container must not be ${container}: nobody enters Outrider’s sidecar`);
      await assert.rejects(exec('agent', container, 'id'), refused);
      await assert.rejects(kubectl('attach', 'agent', '-c', container), refused);
    }
    assert.match(await exec('agent', 'agent', 'id'), /uid=1000/);
  });

  it('K-16: port-forward to an agent is refused, and says what to do instead', async () => {
    for (const ports of ['15020:15020', '8000:8000']) {
      await assert.rejects(
        kubectl('port-forward', 'agent', ports),
        /refuses to forward ports of the agent’s pod research\/agent: .*reach the agent’s own port by a Service/s,
      );
    }
  });

  it('K-10, K-12, K-16: kubectl debug does not become the sidecar, administer the network, or look at the sidecar', async () => {
    const uid = await sidecarUid('agent');
    const field = (name: string, rest: string): RegExp =>
      new RegExp(`spec\\.ephemeralContainers\\[${name}\\]\\.${rest}`);
    await assert.rejects(
      debug('same-user', asUser(uid), restricted),
      field('same-user', 'securityContext.runAsUser must be another number'),
    );
    await assert.rejects(
      debug('admin', asUser(1000), '--profile=netadmin'),
      field('admin', 'securityContext\\.(?:allowPrivilegeEscalation|capabilities)'),
    );
    await assert.rejects(
      debug('looking', asUser(1000), restricted, '--target=outrider'),
      field('looking', 'targetContainerName must be another container'),
    );
    await assert.rejects(
      debug('unnamed', {}, restricted),
      field('unnamed', 'securityContext.runAsUser must be set'),
    );
    await assert.rejects(
      debug('general', asUser(1000), '--profile=general'),
      field('general', 'securityContext'),
    );
  });

  it('K-16: a harmless debug container starts, and is captured with its pod: 0 packets of it reach another host', async () => {
    const { status } = JSON.parse(await kubectl('get', 'pod', 'agent', '-o', 'json')) as PodObject;
    const world = await startWorld(
      status.podIPs.map(({ ip }) => ip),
      [],
    );
    try {
      await debug('harmless', asUser(1000), restricted);
      await waitFor({ what: 'the debug container', timeoutMs: 30_000 }, () =>
        exec('agent', 'harmless', 'id'),
      );
      await assertAllowed('agent', 'harmless');
      const hosts = [...worldAddresses.four, ...worldAddresses.six];
      const tries = hosts.flatMap((host) => [
        { say: 'x', host, port: 22 },
        { say: 'x', host, port: 443, servername: '' },
        { send: 'x', host, port: 9999 },
      ]);
      const outcomes = JSON.parse(await exec('agent', 'harmless', ...tryEach(tries))) as Outcome[];
      // On 443 it is the sidecar that answers: the handshake names nothing.
      assert.deepEqual(
        outcomes.map(({ outcome }) => outcome),
        hosts.flatMap(() => ['ECONNREFUSED', 'SSL alert number 40', 'EPERM']),
      );
      assert.deepEqual(
        Object.entries(await world.packets()).filter(([, packets]) => packets > 0),
        [],
      );
    } finally {
      await world.close();
    }
  });

  it('K-18: a copy that kubectl debug makes is refused where it would be no agent, and else has a sidecar with ids of its own', async () => {
    const copy = (...options: string[]): Promise<string> =>
      kubectl('debug', 'agent', '--copy-to=copy', '--container=agent', ...options, '--', 'sleep', 'infinity');
    await assert.rejects(copy(restricted), /outrider\.dev\/inject: "true"/);
    await assert.rejects(copy(restricted, '--keep-annotations'), /spec\.shareProcessNamespace must be false/);
    await copy(restricted, '--keep-annotations', '--share-processes=false');
    assert.notEqual(await sidecarUid('copy'), await sidecarUid('agent'));
  });

  it('K-17: the sidecar’s size and image stay, and so do the labels that make a pod an agent', async () => {
    const resize = {
      spec: {
        initContainers: [
          { name: 'outrider', resources: { requests: { memory: '64Mi' }, limits: { memory: '64Mi' } } },
        ],
      },
    };
    await assert.rejects(
      kubectl('patch', 'pod', 'agent', '--subresource=resize', '--patch', JSON.stringify(resize)),
      /spec\.initContainers\[outrider\]\.resources must stay as it is/,
    );
    await assert.rejects(
      kubectl('set', 'image', 'pod/agent', 'outrider=localhost/node:26'),
      /spec\.initContainers\[outrider\]\.image must stay as it is/,
    );
    await assert.rejects(
      kubectl('label', 'pod', 'agent', 'outrider.dev/injected-'),
      /metadata\.labels\[outrider\.dev\/injected\] must stay as it was/,
    );
  });

  it('workloads as real projects publish them become ready or complete, and call out through their sidecars', async () => {
    const states = shapes.map(({ name, kind, resource }) => {
      if (kind === 'CronJob')
        return kubectl('wait', '--for=condition=Complete', `job/${name}`, '--timeout=100s');
      if (kind === 'Job') return kubectl('wait', '--for=condition=Complete', resource, '--timeout=100s');
      return kubectl('rollout', 'status', resource, '--timeout=100s');
    });
    const failures = (await Promise.allSettled(states)).flatMap((state, index) =>
      state.status === 'rejected' ? [`${shapes[index]?.name}: ${(state.reason as Error).message}`] : [],
    );
    if (failures.length > 0) failures.push(await kubectl('get', 'pods'), await kubectl('get', 'events'));
    assert.deepEqual(failures, []);
    const asked = new Set(wiki.seen.map(({ path }) => path));
    assert.deepEqual(
      shapes.flatMap(({ asks }) => asks).filter((path) => !asked.has(path)),
      [],
    );
  });

  it('the label of a namespace alone makes no pod cooperative, and says so', async () => {
    const file = join(node.folder, 'casual.yaml');
    await writeFile(file, stringify(pod('casual', { namespace: 'casual' })));
    const warning = await warningOf(node, ['create', '-f', file, '--dry-run=server']);
    assert.match(
      warning,
      /label outrider\.dev\/capture=cooperative of the namespace has no effect.*allowCooperative/,
    );
    assert.match(
      await node.kubectl(['create', '-f', file, '--dry-run=server', '-o', 'yaml']),
      /outrider-capture/,
    );
  });

  describe('K-34: while nothing of the operator runs', () => {
    before(async () => {
      await node.kubectl(['-n', 'outrider-system', 'scale', 'deployment', 'outrider', '--replicas=0']);
      const gone = ['wait', '--for=delete', 'pod', '-l', 'app.kubernetes.io/name=outrider', '--timeout=60s'];
      await node.kubectl(['-n', 'outrider-system', ...gone], { timeoutMs: 70_000 });
    });
    after(async () => {
      await node.kubectl(['-n', 'outrider-system', 'scale', 'deployment', 'outrider', '--replicas=2']);
      const ready = ['rollout', 'status', 'deployment', 'outrider', '--timeout=60s'];
      await node.kubectl(['-n', 'outrider-system', ...ready], { timeoutMs: 70_000 });
    });

    it('agents that run go on', async () => {
      await assertAllowed('agent');
    });

    it('K-19: a pod that asks for a sidecar is refused, and so is one that pretends to have one', async () => {
      await assert.rejects(create(pod('asking')), /pod\.inject\.outrider\.dev/);
      const labels = { 'outrider.dev/injected': 'true' };
      await assert.rejects(
        create(pod('forged', { labels, annotations: {} }, filledIn)),
        /ValidatingAdmissionPolicy 'outrider-agent-sidecar'.*spec\.initContainers\[outrider-capture\] must be there/s,
      );
    });

    it('a pod that has nothing to do with Outrider is not held up', async () => {
      await create(pod('unconcerned', { annotations: {} }));
      await kubectl('delete', 'pod', 'unconcerned', '--wait=false');
    });

    it('port-forward is refused in namespaces of agents, and nobody else’s waits for the operator', async () => {
      const forward = (namespace: string): Promise<string> =>
        node.kubectl(['-n', namespace, 'port-forward', 'agent', ':8000'], { timeoutMs: 3000 });
      await assert.rejects(forward('agents'), /namespace\.forward\.outrider\.dev/);
      await assert.rejects(forward('research'), /stopped by SIGKILL after 3000 ms: Forwarding from/);
    });

    it('debug containers, changes and connections are refused as before', async () => {
      const uid = await sidecarUid('agent');
      await assert.rejects(debug('late-user', asUser(uid), restricted), /runAsUser must be another number/);
      await assert.rejects(
        debug('late-admin', asUser(1000), '--profile=netadmin'),
        /ValidatingAdmissionPolicy/,
      );
      await assert.rejects(
        debug('late-looking', asUser(1000), restricted, '--target=outrider'),
        /targetContainerName must be another container/,
      );
      await assert.rejects(debug('late-harmless', asUser(1000), restricted), /changes\.outrider\.dev/);
      await assert.rejects(
        kubectl('label', 'pod', 'agent', 'outrider.dev/injected-'),
        /metadata\.labels\[outrider\.dev\/injected\] must stay as it was/,
      );
      await assert.rejects(kubectl('label', 'pod', 'agent', 'app=other'), /changes\.outrider\.dev/);
      await assert.rejects(exec('agent', 'outrider', 'id'), /container must not be outrider/);
      assert.match(await exec('agent', 'agent', 'id'), /uid=1000/);
    });
  });

  it('when the operator is back, a new agent starts', async () => {
    await create(pod('later'));
    await kubectl('wait', '--for=condition=Ready', 'pod/later', '--timeout=60s');
    await assertAllowed('later');
  });

  it('where the platform allows it, the label makes agents cooperative, and each decision line says so', async (test) => {
    await applyChart(node, { capture: { allowCooperative: true } });
    const of = (...args: string[]) => node.kubectl(['-n', 'casual', ...args], { timeoutMs: 70_000 });
    const startedAt = performance.now();
    // Replicas of before answer until they have ended; what they write is as strict as ever.
    await waitFor({ what: 'the setting', timeoutMs: 60_000, everyMs: 500 }, async () => {
      const file = join(node.folder, 'casual.yaml');
      return !(await of('create', '-f', file, '--dry-run=server', '-o', 'yaml')).includes('outrider-capture');
    });
    test.diagnostic(`in force ${Math.round(performance.now() - startedAt)} ms after helm had ended`);
    await create(pod('casual', { namespace: 'casual' }));
    await of('wait', '--for=condition=Ready', 'pod/casual', '--timeout=60s');
    const { spec } = JSON.parse(await of('get', 'pod', 'casual', '-o', 'json')) as PodObject;
    assert.deepEqual(
      spec.initContainers.map(({ name }) => name),
      ['outrider'],
    );
    const answer = await of(
      'exec',
      'casual',
      '-c',
      'agent',
      '--',
      'curl',
      '-sS',
      '-m',
      '10',
      `${wikiUrl}/casual`,
    );
    assert.match(answer, /found/);
    const line = await waitFor({ what: 'the decision line', timeoutMs: 10_000 }, async () =>
      (await of('logs', 'casual', '-c', 'outrider'))
        .split('\n')
        .find((each) => each.includes('"path":"/casual"')),
    );
    const { entry, capture } = JSON.parse(line) as { entry: string; capture: string };
    assert.deepEqual([entry, capture], ['absolute', 'cooperative']);
    await create(pod('strict'));
    const strict = JSON.parse(await kubectl('get', 'pod', 'strict', '-o', 'json')) as PodObject;
    assert.equal(strict.spec.initContainers[0]?.name, 'outrider-capture');
  });
});

function destination(name: string, service: object): object {
  return {
    apiVersion: 'outrider.dev/v1alpha1',
    kind: 'AgentDestination',
    metadata: { name },
    spec: { namespaceSelector: { matchLabels: { team: 'research' } }, service },
  };
}

function policy(namespace: string, destinations: readonly string[]): object {
  const rules = destinations.map((name) => ({ name, action: 'Allow', destination: name }));
  return {
    apiVersion: 'outrider.dev/v1alpha1',
    kind: 'AgentPolicy',
    metadata: { name: 'all', namespace },
    spec: {
      agents: { podSelector: { matchExpressions: [{ key: 'app', operator: 'NotIn', values: ['other'] }] } },
      rules,
    },
  };
}

/** What the webhook would have. */
const filledIn = {
  allowPrivilegeEscalation: false,
  capabilities: { drop: ['ALL'] },
  seccompProfile: { type: 'RuntimeDefault' },
};

function pod(name: string, metadata: object = {}, security: object = {}): object {
  const annotations = { 'outrider.dev/inject': 'true' };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'research', annotations, ...metadata },
    spec: {
      terminationGracePeriodSeconds: 1,
      containers: [
        {
          name: 'agent',
          image: 'localhost/node:26',
          command: ['sleep', 'infinity'],
          securityContext: { runAsUser: 1000, ...security },
        },
      ],
    },
  };
}
