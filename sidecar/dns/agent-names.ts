// What the name server of captured agents knows: the names that rules of the ruleset in force could let a request
// through to, each with the synthetic address that leads to its listener.

import {
  relayAddress,
  syntheticAddress,
  type CapturePlan,
  type SyntheticAddress,
} from '../../policy/capture-plan.ts';
import { compileKnownNames, type KnowsName } from '../../policy/known-names.ts';
import type { Clock } from '../clock.ts';
import type { Snapshot, SnapshotSource } from '../control/snapshot.ts';
import { tokenHosts } from '../credentials/google-placeholder.ts';
import { withPlaceholderFile } from '../credentials/placeholder-files.ts';
import type { AnswerOptions } from './answer.ts';

export interface AgentNamesOptions {
  readonly snapshots: SnapshotSource;
  readonly clock: Pick<Clock, 'nowMs'>;
  readonly plan: CapturePlan;
}

interface Compiled {
  readonly of: Snapshot;
  readonly knows: KnowsName;
  /** By name; of places that were planned when the pod was. */
  readonly relayed: ReadonlyMap<string, SyntheticAddress>;
}

export function createAgentNames(options: AgentNamesOptions): Pick<AnswerOptions, 'knows' | 'addressOf'> {
  const { snapshots, clock, plan } = options;
  const planned = new Map(plan.relays.map((relay) => [relay.name, relay]));
  let compiled: Compiled | null = null;

  function compile(snapshot: Snapshot): Compiled {
    if (compiled?.of === snapshot) return compiled;
    const relayed = Object.values(snapshot.ruleset.destinations).flatMap(({ scheme, names }) => {
      const relay = scheme === 'tcp' ? planned.get(names[0] ?? '') : undefined;
      return relay === undefined ? [] : names.map((name) => [name, relayAddress(relay)] as const);
    });
    const isGranted = compileKnownNames(snapshot.ruleset);
    // What the sidecar answers itself needs no grant, but an SDK that reads no proxy variable asks for its name.
    const answered = withPlaceholderFile(snapshot.ruleset).length > 0 ? tokenHosts : new Set<string>();
    const knows: KnowsName = (host, nowMs) => answered.has(host) || isGranted(host, nowMs);
    compiled = { of: snapshot, knows, relayed: new Map(relayed) };
    return compiled;
  }

  return {
    knows: (host) => {
      const snapshot = snapshots.current();
      if (snapshot === null || !snapshots.fresh()) return 'undecided';
      return compile(snapshot).knows(host, clock.nowMs()) ? 'known' : 'unknown';
    },
    addressOf: (host) => {
      const snapshot = snapshots.current();
      const relayed = snapshot === null ? undefined : compile(snapshot).relayed.get(host);
      return relayed ?? syntheticAddress(host);
    },
  };
}
