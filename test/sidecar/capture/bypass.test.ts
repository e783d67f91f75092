// Every way out of a captured pod, from the inside, with the packets counted outside. The same on a node, with the real
// sidecar: test/e2e/bypass.test.ts.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import {
  capturePorts,
  relayAddress,
  syntheticAddress,
  type CapturePlan,
} from '../../../policy/capture-plan.ts';
import { sidecarPorts } from '../../../policy/contract.ts';
import { waitFor } from '../../cluster/deadline.ts';
import { nodeSkipReason } from '../../cluster/node-availability.ts';
import {
  createNamespaces,
  podFour,
  podSix,
  worldFour,
  worldSix,
  worldTcp,
  worldUdp,
  type Attempt,
  type Identity,
  type Namespaces,
} from './namespaces.ts';

const sidecar: Identity = { uid: 40_000, gid: 40_001 };
const user: Identity = { uid: 1000, gid: 1000 };

/** None of them may have a packet leave. */
const agents: Readonly<Record<string, Identity>> = {
  'an ordinary user': user,
  'root without capabilities (K-11)': { uid: 0, gid: 0 },
  "the sidecar's uid with another gid (K-10)": { uid: sidecar.uid, gid: 1000 },
  "the sidecar's gid with another uid (K-10)": { uid: 1000, gid: sidecar.gid },
  "the sidecar's uid and gid the wrong way round (K-10)": { uid: sidecar.gid, gid: sidecar.uid },
};

const plan: CapturePlan = {
  ports: [{ port: 8443, listener: 16_000 }],
  relays: [
    { name: 'orders.example', port: 5432, listener: 16_001, slot: 1 },
    { name: 'cache.example', port: 6379, listener: 16_002, slot: 2 },
    { name: 'cache.example', port: 443, listener: 16_003, slot: 2 },
  ],
};

const world = [...worldFour, ...worldSix];
const on = (how: string, addresses: readonly string[], ports: readonly number[]): readonly Attempt[] =>
  addresses.flatMap((address) => ports.map((port) => ({ how, address, port })));

/** Answers to questions that never came: the pod's own packets, sent in the name of another host. */
const forged = [
  'forged question',
  'forged question bound to eth0',
  'forged connection',
  'forged to the sidecar',
];

/** By what section N of the threats calls them. */
const ways: Readonly<Record<string, readonly Attempt[]>> = {
  'TCP to any port (N-01, N-02)': on('tcp', [worldFour[0] ?? '', worldSix[0] ?? ''], worldTcp),
  'metadata, EKS Pod Identity, node-local DNS, the API server (K-06, N-06)': on(
    'tcp',
    world,
    [80, 443, 53, 8080],
  ),
  'IPv4 mapped into IPv6 (N-03)': [
    ...on('tcp', [`::ffff:${worldFour[0]}`], [80, 443, 22]),
    ...on('udp', [`::ffff:${worldFour[0]}`], [53, 443]),
  ],
  'an address of the link, and multicast (N-03)': [
    ...on('tcp', ['fe80::9%eth0'], [80, 22]),
    ...on('udp', ['fe80::9%eth0', 'ff02::1%eth0', 'ff02::fb%eth0', '224.0.0.251'], [5353, 123]),
    ...on('broadcast', ['10.9.0.255', '255.255.255.255'], [9]),
    { how: 'join', address: 'ff15::5ec:7e7' },
    { how: 'join', address: '239.1.2.3' },
  ],
  'UDP: QUIC, NTP, WireGuard, DNS to any server (N-04)': [
    ...on('udp', world, worldUdp),
    ...on('udp connected', world, worldUdp),
  ],
  'ping, SCTP and UDP-Lite (N-04)': ['ping', 'sctp', 'udplite'].flatMap((how) => on(how, world, [443])),
  'a reply that nobody asked for, as if another host had called (N-03, N-20)': forged.flatMap((how) =>
    on(how, [...world, 'fe80::9%eth0'], [8443]),
  ),
  'a first packet with data, several paths, a socket bound to the interface, one that is left at once (N-07)':
    [
      ...on('fast open', world, [80, 443, 22]),
      ...on('mptcp', world, [443, 22]),
      ...on('tcp bound to eth0', world, [443, 22]),
      ...on('abandoned', world, [443, 22]),
      ...on('udp bound to eth0', [...world, '127.0.0.1', podFour, '::1', podSix], [123, 53]),
      ...on('source routed', worldFour, [123]),
    ],
};

/** Of a protocol that is not in this kernel, and of an option that needs a capability. */
const notForAgents = new Set(['EPROTONOSUPPORT', 'ESOCKTNOSUPPORT', 'EPERM']);

async function startScene(): Promise<Namespaces> {
  const namespaces = await createNamespaces();
  await namespaces.listen('world', { hosts: '::', tcp: worldTcp.join(), udp: worldUdp.join() });
  // All that a sidecar has beyond loopback.
  await namespaces.listen('pod', { hosts: '::', tcp: `${sidecarPorts.health}`, by: sidecar });
  return namespaces;
}

async function captured(namespaces: Namespaces): Promise<void> {
  const outcome = await namespaces.capture(sidecar, plan);
  assert.ok('report' in outcome, JSON.stringify(outcome));
}

describe('a pod that is not captured', { skip: nodeSkipReason() ?? false }, () => {
  let namespaces: Namespaces;
  before(async () => {
    namespaces = await startScene();
  });
  after(() => namespaces?.close());

  test('reaches the world in each of these ways, so that there is something to see', async (context) => {
    const all = Object.values(ways).flat();
    for (const [how = '', attempts = []] of Object.entries(Object.groupBy(all, (each) => each.how))) {
      await namespaces.forget();
      const outcomes = await namespaces.attempt(user, attempts);
      if (outcomes.every((outcome) => notForAgents.has(outcome)))
        context.diagnostic(`not for agents on this kernel: ${how}`);
      else assert.ok((await namespaces.arrived()) > 0, `${how}: ${outcomes.join()}`);
    }
    assert.deepEqual(
      await namespaces.attempt(user, on('tcp', world, [443])),
      world.map(() => 'world 443'),
    );
    assert.deepEqual(
      await namespaces.attempt(user, on('udp', world, [123])),
      world.map(() => 'world 123'),
    );
  });
});

describe('a captured pod without its sidecar (K-15)', { skip: nodeSkipReason() ?? false }, () => {
  let namespaces: Namespaces;
  before(async () => {
    namespaces = await startScene();
    await captured(namespaces);
  });
  after(() => namespaces?.close());

  for (const [who, identity] of Object.entries(agents)) {
    for (const [what, attempts] of Object.entries(ways)) {
      test(`lets no packet out of ${who}: ${what}`, async () => {
        await namespaces.forget();
        const outcomes = await namespaces.attempt(identity, attempts);
        assert.equal(await namespaces.arrived(), 0);
        const answered = outcomes.filter((outcome) => /world/.test(outcome));
        assert.deepEqual(answered, []);
      });
    }
  }

  test('keeps root without capabilities from becoming the sidecar, which the kernel would let pass (K-11)', async () => {
    const become = [
      'setpriv',
      `--reuid=${sidecar.uid}`,
      `--regid=${sidecar.gid}`,
      '--clear-groups',
      'id',
      '-u',
    ];
    assert.equal(await namespaces.run('pod', become), `${sidecar.uid}\n`);
    const agent = ['setpriv', '--bounding-set=-all', '--inh-caps=-all', '--no-new-privs'];
    await assert.rejects(namespaces.run('pod', [...agent, ...become]), /Operation not permitted/);
  });

  test('fails at once, not by a time-out', async () => {
    const tcp = await namespaces.attempt(user, on('tcp', world, [443, 80, 22]));
    assert.deepEqual(new Set(tcp), new Set(['ECONNREFUSED']));
    const udp = await namespaces.attempt(user, on('udp', world, [123]));
    assert.deepEqual(new Set(udp), new Set(['EPERM']));
  });

  test('stops at the last hook what is redirected and yet bound to the interface, and counts it (N-07)', async () => {
    const escaped = async (): Promise<number> => {
      const listed = await namespaces.run('pod', [
        'nft',
        '-j',
        'list',
        'counter',
        'inet',
        'outrider',
        'escaped',
      ]);
      return Number(/"packets": ?(\d+)/.exec(listed)?.[1]);
    };
    const before = await escaped();
    await namespaces.forget();
    await namespaces.attempt(user, on('tcp bound to eth0', world, [443]));
    assert.ok((await escaped()) > before);
    assert.equal(await namespaces.arrived(), 0);
  });

  test('lets the sidecar out, by its uid and gid together, to any port and by both families', async () => {
    const tcp = on('tcp', world, worldTcp);
    assert.deepEqual(
      await namespaces.attempt(sidecar, tcp),
      tcp.map(({ port }) => `world ${port}`),
    );
    const udp = on('udp', world, worldUdp);
    assert.deepEqual(
      await namespaces.attempt(sidecar, udp),
      udp.map(({ port }) => `world ${port}`),
    );
  });

  test('lets nothing out while the rules are written again and again, as after a restart of the sandbox (K-14)', async () => {
    await namespaces.forget();
    const attempts = on('tcp', world, [443, 22, 8443]).concat(on('udp', world, [53, 123]));
    const trying = Promise.all([1, 2, 3, 4].map(() => namespaces.attempt(user, attempts)));
    for (let run = 0; run < 5; run += 1) {
      await captured(namespaces);
    }
    await trying;
    assert.equal(await namespaces.arrived(), 0);
  });
});

describe(
  'a captured pod where another container took the ports of its sidecar (K-22)',
  {
    skip: nodeSkipReason() ?? false,
  },
  () => {
    const ports = [sidecarPorts.proxy, capturePorts.tls, capturePorts.http, capturePorts.dns, 16_000, 16_001];
    let namespaces: Namespaces;
    before(async () => {
      namespaces = await startScene();
      await captured(namespaces);
    });
    after(() => namespaces?.close());

    /** What came of connections that say something at once, and what their listener read. */
    async function sayTo(by: Identity): Promise<{ read: string; outcomes: string }> {
      const listening = `const heard = [];
      for (const host of ['127.0.0.1', '::1']) for (const port of [${ports.join()}])
        require('net').createServer((s) => s.on('error', () => {}).on('data', (d) => console.log('read', String(d))))
          .listen({ host, port, backlog: 1 });
      setTimeout(() => console.log('listening'), 200);`;
      const child = namespaces.start('pod', [process.execPath, '-e', listening], by);
      let read = '';
      child.stdout?.setEncoding('utf8').on('data', (chunk: string) => (read += chunk));
      await waitFor({ what: 'listeners', timeoutMs: 5_000 }, async () => read.includes('listening'));
      const places = [
        ...['127.0.0.1', '::1'].flatMap((host) => ports.map((port) => ({ host, port }))),
        ...[worldFour[0], worldSix[0]].flatMap((host) => [53, 80, 443, 8443].map((port) => ({ host, port }))),
        { host: relayAddress({ slot: 1 }).four, port: 5432 },
      ];
      const saying = `for (const place of ${JSON.stringify(places)}) {
        const s = require('net').connect(place).on('error', (e) => console.log(e.code));
        s.write('a secret'); }
      setTimeout(() => process.exit(), 700);`;
      const outcomes = await namespaces.run('pod', [
        'setpriv',
        '--reuid=2000',
        '--regid=2000',
        '--clear-groups',
        process.execPath,
        '-e',
        saying,
      ]);
      child.kill('SIGKILL');
      await once(child, 'exit');
      return { read, outcomes };
    }

    test('says nothing to it, and its containers are refused', async () => {
      const { read, outcomes } = await sayTo(user);
      assert.equal(read, 'listening\n');
      assert.deepEqual([...new Set(outcomes.trim().split('\n'))], ['ECONNRESET']);
    });

    test('says nothing to it where the kernel answers handshakes without a socket: SYN cookies', async () => {
      await namespaces.run('pod', ['sysctl', '-qw', 'net.ipv4.tcp_syncookies=2']);
      const { read } = await sayTo(user);
      assert.equal(read, 'listening\n');
      await namespaces.run('pod', ['sysctl', '-qw', 'net.ipv4.tcp_syncookies=1']);
    });

    test('speaks to the sidecar again as soon as that has them', async () => {
      const { read, outcomes } = await sayTo(sidecar);
      assert.equal(read.match(/a secret/g)?.length, 2 * ports.length + 9);
      assert.equal(outcomes, '');
    });
  },
);

describe('a captured pod with listeners in place of its sidecar', { skip: nodeSkipReason() ?? false }, () => {
  let namespaces: Namespaces;
  before(async () => {
    namespaces = await startScene();
    await captured(namespaces);
    const planned = [...plan.ports, ...plan.relays].map(({ listener }) => listener);
    const tcp = [capturePorts.tls, capturePorts.http, capturePorts.dns, ...planned].join();
    await namespaces.listen('pod', { hosts: '127.0.0.1,::1', tcp, udp: `${capturePorts.dns}`, by: sidecar });
    await namespaces.listen('pod', { hosts: '::', tcp: '8000', udp: '8000', by: user });
  });
  after(() => namespaces?.close());

  const synthetic = syntheticAddress('api.example.com');
  const [one, two] = [relayAddress({ slot: 1 }), relayAddress({ slot: 2 })];
  const led: Readonly<
    Record<string, readonly [how: string, port: number, addresses: readonly string[], to: number]>
  > = {
    'port 443 of any address': ['tcp', 443, [...world, synthetic.four, synthetic.six], capturePorts.tls],
    'port 80 of any address': ['tcp', 80, [...world, synthetic.four, synthetic.six], capturePorts.http],
    'a planned port of any address': ['tcp', 8443, [...world, synthetic.four], 16_000],
    'port 53 of any address over TCP': ['tcp', 53, world, capturePorts.dns],
    'port 53 of any address over UDP': ['udp', 53, world, capturePorts.dns],
    'the same from a connected socket': ['udp connected', 53, world, capturePorts.dns],
    "a relay's address at its port": ['tcp', 5432, [one.four, one.six], 16_001],
    'the address of another relay': ['tcp', 6379, [two.four, two.six], 16_002],
    "a relay's address at a port of all": ['tcp', 443, [two.four, two.six], 16_003],
    'the address of a relay at 443, planned for another alone': [
      'tcp',
      443,
      [one.four, one.six],
      capturePorts.tls,
    ],
    'a first packet with data': ['fast open', 443, world, capturePorts.tls],
    'several paths': ['mptcp', 443, world, capturePorts.tls],
    'IPv4 mapped into IPv6': ['tcp', 443, [`::ffff:${worldFour[0]}`], capturePorts.tls],
  };
  for (const [what, [how, port, addresses, to]] of Object.entries(led)) {
    test(`leads ${what} to one listener, and nowhere else (N-21)`, async () => {
      await namespaces.forget();
      for (const identity of [user, { uid: 0, gid: 0 }, { uid: sidecar.uid, gid: 0 }]) {
        const outcomes = await namespaces.attempt(identity, on(how, addresses, [port]));
        assert.deepEqual(new Set(outcomes), new Set([`pod ${to}`]));
      }
      assert.equal(await namespaces.arrived(), 0);
    });
  }

  test("refuses a relay's port at the address of another relay, and at any that is not synthetic", async () => {
    await namespaces.forget();
    const attempts = [
      ...on('tcp', [two.four, two.six, synthetic.four, synthetic.six, ...world], [5432]),
      ...on('tcp', [one.four, one.six], [6379]),
    ];
    assert.deepEqual(new Set(await namespaces.attempt(user, attempts)), new Set(['ECONNREFUSED']));
    assert.equal(await namespaces.arrived(), 0);
  });

  test('leaves traffic inside the pod alone, also to ports that are captured elsewhere', async () => {
    const inside = ['127.0.0.1', '::1', podFour, podSix, '127.1.2.3'];
    assert.deepEqual(
      await namespaces.attempt(user, on('tcp', inside, [8000])),
      inside.map(() => 'pod 8000'),
    );
    assert.deepEqual(
      await namespaces.attempt(user, on('udp', inside, [8000])),
      inside.map(() => 'pod 8000'),
    );
    const nobody = await namespaces.attempt(user, on('tcp', inside, [443, 53, 5432]));
    assert.deepEqual(new Set(nobody), new Set(['ECONNREFUSED']));
  });

  test('has its resolver answer nobody outside, whoever seems to ask (N-20)', async () => {
    await namespaces.forget();
    await namespaces.attempt(user, on('forged to its resolver', worldSix, [8443]));
    assert.equal(await namespaces.arrived(), 0);
  });

  test('answers connections from outside', async () => {
    for (const address of [podFour, podSix]) {
      const script = `const s = require('net').connect(8000, '${address}');
        s.once('data', (d) => { process.stdout.write(d); s.end(); })`;
      assert.equal(await namespaces.run('world', [process.execPath, '-e', script]), 'pod 8000\n');
    }
    const closed = `require('net').connect(8001, '${podFour}').on('error', (e) => process.stdout.write(e.code))`;
    assert.equal(await namespaces.run('world', [process.execPath, '-e', closed]), 'ECONNREFUSED');
  });

  test('says goodbye for a sidecar that is killed, and never a word for an agent (K-15)', async () => {
    await namespaces.close();
    namespaces = await createNamespaces();
    const far = await namespaces.listen('world', { hosts: '::', tcp: '443,22' });
    let said = '';
    far.stdout?.on('data', (chunk: string) => (said += chunk));
    await captured(namespaces);
    for (const address of [worldFour[0] ?? '', worldSix[0] ?? '']) {
      said = '';
      const script = `require('net').connect(443, '${address}').on('data', (d) => console.log(String(d)))`;
      const child = namespaces.start('pod', [process.execPath, '-e', script], sidecar);
      assert.ok(child.stdout !== null);
      await once(child.stdout, 'data');
      child.kill('SIGKILL');
      await waitFor({ what: 'the end of the connection', timeoutMs: 3_000 }, async () =>
        said.includes('closed 443'),
      );
    }
    await delay(300); // last ACKs
    await namespaces.forget();
    const agent = `setInterval(() => require('net').connect(22, '${worldFour[0]}').on('error', () => {}), 1);
      setTimeout(() => console.log('tried'), 200)`;
    const child = namespaces.start('pod', [process.execPath, '-e', agent], user);
    assert.ok(child.stdout !== null);
    await once(child.stdout, 'data');
    child.kill('SIGKILL');
    await delay(300);
    assert.equal(await namespaces.arrived(), 0);
  });
});
