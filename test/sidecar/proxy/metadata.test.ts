// Whoever reaches a cloud's metadata service gets credentials of the node. It is reached in no way in, by no name or
// address of its own, whatever lets the request through. Captured connections come with the level `captured`.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Ruleset } from '../../../policy/ruleset.ts';
import { createResolver } from '../../../sidecar/dns/resolver.ts';
import { startFixture, type Fixture } from './fixture.ts';
import { createTestCa, type TestCa } from './origin.ts';
import { openSocket, openTunnel, send, type Answer } from './raw-client.ts';

const name = 'metadata.example.test';
const addresses = {
  'AWS, GCP and Azure': '169.254.169.254',
  'ECS tasks': '169.254.170.2',
  'EKS Pod Identity': '169.254.170.23',
  "Azure's wire server": '168.63.129.16',
  'Alibaba Cloud': '100.100.100.200',
  'Oracle Cloud': '192.0.0.192',
  'AWS over IPv6': 'fd00:ec2::254',
  'EKS Pod Identity over IPv6': 'fd00:ec2::23',
};
const grant = { policy: 'team', name: 'all', action: 'Allow' } as const;
const service = (scheme: 'http' | 'https', port: number): Partial<Ruleset> => ({
  grants: [{ ...grant, destination: 'origin' }],
  destinations: { origin: { names: [name], scheme, port, cidrs: null } },
});
const observed: Partial<Ruleset> = { grants: [], observeUntilMs: Date.now() + 3_600_000 };

let ca: TestCa;
let fixture: Fixture;
let leadsTo: string | null = null;

before(async () => {
  ca = await createTestCa();
  const real = createResolver();
  fixture = await startFixture({
    ca,
    origin: { port: 443 },
    resolver: { resolve: (host) => (leadsTo === null ? real.resolve(host) : Promise.resolve([leadsTo])) },
  });
});
after(async () => {
  await fixture.close();
  ca.close();
});

async function overProxy(url: string): Promise<Answer> {
  const socket = await openSocket(fixture.port);
  try {
    return await send(socket, `GET ${url} HTTP/1.1\r\nHost: ${url.split('/')[2]}\r\n\r\n`);
  } finally {
    socket.destroy();
  }
}

async function inTunnel(port: number): Promise<Answer> {
  const tunnel = await openTunnel(fixture, port, { target: `${name}:${port}`, serverName: name });
  const place = port === 443 ? name : `${name}:${port}`;
  try {
    return await send(tunnel, `GET /latest/meta-data HTTP/1.1\r\nHost: ${place}\r\n\r\n`);
  } finally {
    tunnel.destroy();
  }
}

const hosts: Partial<Ruleset> = { grants: [{ ...grant, hosts: [name] }] };
const ways: Record<string, [ruleset: Partial<Ruleset>, call: () => Promise<Answer>]> = {
  'in CONNECT, by a rule of hosts': [hosts, () => inTunnel(443)],
  'in CONNECT, by an AgentDestination of a Service': [service('https', 8443), () => inTunnel(8443)],
  'in CONNECT, under observe-until': [observed, () => inTunnel(443)],
  'by a whole https URL, by a rule of hosts': [hosts, () => overProxy(`https://${name}/latest`)],
  'by a whole https URL, under observe-until': [observed, () => overProxy(`https://${name}/latest`)],
  'by a whole http URL, by an AgentDestination of a Service': [
    service('http', 80),
    () => overProxy(`http://${name}/latest`),
  ],
  'by a whole http URL, under observe-until': [observed, () => overProxy(`http://${name}/latest`)],
};

describe('K-06: a name that leads to metadata is blocked', () => {
  for (const [way, [ruleset, call]] of Object.entries(ways)) {
    test(way, async () => {
      fixture.swap({ guards: [], credentials: {}, ...ruleset });
      for (const [whose, address] of Object.entries(addresses)) {
        leadsTo = address;
        const { problem, body } = await call();
        assert.equal(problem?.code, 'destination_blocked', `${whose}: ${body}`);
      }
    });
  }
});

describe('K-06: an address of metadata is blocked, in any spelling', () => {
  for (const host of [
    '169.254.169.254',
    '169.254.169.254.',
    '2852039166',
    '0xa9fea9fe',
    '0251.0376.0251.0376',
    '169.254.43518',
    '[fd00:ec2::254]',
    '[::ffff:169.254.169.254]',
    '[::ffff:a9fe:a9fe]',
    '[64:ff9b::a9fe:a9fe]',
  ]) {
    for (const scheme of ['http', 'https']) {
      test(`${scheme}://${host}`, async () => {
        leadsTo = null;
        fixture.swap({ guards: [], credentials: {}, ...observed });
        const { problem, body } = await overProxy(`${scheme}://${host}/latest/meta-data`);
        const blocked = ['destination_blocked', 'request_malformed', 'request_ambiguous'];
        assert.ok(blocked.includes(problem?.code ?? ''), body);
      });
    }
  }
});
