import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  encodePlan,
  maxPlannedPorts,
  maxRelays,
  parsePlan,
  planCapture,
  relayAddress,
  syntheticAddress,
  type PlannedDestination,
} from '../../policy/capture-plan.ts';

const destination = (
  name: string,
  port: number,
  scheme: PlannedDestination['scheme'] = 'tcp',
): PlannedDestination => ({ destination: `${scheme}-${name}-${port}`, name, port, scheme });

describe('a plan is refused', () => {
  const relay = { name: 'db.example', port: 5432, listener: 16_000, slot: 1 };
  const cases: Record<string, unknown> = {
    'that is nothing': null,
    'without relays': { ports: [] },
    'with a port that is none': { ports: [{ port: 0, listener: 16_000 }], relays: [] },
    'with a listener beyond all ports': { ports: [{ port: 8443, listener: 70_000 }], relays: [] },
    'with a slot among the addresses of other names': {
      ports: [],
      relays: [{ ...relay, slot: maxRelays + 1 }],
    },
    'with a relay of no name': { ports: [], relays: [{ ...relay, name: undefined }] },
  };
  for (const [title, plan] of Object.entries(cases)) {
    test(title, () => assert.throws(() => parsePlan(JSON.stringify(plan))));
  }
});

test('is read as it is written', () => {
  const { plan } = planCapture([destination('db.example', 5432), destination('api.example', 8443, 'https')]);
  assert.deepEqual(parsePlan(encodePlan(plan)), plan);
});

test('is the same for the same destinations in any order', () => {
  const all = [destination('b.example', 1), destination('a.example', 2), destination('c.example', 3, 'http')];
  assert.deepEqual(planCapture(all), planCapture(all.toReversed()));
});

test('N-21: one address stands for one name, whatever ports that has', () => {
  const { relays } = planCapture([
    destination('a.example', 1),
    destination('a.example', 2),
    destination('b.example', 1),
  ]).plan;
  assert.deepEqual(
    relays.map(({ name, port, slot }) => [name, port, slot]),
    [
      ['a.example', 1, 1],
      ['a.example', 2, 1],
      ['b.example', 1, 2],
    ],
  );
});

test('one place has one listener, whatever destinations it is of', () => {
  const again = { ...destination('a.example', 1), destination: 'another' };
  assert.equal(planCapture([destination('a.example', 1), again]).plan.relays.length, 1);
  const ports = [destination('a.example', 8443, 'https'), destination('b.example', 8443, 'http')];
  assert.equal(planCapture(ports).plan.ports.length, 1);
});

test('names that for which there was no room', () => {
  const many = Array.from({ length: maxRelays + 1 }, (_, at) => destination(`a${at}.example`, 5432));
  const ports = Array.from({ length: maxPlannedPorts + 1 }, (_, at) =>
    destination('b.example', 1000 + at, 'https'),
  );
  const { plan, left } = planCapture([...many, ...ports]);
  assert.deepEqual([plan.relays.length, plan.ports.length], [maxRelays, maxPlannedPorts]);
  assert.deepEqual(left, ['https-b.example-1064', 'tcp-a9.example-5432']);
});

test('no name has the address of a relay', () => {
  const relays = new Set(Array.from({ length: maxRelays }, (_, at) => relayAddress({ slot: at + 1 }).four));
  for (let at = 0; at < 20_000; at += 1) {
    const { four, six } = syntheticAddress(`n${at}.example`);
    assert.match(four, /^198\.1[89]\.\d+\.\d+$/);
    assert.match(six, /^fd6f:e24a:9d1c:5ad7::[01]:[0-9a-f]+$/);
    assert.ok(!relays.has(four) && four !== '198.18.0.0' && four !== '198.19.255.255');
  }
});
