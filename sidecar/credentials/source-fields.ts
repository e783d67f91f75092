// The parts of a secret that a source holds as named fields or as one text.

import type { SecretFields } from '../../policy/ruleset-credential.ts';
import { SidecarError, type SidecarErrorCode } from '../errors.ts';
import { onlyPart, type Material } from './material.ts';
import { maxSecretBytes } from './provider.ts';
import { Secret } from './secret.ts';

/** Of the AgentCredential, for each kind of source: where `field` and `fields` stand. */
export interface FieldPlaces {
  /** Such as `spec.source.vault.kv`. */
  readonly at: string;
  readonly missing: SidecarErrorCode;
  readonly notText: SidecarErrorCode;
}

/**
 * @param record the secret's fields as the source gave them.
 * @throws SidecarError that names the field and never a value.
 */
export function materialOfRecord(
  record: Readonly<Record<string, unknown>>,
  { field, fields = [] }: SecretFields,
  places: FieldPlaces,
): Material {
  const wanted =
    field === undefined
      ? fields.map((name, index) => [name, name, `${places.at}.fields[${index}]`] as const)
      : [[onlyPart, field, `${places.at}.field`] as const];
  return new Map(
    wanted.map(([part, name, at]) => {
      const value = Object.hasOwn(record, name) ? record[name] : undefined;
      if (value === undefined) throw new SidecarError(places.missing, { field: at });
      if (typeof value !== 'string') throw new SidecarError(places.notText, { field: at });
      return [part, secretOf(value, at)];
    }),
  );
}

/** A whole text, or the fields of the JSON object that it is. */
export function materialOfText(text: string, wanted: SecretFields, places: FieldPlaces): Material {
  if (wanted.field === undefined && wanted.fields === undefined) {
    return new Map([[onlyPart, secretOf(text, places.at)]]);
  }
  return materialOfRecord(parseRecord(text, places), wanted, places);
}

function parseRecord(text: string, { at }: FieldPlaces): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      return value as Record<string, unknown>;
    }
  } catch {
    // the parser's message quotes what it could not read
  }
  throw new SidecarError('SECRET_NOT_JSON', { field: at });
}

function secretOf(value: string, field: string): Secret {
  if (value === '') throw new SidecarError('SECRET_EMPTY', { field });
  if (Buffer.byteLength(value) > maxSecretBytes) throw new SidecarError('SECRET_TOO_LARGE', { field });
  return new Secret(value);
}
