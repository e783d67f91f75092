// The parts of a secret that an injection opens, by the names that the injection has for them.

import type { NamedParts } from '../../../policy/ruleset-credential.ts';
import { SidecarError } from '../../errors.ts';
import { onlyPart, type Material } from '../material.ts';
import type { Secret } from '../secret.ts';

/**
 * @param main the part that a secret of one value is.
 * @returns null when the secret has no such part.
 */
export function findPart(
  material: Material,
  { fields = {} }: NamedParts,
  part: string,
  main?: 'main',
): Secret | null {
  const name = Object.hasOwn(fields, part) ? (fields[part] ?? part) : part;
  return material.get(name) ?? (main === undefined ? null : (material.get(onlyPart) ?? null));
}

/** @throws SidecarError SECRET_PART_MISSING that says which. */
export function partOf(
  material: Material,
  inject: NamedParts & { readonly kind: string },
  part: string,
  main?: 'main',
): Secret {
  const found = findPart(material, inject, part, main);
  if (found !== null) return found;
  throw new SidecarError('SECRET_PART_MISSING', {
    field: `spec.inject.${inject.kind}`,
    detail: `It needs ${part}: name the field of the secret that holds it under spec.source, and under fields.${part} of the injection if it is called otherwise there.`,
  });
}
