// Takes parameters out of a query and leaves every other byte as it is.

import { partsInPhp, partsOf } from '../../../policy/fields/spelling.ts';
import { refuse, type Refusal } from '../../../policy/refusal.ts';

/**
 * The query without the parameters that are ours to set, however their names are escaped; null when nothing is left.
 * Whether `KEY`, `key[]` or ` key` is `key` depends on the server, so these are neither left nor taken out but refused.
 */
export function withoutParameters(query: string | null, names: readonly string[]): string | null | Refusal {
  if (query === null || query === '') return null;
  const kept: string[] = [];
  for (const pair of query.split('&')) {
    if (names.includes(nameOf(pair))) {
      // Where `;` separates as well (HTML 4 asked servers to), this pair is several.
      if (pair.includes(';')) return refuseLookalike(pair);
      continue;
    }
    const name = pair.split(';').find((part) => names.some((ours) => isLike(nameOf(part), ours)));
    if (name !== undefined) return refuseLookalike(name);
    kept.push(pair);
  }
  return kept.length === 0 ? null : kept.join('&');
}

/** @param query null or '' when there is none. */
export function withParameter(query: string | null, name: string, value: string): string {
  const pair = `${percentEncode(name)}=${percentEncode(value)}`;
  return query === null || query === '' ? pair : `${query}&${pair}`;
}

/** RFC 3986 section 2.3: what is not unreserved is escaped, in UTF-8 and upper-case hex digits. */
export function percentEncode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

/** As forms are decoded; what is no UTF-8 is no name of ours. */
function nameOf(pair: string): string {
  const [name = ''] = pair.split('=', 1);
  if (!/[+%]/.test(name)) return name;
  const bytes = name
    .replaceAll('+', ' ')
    .replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(bytes, 'latin1').toString('utf8');
}

function isLike(name: string, ours: string): boolean {
  return spellings(name).some((parts) =>
    spellings(ours).some((own) => own.every((part, at) => part === parts[at])),
  );
}

function spellings(name: string): (readonly string[])[] {
  const inPhp = partsInPhp(name);
  return inPhp === null ? [partsOf(name)] : [partsOf(name), inPhp];
}

function refuseLookalike(pair: string): Refusal {
  const [name = ''] = pair.split('=', 1);
  return refuse(
    'request_unsignable',
    `The query has ${name.slice(0, 64)}, which some servers take for the parameter that the credential is put into; leave it out.`,
  );
}
