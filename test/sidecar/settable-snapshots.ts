import { emptyRuleset, type Ruleset } from '../../policy/ruleset.ts';
import { compileSnapshot, type Snapshot, type SnapshotSource } from '../../sidecar/control/snapshot.ts';

export type SettableSnapshots = SnapshotSource & { set(ruleset: Ruleset): Snapshot };

/** A source whose ruleset a test swaps by hand. */
export function createSettableSnapshots(): SettableSnapshots {
  const listeners = new Set<(snapshot: Snapshot) => void>();
  let current: Snapshot | null = null;
  return {
    current: () => current,
    fresh: () => current !== null,
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    set(ruleset) {
      const next = compileSnapshot(ruleset);
      current = next;
      for (const listener of listeners) listener(next);
      return next;
    },
  };
}

export function rulesetWith(changes: Partial<Ruleset>): Ruleset {
  return { ...emptyRuleset({ namespace: 'research', serviceAccount: 'agent' }), ...changes };
}
