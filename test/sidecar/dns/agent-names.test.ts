import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { relayAddress, syntheticAddress, type CapturePlan } from '../../../policy/capture-plan.ts';
import type { RulesetDestination } from '../../../policy/ruleset.ts';
import type { RulesetCredential } from '../../../policy/ruleset-credential.ts';
import { createAgentNames } from '../../../sidecar/dns/agent-names.ts';
import { createSettableSnapshots, rulesetWith } from '../settable-snapshots.ts';

const calendar: RulesetCredential = {
  source: { kind: 'file', path: 'calendar' },
  allow: [{ hosts: ['calendar.googleapis.com'] }],
  inject: { kind: 'googleServiceAccount', scopes: ['a'] },
  refreshIntervalMs: 60_000,
};
const tokenHosts = ['oauth2.googleapis.com', 'www.googleapis.com'];

function knownOf(credential: RulesetCredential | null): readonly string[] {
  const snapshots = createSettableSnapshots();
  snapshots.set(rulesetWith({ credentials: credential === null ? {} : { calendar: credential } }));
  const names = createAgentNames({
    snapshots,
    clock: { nowMs: () => Date.now() },
    plan: { ports: [], relays: [] },
  });
  const asked = [...tokenHosts, 'accounts.google.com', 'calendar.googleapis.com'];
  return asked.filter((host) => names.knows(host) === 'known');
}

describe('where the sidecar answers token requests itself, an SDK that reads no proxy variables asks for the name', () => {
  test('it is not known to a pod without such a key file', () => {
    assert.deepEqual(knownOf(null), []);
    assert.deepEqual(knownOf(calendar), []);
  });

  test('it is known to a pod with one, without a grant, and nothing else is', () => {
    assert.deepEqual(knownOf({ ...calendar, placeholderFile: true }), tokenHosts);
  });
});

describe('N-21: the address of a relay is that of the name that it was planned for', () => {
  const plan: CapturePlan = {
    ports: [],
    relays: [
      { name: 'db.prod.svc', port: 5432, listener: 16_000, slot: 1 },
      { name: 'db.prod.svc', port: 5433, listener: 16_001, slot: 1 },
    ],
  };
  const database: RulesetDestination = {
    names: ['db.prod.svc', 'db.prod'],
    port: 5432,
    scheme: 'tcp',
    cidrs: null,
  };

  function addressesOf(destinations: Readonly<Record<string, RulesetDestination>>): Record<string, string> {
    const snapshots = createSettableSnapshots();
    snapshots.set(rulesetWith({ destinations }));
    const names = createAgentNames({ snapshots, clock: { nowMs: () => Date.now() }, plan });
    const asked = ['db.prod.svc', 'db.prod', 'other.example'];
    return Object.fromEntries(asked.map((host) => [host, names.addressOf(host).four]));
  }

  const usual = Object.fromEntries(
    ['db.prod.svc', 'db.prod', 'other.example'].map((host) => [host, syntheticAddress(host).four]),
  );
  const relayed = relayAddress({ slot: 1 }).four;
  const led = { ...usual, 'db.prod.svc': relayed, 'db.prod': relayed };

  const cases: Record<string, [Readonly<Record<string, RulesetDestination>>, Record<string, string>]> = {
    'not of a name that its destination has since': [
      { db: { ...database, names: ['other.example'] }, replica: { ...database, port: 5433 } },
      led,
    ],
    'not while the name is of TLS': [{ db: { ...database, scheme: 'https' } }, usual],
    'of each of its names': [{ db: database }, led],
    'by whatever name its destination goes': [{ renamed: database }, led],
  };
  for (const [title, [destinations, expected]] of Object.entries(cases)) {
    test(title, () => assert.deepEqual(addressesOf(destinations), expected));
  }
});
