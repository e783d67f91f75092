// The files that agents find in place of key files: harmless, and made for this pod.

import { placeholderFile } from '../../policy/contract.ts';
import type { Ruleset } from '../../policy/ruleset.ts';
import type { Snapshot, SnapshotSource } from '../control/snapshot.ts';
import { asSidecarError, type SidecarError } from '../errors.ts';
import { writeTrustFile } from '../tls/trust-file.ts';
import { createPlaceholderKey, googleKeyFile } from './google-placeholder.ts';

export interface PlaceholderFiles {
  /** Whether all that the ruleset in force wants are there: agents read them when they start. */
  ready(): boolean;
  /** Resolves when it is so, or when it has failed. */
  settled(): Promise<void>;
  close(): void;
}

export interface PlaceholderFilesOptions {
  readonly snapshots: SnapshotSource;
  /** The trust volume. */
  readonly directory: string;
  readonly onFailure: (error: SidecarError) => void;
}

export function createPlaceholderFiles(options: PlaceholderFilesOptions): PlaceholderFiles {
  const { snapshots, directory, onFailure } = options;
  const written = new Set<string>();
  let key: ReturnType<typeof createPlaceholderKey> | null = null;
  let writing: Promise<void> = Promise.resolve();
  const stopListening = snapshots.onChange(follow);
  const first = snapshots.current();
  if (first !== null) follow(first);

  function follow({ ruleset }: Snapshot): void {
    writing = writing.then(() => write(ruleset)).catch((error: unknown) => onFailure(asSidecarError(error)));
  }

  async function write(ruleset: Ruleset): Promise<void> {
    for (const name of withPlaceholderFile(ruleset)) {
      if (written.has(name)) continue;
      // A key takes the better part of a second of another thread, which few pods need to spend.
      key ??= createPlaceholderKey();
      const contents = googleKeyFile(ruleset.agent.namespace, name, await key);
      writeTrustFile(directory, placeholderFile(name), contents);
      written.add(name);
    }
  }

  return {
    ready: () => {
      const ruleset = snapshots.current()?.ruleset;
      return ruleset === undefined || withPlaceholderFile(ruleset).every((name) => written.has(name));
    },
    settled: () => writing,
    close: stopListening,
  };
}

/** The credentials that agents have such a file of. */
export function withPlaceholderFile({ credentials }: Pick<Ruleset, 'credentials'>): readonly string[] {
  return Object.entries(credentials)
    .filter(([, { placeholderFile: isWanted }]) => isWanted === true)
    .map(([name]) => name);
}
