// A place that secrets come from. One file per kind implements it, and credentials.ts caches what it reads.

import type { RulesetSource, RulesetStore } from '../../policy/ruleset-credential.ts';
import type { Material } from './material.ts';

export type SourceKind = RulesetSource['kind'];
export type Stores = Readonly<Record<string, RulesetStore>>;
export type SourceOf<Kind extends SourceKind> = Extract<RulesetSource, { kind: Kind }>;

export interface SourceReading {
  readonly material: Material;
  /** Of a secret that its source made for this reading; null: it may be used for the credential's refreshInterval. */
  readonly lease: Lease | null;
}

export interface Lease {
  readonly durationMs: number;
  /**
   * @returns how long it lasts from now on, or null when it cannot be made longer.
   * @throws SidecarError
   */
  renew(): Promise<number | null>;
  /** Ends it, as far as the source can be reached. Never rejects. */
  revoke(): Promise<void>;
}

/** A secret that can be changed by whoever read it last. */
export interface VersionedSource {
  /** All fields that are text, each a part by its own name. @throws SidecarError */
  read(): Promise<{ readonly material: Material; readonly version: number }>;
  /**
   * Writes these fields and keeps the others, if the secret is still the version that was read.
   * @param fields in the clear: whoever opened them knows. null removes a field.
   * @returns the new version, or null when somebody else was first.
   * @throws SidecarError
   */
  swap(version: number, fields: Readonly<Record<string, string | null>>): Promise<number | null>;
  /** The name that a part has in the secret: `value` is what spec.source names as `field`. */
  nameOf(part: string): string;
}

export interface Provider<Kind extends SourceKind = SourceKind> {
  /**
   * Reads the value anew; callers cache.
   * @throws SidecarError, and nothing else: what a library throws may hold a token.
   */
  read(source: SourceOf<Kind>, stores: Stores): Promise<SourceReading>;
  /** Of a kind that can compare and set; null where this source cannot. */
  versioned?(source: SourceOf<Kind>, stores: Stores): VersionedSource | null;
  /** Calls when a reading may now give something else; returns how to stop. Of a source that can tell. */
  watch?(source: SourceOf<Kind>, onChange: () => void): () => void;
  /** Gives up every session with the source, and has their tokens revoked where it can. Never rejects. */
  forget(): Promise<void>;
}

export type Providers = { readonly [Kind in SourceKind]: Provider<Kind> };

/** Larger values are keys of the wrong kind of thing; upstreams refuse headers of a quarter of it. */
export const maxSecretBytes = 64 * 1024;
