// A place that secrets come from. One file per kind implements it, and credentials.ts caches what it reads.

import type { RulesetCredential, RulesetStore } from '../../policy/ruleset.ts';
import type { Secret } from './secret.ts';

export type SourceSpec = RulesetCredential['source'];

export interface Provider<Kind extends SourceSpec['kind'] = SourceSpec['kind']> {
  /**
   * Reads the value anew; callers cache.
   * @throws SidecarError, and nothing else: what a library throws may hold a token.
   */
  read(
    source: Extract<SourceSpec, { kind: Kind }>,
    stores: Readonly<Record<string, RulesetStore>>,
  ): Promise<Secret>;
  /** Gives up every session with the source, and has their tokens revoked where it can. */
  forget(): Promise<void>;
}

export type Providers = { readonly [Kind in SourceSpec['kind']]: Provider<Kind> };

/** Larger values are keys of the wrong kind of thing; upstreams refuse headers of a quarter of it. */
export const maxSecretBytes = 64 * 1024;
