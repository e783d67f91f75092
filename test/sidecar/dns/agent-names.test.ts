import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
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
