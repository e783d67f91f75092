// How a secret is put on a request: exactly one way for the credential, and perhaps another for an entry of its ceiling.

import { z } from 'zod';
import { constrain, exactlyOneOf } from './constraint.ts';
import { hmac } from './inject-hmac.ts';
import { signatures } from './inject-signatures.ts';
import { otherSlots, tokenSlots } from './inject-slots.ts';
import { tokens } from './inject-tokens.ts';

const direct = { ...tokenSlots, ...signatures, hmac, ...otherSlots };
const ways = { ...direct, ...tokens };

export const inject = exactlyOneOf(z.strictObject(ways), Object.keys(ways)).describe(
  'How the secret is put on a request.',
);

export type InjectSpec = z.infer<typeof inject>;

/** What mints is the credential's alone: an entry would be a second secret. */
export const entryInject = () =>
  exactlyOneOf(z.strictObject(direct), Object.keys(direct))
    .describe(
      "How the secret is put on requests of this entry, instead of the credential's inject; of a token that is minted, bearer, basic, header or query.",
    )
    .optional();

export type EntryInjectSpec = NonNullable<z.infer<ReturnType<typeof entryInject>>>;

const mintingKeys = Object.keys(tokens) as (keyof typeof tokens)[];
const tokenSlotKeys = Object.keys(tokenSlots) as (keyof typeof tokenSlots)[];

interface Injected {
  readonly inject: InjectSpec;
  readonly allow: readonly { readonly inject?: EntryInjectSpec | undefined }[];
}

export function isMintingSpec(spec: InjectSpec): boolean {
  return mintingKeys.some((key) => spec[key] !== undefined);
}

/** A token is written into a slot; there is nothing of it to sign with. */
export function tokensInSlots<S extends z.ZodType<Injected>>(schema: S): S {
  const isMinting = mintingKeys.map((key) => `has(self.inject.${key})`).join(' || ');
  const isSlot = tokenSlotKeys.map((key) => `has(entry.inject.${key})`).join(' || ');
  return constrain(schema, {
    cel: `!(${isMinting}) || self.allow.all(entry, !has(entry.inject) || ${isSlot})`,
    holds: (spec) =>
      !isMintingSpec(spec.inject) ||
      spec.allow.every(
        ({ inject: own }) => own === undefined || tokenSlotKeys.some((key) => own[key] !== undefined),
      ),
    message: `has an inject under allow that no minted token can take: where inject is ${mintingKeys.join(', ')}, an entry may say ${tokenSlotKeys.join(', ')}, such as { basic: { username: x-access-token } }`,
  });
}
