// What one request is decided by: a ruleset with its compiled decision, swapped as a whole.

import { compileDecider, type Decider } from '../../policy/decide.ts';
import { rulesetRevision, type Ruleset } from '../../policy/ruleset.ts';

export interface Snapshot {
  readonly ruleset: Ruleset;
  readonly revision: string;
  readonly decide: Decider['decide'];
}

export interface SnapshotSource {
  /** Null before the first ruleset. */
  current(): Snapshot | null;
  /** False once the lease ended: then requests are refused with policy_stale. */
  fresh(): boolean;
  /** Calls the listener after each swap; returns how to stop. */
  onChange(listener: (snapshot: Snapshot) => void): () => void;
}

export function compileSnapshot(ruleset: Ruleset, revision: string = rulesetRevision(ruleset)): Snapshot {
  const decider = compileDecider(ruleset, revision);
  return { ruleset, revision, decide: (request, nowMs) => decider.decide(request, nowMs) };
}

/** For local mode, where the policy is a file that does not change and nobody confirms. */
export function createStaticSnapshots(snapshot: Snapshot): SnapshotSource {
  return { current: () => snapshot, fresh: () => true, onChange: () => () => {} };
}
