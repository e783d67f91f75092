// An index by host, which each peer gets: for each host that a rule names, all the rules that hold there. So a peer
// looks at the rules of one place, and at nothing else.

import type { BenchRule } from './rules.ts';

/** Where only the rules without hosts hold. */
export const elsewhere = '**';

/** Rules by exact host, by `*.parent` and by `**.ancestor`, each in the rules' order; `placeOf` says which is meant. */
export function rulesByPlace(rules: readonly BenchRule[]): Map<string, BenchRule[]> {
  const byPattern = Map.groupBy(
    rules.flatMap((rule) => (rule.hosts ?? [elsewhere]).map((pattern) => ({ pattern, rule }))),
    ({ pattern }) => pattern,
  );
  byPattern.set(elsewhere, byPattern.get(elsewhere) ?? []);
  return new Map(
    [...byPattern.keys()].map((place) => {
      const here = new Set(
        patternsOver(place).flatMap((pattern) => (byPattern.get(pattern) ?? []).map(({ rule }) => rule)),
      );
      return [place, [...here].toSorted((a, b) => a.index - b.index)];
    }),
  );
}

/** @param places has `elsewhere`. */
export function placeOf<T>(places: ReadonlyMap<string, T>, host: string): T {
  const exact = places.get(host);
  if (exact !== undefined) return exact;
  for (const pattern of patternsOver(host)) {
    const found = places.get(pattern);
    if (found !== undefined) return found;
  }
  throw new RangeError('there are no rules for elsewhere');
}

/** All patterns that hold wherever a host or pattern does, the narrowest first. */
function patternsOver(place: string): string[] {
  if (place === elsewhere) return [elsewhere];
  const [first = '', ...rest] = place.split('.');
  const parent = rest.join('.');
  const ancestors = rest.map((_, at) => `**.${rest.slice(at).join('.')}`);
  return [place, ...(first === '**' ? [] : [`*.${parent}`]), ...ancestors, elsewhere];
}

/** For methods that no rule of the place names. */
export const otherMethods = '*';

export interface MethodRules {
  readonly guards: readonly BenchRule[];
  readonly grants: readonly BenchRule[];
}

export function rulesByMethod(rules: readonly BenchRule[]): Map<string, MethodRules> {
  const methods = new Set([otherMethods, ...rules.flatMap((rule) => rule.methods ?? [])]);
  return new Map(
    [...methods].map((method) => {
      const here = rules.filter((rule) => rule.methods === null || rule.methods.includes(method));
      return [
        method,
        {
          guards: here.filter(({ action }) => action === 'Deny'),
          grants: here.filter(({ action }) => action === 'Allow'),
        },
      ];
    }),
  );
}
