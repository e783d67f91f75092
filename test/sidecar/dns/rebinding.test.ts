import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { emptyRuleset, type Ruleset, type RulesetDestination } from '../../../policy/ruleset.ts';
import { createResolver } from '../../../sidecar/dns/resolver.ts';
import { createEgress } from '../../../sidecar/proxy/egress.ts';
import type { ConnectError } from '../../../sidecar/proxy/upstream-failure.ts';
import { startNameServer, type NameServer, type Zone } from './name-server.ts';

/** The one that the destination opens, and the one that the name turns to. */
const [open, closed] = ['127.0.0.2', '127.0.0.3'] as const;

describe('N-12: a rebinding name', () => {
  const arrived: Record<string, number> = {};
  const listeners: Server[] = [];
  let port = 0;
  let names: NameServer;
  let zone: Zone;

  before(async () => {
    for (const address of [open, closed]) {
      arrived[address] = 0;
      const server = createServer((socket) => {
        arrived[address] = (arrived[address] ?? 0) + 1;
        socket.on('error', () => {}).end();
      }).listen(port, address);
      await once(server, 'listening');
      port = (server.address() as AddressInfo).port;
      listeners.push(server);
    }
    names = await startNameServer((name, type) => zone(name, type));
  });
  after(() => {
    for (const server of listeners) server.close();
    names.close();
  });

  function destinationOf(cidrs: readonly string[]): RulesetDestination {
    return { names: ['flip.example'], port, scheme: 'http', cidrs };
  }

  async function dial(times: number): Promise<Record<string, number>> {
    const { dial: once1 } = createEgress({ resolver: createResolver({ servers: [names.address] }) });
    const place = {
      host: 'flip.example',
      port,
      scheme: 'http' as const,
      destination: destinationOf([`${open}/32`]),
    };
    const outcomes: Record<string, number> = {};
    for (let at = 0; at < times; at += 1) {
      const outcome = await once1(place).then(
        (socket) => {
          const { remoteAddress = '' } = socket;
          socket.destroy();
          return remoteAddress;
        },
        (error: unknown) => (error as ConnectError).refusal.reason,
      );
      outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
    }
    return outcomes;
  }

  test('that flips with each question is dialled where it was checked or not at all, in 1,000 dials', async () => {
    let flips = 0;
    zone = (_, type) => (type === 'A' ? [flips++ % 2 === 0 ? open : closed] : []);
    assert.deepEqual(await dial(1000), { [open]: 500, destination_blocked: 500 });
    assert.equal(flips, 1000);
    assert.equal(arrived[closed], 0);
    assert.equal(arrived[open], 500);
  });

  test('that answers with both is not dialled at all, in whatever order', async () => {
    let flips = 0;
    const before1 = arrived[open];
    zone = (_, type) => (type !== 'A' ? [] : flips++ % 2 === 0 ? [open, closed] : [closed, open]);
    assert.deepEqual(await dial(50), { destination_blocked: 50 });
    assert.deepEqual([arrived[open], arrived[closed]], [before1, 0]);
  });

  test('that hides the other address in an AAAA record is not dialled', async () => {
    zone = (_, type) => (type === 'A' ? [open] : ['::1']);
    assert.deepEqual(await dial(5), { destination_blocked: 5 });
    zone = (_, type) => (type === 'A' ? [open] : [`::ffff:7f00:3`]);
    assert.deepEqual(await dial(5), { destination_blocked: 5 });
  });
});

describe('K-21: a public name of what the sidecar itself uses', () => {
  const agent = { namespace: 'research', serviceAccount: 'triage' };
  const ruleset: Ruleset = {
    ...emptyRuleset(agent),
    stores: {
      corp: {
        kind: 'vault',
        address: 'https://Vault.example.com',
        auth: { kind: 'kubernetes', mount: 'kubernetes' },
      },
    },
    telemetry: { endpoint: 'https://[2606:4700::1111]:4318/otlp' },
  };
  const resolver = { resolve: (): Promise<string[]> => Promise.reject(new Error('asked')) };
  const { dial } = createEgress({
    resolver,
    ruleset: () => ruleset,
    operator: 'outrider.outrider-system.svc:8443',
  });
  const reasonOf = async (
    host: string,
    port: number,
    destination: RulesetDestination | null,
  ): Promise<string> => {
    const outcome = await dial({ host, port, scheme: 'https', destination }).then(
      () => 'dialled',
      (error: unknown) => (error as ConnectError).refusal,
    );
    return typeof outcome === 'string' ? outcome : `${outcome.reason} ${outcome.message}`;
  };

  const own: Readonly<Record<string, readonly [string, number]>> = {
    'the operator': ['outrider.outrider-system.svc', 8443],
    'a Vault': ['vault.example.com', 443],
    'the collector of spans': ['2606:4700::1111', 4318],
  };
  for (const [what, [host, port]] of Object.entries(own)) {
    test(`${what} is refused before DNS is asked, and opened by an AgentDestination alone`, async () => {
      assert.match(await reasonOf(host, port, null), /^destination_blocked .*kept; only an AgentDestination/);
      const destination = { names: [host], port, scheme: 'https', cidrs: ['192.0.2.0/24'] } as const;
      assert.doesNotMatch(await reasonOf(host, port, destination), /kept/);
      assert.doesNotMatch(await reasonOf(host, port + 1, null), /kept/);
    });
  }
});

describe('K-31: a public name that leads into the cluster', () => {
  const ruleset: Ruleset = {
    ...emptyRuleset({ namespace: 'research', serviceAccount: 'triage' }),
    clusterRanges: ['34.118.224.0/20', '2600:1f18::/56'],
  };
  for (const addresses of [['34.118.224.10'], ['8.8.8.8', '34.118.239.255'], ['2600:1f18::a']]) {
    test(`${addresses.join(' and ')} is refused`, async () => {
      const { dial } = createEgress({
        resolver: { resolve: () => Promise.resolve(addresses) },
        ruleset: () => ruleset,
      });
      await assert.rejects(
        dial({ host: 'api.example.com', port: 443, scheme: 'https', destination: null }),
        (error: ConnectError) => error.refusal.reason === 'destination_blocked',
      );
    });
  }
});
