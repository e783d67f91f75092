// The ways a secret is put on a request: a closed list, one file each. Nothing outside this folder opens a Secret.

import { isRefusal, type Refusal } from '../../../policy/refusal.ts';
import type { RulesetInject } from '../../../policy/ruleset-credential.ts';
import { SidecarError } from '../../errors.ts';
import type { Material } from '../material.ts';
import { awsSigV4 } from './aws-sig-v4.ts';
import { basic } from './basic.ts';
import { bearer } from './bearer.ts';
import { body } from './body.ts';
import { githubApp } from './github-app.ts';
import { googleServiceAccount } from './google-service-account.ts';
import { header } from './header.ts';
import { hmac } from './hmac.ts';
import type {
  Filled,
  Injector,
  InjectKind,
  MintContext,
  Minted,
  Minter,
  Outgoing,
  Places,
} from './injector.ts';
import { oauth1 } from './oauth1.ts';
import { oauth2 } from './oauth2.ts';
import { path } from './path.ts';
import { query } from './query.ts';

/** What mints a token puts it on a request as a bearer token, where an entry of `allow` does not say otherwise. */
export type MintingKind = 'oauth2' | 'githubApp' | 'googleServiceAccount';
type FillingKind = Exclude<InjectKind, MintingKind>;

const injectors: { readonly [Kind in FillingKind]: Injector<Kind> } = {
  bearer,
  basic,
  header,
  query,
  path,
  body,
  awsSigV4,
  oauth1,
  hmac,
};
const minters: { readonly [Kind in MintingKind]: Minter<Kind> } = { oauth2, githubApp, googleServiceAccount };

export function isMinting(inject: RulesetInject): inject is Extract<RulesetInject, { kind: MintingKind }> {
  return Object.hasOwn(minters, inject.kind);
}

/** Whatever the list says of a kind takes that kind, which the types of a union cannot say. */
function minterOf(inject: RulesetInject): Minter<InjectKind> {
  return minters[inject.kind as MintingKind] as unknown as Minter<InjectKind>;
}

function injectorOf(inject: RulesetInject): Injector<InjectKind> {
  const kind = isMinting(inject) ? 'bearer' : inject.kind;
  return injectors[kind as FillingKind] as unknown as Injector<InjectKind>;
}

/** @throws SidecarError that says what of the secret cannot be used, without printing it. */
export function checkMaterial(inject: RulesetInject, material: Material): void {
  if (isMinting(inject)) minterOf(inject).check(inject, material);
  else injectorOf(inject).check(inject, material);
}

/** @throws SidecarError */
export async function mint(inject: RulesetInject, context: MintContext): Promise<Minted> {
  return minterOf(inject).mint(inject, context);
}

export function placesOf(inject: RulesetInject): Places {
  return injectorOf(inject).places(inject);
}

/** @returns undefined where the scheme sets no bound of its own. */
export function maxBodyBytesOf(inject: RulesetInject): number | undefined {
  return injectorOf(inject).maxBodyBytes;
}

export function needsBody(inject: RulesetInject, outgoing: Omit<Outgoing, 'body' | 'placeholder'>): boolean {
  return outgoing.hasBody && (injectorOf(inject).needsBody?.(inject, outgoing) ?? false);
}

/**
 * @param material for a minting kind the token.
 * @throws SidecarError SECRET_UNPRINTABLE among others, which prints no secret.
 */
export function fill(
  inject: RulesetInject,
  material: Material,
  outgoing: Outgoing,
  nowMs: number,
): Filled | Refusal {
  const filled = injectorOf(inject).fill(inject, material, outgoing, nowMs);
  if (isRefusal(filled)) return filled;
  // The last line of defence: whatever a scheme made of a secret, it cannot end a header or a request line.
  const isClean =
    filled.headers.every(
      ([name, value]) => /^[a-z0-9!#$%&'*+.^_`|~-]+$/.test(name) && /^[\x20-\x7e]+$/.test(value),
    ) && /^[\x21-\x7e]*$/.test(`${filled.path ?? ''}${filled.query ?? ''}`);
  if (isClean) return filled;
  throw new SidecarError('SECRET_UNPRINTABLE', { field: `spec.inject.${inject.kind}` });
}
