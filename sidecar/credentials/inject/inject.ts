// The ways a secret is put on a request: a closed list, one file each. Nothing outside this folder opens a Secret.

import type { RulesetCredential } from '../../../policy/ruleset.ts';
import { SidecarError } from '../../errors.ts';
import type { Secret } from '../secret.ts';
import { renderBearer } from './bearer.ts';
import type { Slot } from './slot.ts';

type Inject = RulesetCredential['inject'];

const injectors: { readonly [Kind in Inject['kind']]: (secret: Secret) => Slot } = { bearer: renderBearer };

/**
 * The single header that carries the secret.
 * @throws SidecarError SECRET_UNPRINTABLE, which does not print it.
 */
export function renderSlot(
  inject: Inject,
  secret: Secret,
): { readonly name: string; readonly value: string } {
  const { name, value, pattern } = injectors[inject.kind](secret);
  if (!pattern.test(value))
    throw new SidecarError('SECRET_UNPRINTABLE', { field: `spec.inject.${inject.kind}` });
  return { name, value };
}
