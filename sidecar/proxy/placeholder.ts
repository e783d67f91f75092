// Where an agent put the placeholder of a credential. It says which credential is meant, and may stand only where that
// credential is put: anywhere else in the head it would reach the upstream in place of a secret, so it is refused.
// Bodies are not looked at: a placeholder once printed sits in the chat history of every later call to an LLM.

import { placeholderPrefix } from '../../policy/contract.ts';
import { refuse, type Refusal } from '../../policy/refusal.ts';
import { credentialOfToken } from '../credentials/google-placeholder.ts';
import type { Places } from '../credentials/inject/injector.ts';

export interface FoundPlaceholders {
  /** `namespace.name`; null when there is none. */
  readonly placeholder: string | null;
  readonly at: readonly PlaceholderPlace[];
}

export type PlaceholderPlace =
  { readonly kind: 'header' | 'query'; readonly name: string } | { readonly kind: 'path' };

const none: FoundPlaceholders = { placeholder: null, at: [] };

/** Namespace (a DNS label) and name (a DNS subdomain) of an AgentCredential. */
const placeholderPattern = /^outrider-placeholder\.([a-z0-9-]{1,63}\.[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?)/;
/** What a token that an SDK signed with a placeholder file is in; longer ones are none of ours. */
const tokenPattern = /^bearer (eyJ[\w-]{1,4096}\.[\w-]{1,4096}\.[\w-]{1,1024})$/i;
const basicPattern = /^basic ([A-Za-z0-9+/]+={0,2})$/i;

/**
 * @param headers name and value alternating, names in lower case.
 * @param path as it goes onto the wire.
 * @param query likewise.
 */
export function findPlaceholders(
  headers: readonly string[],
  path: string,
  query: string | null,
): FoundPlaceholders | Refusal {
  const at: PlaceholderPlace[] = [];
  const named = new Set<string>();

  function look(text: string, place: PlaceholderPlace): Refusal | null {
    const start = text.indexOf(placeholderPrefix);
    if (start < 0) return null;
    const placeholder = placeholderPattern.exec(text.slice(start))?.[1];
    if (placeholder === undefined || text.lastIndexOf(placeholderPrefix) !== start) {
      return refuse('credential_ambiguous', `${spell(place)} does not hold exactly one whole placeholder.`);
    }
    named.add(placeholder);
    at.push(place);
    return null;
  }

  let refusal: Refusal | null = null;
  for (let index = 0; index < headers.length; index += 2) {
    const name = headers[index] ?? '';
    const value = headers[index + 1] ?? '';
    refusal ??= look(name === 'authorization' ? spelled(value) : value, { kind: 'header', name });
  }
  if (query?.includes(`=${placeholderPrefix}`) === true) {
    for (const pair of query.split('&')) {
      const equals = pair.indexOf('=');
      if (equals < 0 || !pair.startsWith(placeholderPrefix, equals + 1)) continue;
      refusal ??= look(pair.slice(equals + 1), { kind: 'query', name: decoded(pair.slice(0, equals)) });
    }
  }
  if (path.includes(placeholderPrefix)) refusal ??= look(path, { kind: 'path' });
  if (refusal !== null) return refusal;
  if (at.length === 0) return none;
  if (named.size > 1) {
    return refuse(
      'credential_ambiguous',
      'The request carries the placeholders of two credentials; send one.',
    );
  }
  return { placeholder: [...named][0] ?? null, at };
}

/** A placeholder that stands where its credential is not put. */
export function findStray({ at }: FoundPlaceholders, places: Places): Refusal | null {
  const stray = at.find((place) => !isPlaced(place, places));
  if (stray === undefined) return null;
  const wanted = [
    ...places.headers.map((name) => `the header ${name}`),
    ...places.query.map((name) => `the query parameter ${name}`),
    ...(places.path === true ? ['the path'] : []),
  ];
  const where =
    wanted.length === 0 ? 'leave it out' : `send it in ${wanted.join(' or ')}, where it is replaced`;
  return refuse('credential_ambiguous', `The placeholder of a credential is in ${spell(stray)}; ${where}.`);
}

function isPlaced(place: PlaceholderPlace, places: Places): boolean {
  if (place.kind === 'path') return places.path === true;
  return (place.kind === 'header' ? places.headers : places.query).includes(place.name);
}

/** In the clear, where Basic encodes it or an SDK signed with its file. */
function spelled(authorization: string): string {
  const encoded = basicPattern.exec(authorization)?.[1];
  if (encoded !== undefined) return Buffer.from(encoded, 'base64').toString('latin1');
  const token = tokenPattern.exec(authorization)?.[1];
  const credential = token === undefined ? null : credentialOfToken(token);
  return credential === null ? authorization : `${placeholderPrefix}${credential}`;
}

function decoded(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}

function spell(place: PlaceholderPlace): string {
  if (place.kind === 'path') return 'the path';
  return place.kind === 'header' ? `the header ${place.name}` : `the query parameter ${place.name}`;
}
