// What a secret with a rotating refresh token holds: the parts that the AgentCredential names, and beside them the access
// token that came last, for the pods that did not ask for it.

import { onlyPart, type Material } from '../../material.ts';
import type { VersionedSource } from '../../provider.ts';
import type { Secret } from '../../secret.ts';
import type { TokenResponse } from '../token-response.ts';

export interface RotatingGrant {
  /** What an access token must have been asked for as, to be taken from the secret. */
  readonly requested: string;
  readonly field: string;
  /** What the injection calls a part in the secret. */
  partName(part: string): string;
  /** The refresh token in it. @throws SidecarError */
  tokenOf(material: Material): string;
  /** @throws SidecarError */
  refresh(material: Material): Promise<TokenResponse>;
}

export interface RotationContext {
  readonly material: Material;
  /** The same object for the life of a credential: what could not be written back is kept with it. */
  readonly versioned: VersionedSource;
  readonly nowMs: () => number;
}

export interface AccessToken {
  readonly token: Secret;
  readonly endsAtMs: number;
}

export interface NewTokens extends AccessToken {
  /** The refresh token to use from now on. */
  readonly next: Secret;
}

/** Fields beside the user's own. */
export const fields = {
  token: 'outrider_access_token',
  tokenFor: 'outrider_access_token_for',
  endsAt: 'outrider_expires_at',
  claim: 'outrider_claim',
} as const;

/** The parts that the AgentCredential names, as they are in the secret now. */
export function partsOf({ material, versioned }: RotationContext, stored: Material): Material {
  const parts = new Map<string, Secret>();
  for (const part of material.keys()) {
    const secret = stored.get(versioned.nameOf(part));
    if (secret !== undefined) parts.set(part, secret);
  }
  return parts;
}

export function storedToken(stored: Material, { requested }: RotatingGrant): AccessToken | null {
  const token = stored.get(fields.token);
  const endsAtMs = Date.parse(stored.get(fields.endsAt)?.open() ?? '');
  if (token === undefined || !Number.isFinite(endsAtMs)) return null;
  return stored.get(fields.tokenFor)?.open() === requested ? { token, endsAtMs } : null;
}

export function writtenFields(
  grant: RotatingGrant,
  { material, versioned }: RotationContext,
  { token, endsAtMs, next }: NewTokens,
): Record<string, string | null> {
  const part = grant.partName('refreshToken');
  return {
    [versioned.nameOf(material.has(part) ? part : onlyPart)]: next.open(),
    [fields.token]: token.open(),
    [fields.tokenFor]: grant.requested,
    [fields.endsAt]: new Date(endsAtMs).toISOString(),
    [fields.claim]: null,
  };
}
