// One credential of this pod: its secret as its source has it and, where it is exchanged for tokens, the token.

import type { CredentialReport } from '../../policy/contract.ts';
import type { RulesetCredential } from '../../policy/ruleset-credential.ts';
import { asSidecarError, type SidecarError } from '../errors.ts';
import { createCachedValue, type CachedValue, type FreshValue } from './cached-value.ts';
import { checkMaterial, isMinting, mint } from './inject/inject.ts';
import { isSameMaterial, type Material } from './material.ts';
import type { Provider, Providers, SourceReading, Stores, VersionedSource } from './provider.ts';
import type { TokenCaller } from './token-caller.ts';

export interface BoundCredential {
  /** @throws SidecarError */
  get(): Promise<Material>;
  replace(refused: Material): Promise<Material>;
  report(): CredentialReport;
  drop(): Promise<void>;
}

export interface BoundCredentialOptions {
  readonly name: string;
  readonly credential: RulesetCredential;
  readonly stores: Stores;
  readonly providers: Providers;
  readonly caller: TokenCaller;
  readonly prefetchAfterMs: number;
  readonly onChange: () => void;
  readonly now: () => number;
  readonly wallMs: () => number;
}

export function createBoundCredential(options: BoundCredentialOptions): BoundCredential {
  const { name, credential, stores, providers, caller, prefetchAfterMs, now, wallMs } = options;
  const { source, inject, refreshIntervalMs } = credential;
  // The kind of the source chooses the provider, which the types of a union cannot say.
  const provider = providers[source.kind] as Provider;
  const own = isMinting(inject) ? inject : null;
  const placed = [
    ...(own === null ? [inject] : []),
    ...credential.allow.flatMap((entry) => entry.inject ?? []),
  ];

  async function readSource(): Promise<FreshValue> {
    const { material, lease }: SourceReading = await provider.read(source, stores);
    try {
      // What its slot cannot carry is told now, not at the first request.
      if (own !== null) checkMaterial(own, material);
      else for (const each of placed) checkMaterial(each, material);
    } catch (error) {
      void lease?.revoke();
      throw error;
    }
    return { material, lease, lifetimeMs: lease?.durationMs ?? refreshIntervalMs };
  }

  const isRotating =
    inject.kind === 'oauth2' && inject.grant.kind === 'refreshToken' && inject.grant.rotating;
  const secret = createCachedValue({
    prefetchAfterMs: own === null ? prefetchAfterMs : null,
    read: readSource,
    onChange,
    now,
  });
  const token = own === null ? null : createToken(own);
  const usable = token ?? secret;
  const stopWatching = provider.watch?.(source, () => secret.refresh());
  let rotatedAt: string | null = null;

  function createToken(minting: Parameters<typeof mint>[0]): CachedValue {
    const versioned = provider.versioned?.(source, stores) ?? null;
    return createCachedValue({
      prefetchAfterMs,
      onChange: options.onChange,
      now,
      read: async () => {
        const material = await secret.get();
        try {
          return await mintFrom(minting, material, versioned);
        } catch (error) {
          // What the endpoint does not accept may have been rotated since it was read.
          if (asSidecarError(error).code !== 'MINT_REFUSED') throw error;
          const other = await secret.replace(material);
          if (isSameMaterial(other, material)) throw error;
          return mintFrom(minting, other, versioned);
        }
      },
    });
  }

  async function mintFrom(
    minting: Parameters<typeof mint>[0],
    material: Material,
    versioned: VersionedSource | null,
  ): Promise<FreshValue> {
    const minted = await mint(minting, { material, ...caller, nowMs: wallMs, versioned });
    for (const each of placed) checkMaterial(each, minted.material);
    return { ...minted, lease: null };
  }

  function onChange(): void {
    const rotation = secret.state().rotatedAt;
    // Tokens of a secret that is no longer the one may be refused any moment; a refresh token changes with each of them.
    if (rotation !== rotatedAt && !isRotating) token?.refresh();
    rotatedAt = rotation;
    options.onChange();
  }

  function failureNow(): SidecarError | null {
    return usable.state().failure ?? secret.state().failure;
  }

  return {
    get: () => usable.get(),
    replace: (refused) => usable.replace(refused),
    report() {
      const failure = failureNow();
      const rotation = secret.state().rotatedAt;
      const rotated = rotation === null ? {} : { rotatedAt: rotation };
      if (failure === null)
        return { name, state: usable.state().isHeld ? 'Resolved' : 'Pending', ...rotated };
      const { code, field, message } = failure;
      return { name, state: 'Failing', code, ...(field === undefined ? {} : { field }), message, ...rotated };
    },
    async drop() {
      stopWatching?.();
      await Promise.all([secret.drop(), token?.drop()]);
    },
  };
}
