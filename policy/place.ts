// Where a rule reaches: host, port and scheme, and the path; as data for the index, and as conditions that explain.

import { githubHosts } from './github/form.ts';
import { compileHostPattern, compilePatterns, guardPathParts, pathParts, spelling } from './match.ts';
import type { Part } from './part-tree.ts';
import { guardReadings } from './path-readings.ts';
import type { Condition, Miss, Stance } from './reading.ts';
import type { CanonicalRequest } from './request.ts';
import type { Ruleset, RulesetMatch, RulesetRule } from './ruleset.ts';

/** What a rule or an entry of a ceiling has of these. */
export type Placed = RulesetMatch & Pick<RulesetRule, 'github'>;

export interface Place {
  /** Host names and globs; null: everywhere. Empty: nowhere. */
  readonly hosts: readonly string[] | null;
  /** null: any. */
  readonly port: number | null;
  readonly scheme: CanonicalRequest['scheme'] | null;
}

/** `hosts` means HTTPS on 443 for a grant; a guard holds on every port. A missing destination: a grant is nowhere, a guard everywhere. */
export function placeOf(match: Placed, ruleset: Pick<Ruleset, 'destinations'>, stance: Stance): Place {
  const isGuard = stance === 'guard';
  if (match.destination !== undefined) {
    const destination = ruleset.destinations[match.destination];
    if (destination === undefined) return { hosts: isGuard ? null : [], port: null, scheme: null };
    const { names, port, scheme } = destination;
    return isGuard ? { hosts: names, port: null, scheme: null } : { hosts: names, port, scheme };
  }
  const hosts = match.github === undefined ? match.hosts : githubHosts(match.github, stance);
  if (hosts === undefined) return { hosts: isGuard ? null : [], port: null, scheme: null };
  if (!isGuard) return { hosts, port: 443, scheme: 'https' };
  return { hosts: withOtherNames(hosts, ruleset), port: null, scheme: null };
}

/** A Service has several names, and the agent chooses which of them it writes: a guard of one is a guard of all. */
function withOtherNames(hosts: readonly string[], ruleset: Pick<Ruleset, 'destinations'>): readonly string[] {
  const several = Object.values(ruleset.destinations).filter(({ names }) => names.length > 1);
  if (several.length === 0) return hosts;
  const patterns = hosts.map(compileHostPattern);
  const others = several.flatMap(({ names }) =>
    names.some((name) => patterns.some((isMeant) => isMeant(name.split('.')))) ? names : [],
  );
  return others.length === 0 ? hosts : [...new Set([...hosts, ...others])];
}

/** A condition on the place, for explanations and ceilings; requests are decided through the index. */
export function compilePlace(
  match: Placed,
  ruleset: Pick<Ruleset, 'destinations'>,
  stance: Stance,
): Condition {
  const { hosts, port, scheme } = placeOf(match, ruleset, stance);
  const miss = placeMiss(match, ruleset, stance);
  if (hosts === null) return () => null;
  const exact = new Set(hosts.filter((host) => !host.includes('*')).map(spelling));
  const globs = hosts.filter((host) => host.includes('*')).map(compileHostPattern);
  return (reading) => {
    const { request } = reading;
    const labels = reading.labels();
    if (port !== null && request.port !== port) return miss;
    if (scheme !== null && request.scheme !== scheme) return miss;
    return exact.has(request.host) || globs.some((glob) => glob(labels)) ? null : miss;
  };
}

/** What a rule says of its fields, in a sentence that fits its stance. */
const verbs: Readonly<Record<Stance, string>> = { grant: 'allows', guard: 'is about' };

export function placeMiss(
  match: Placed,
  ruleset: Pick<Ruleset, 'destinations'>,
  stance: Stance = 'grant',
): Miss {
  const verb = verbs[stance];
  const { destination: name, github, hosts = [] } = match;
  if (name !== undefined) {
    const destination = ruleset.destinations[name];
    return {
      field: 'destination',
      message:
        destination === undefined
          ? `The rule names the destination ${name}, which does not exist or is not open to this namespace.`
          : `The rule ${verb} ${destination.scheme}://${destination.names[0]}:${destination.port}.`,
    };
  }
  if (github !== undefined) {
    return {
      field: 'github',
      message: `The rule ${verb} ${listed(githubHosts(github, stance))} over HTTPS.`,
    };
  }
  return {
    field: 'hosts',
    message: `The rule ${verb} ${listed(hosts)}${stance === 'grant' ? ' over HTTPS on port 443' : ''}.`,
  };
}

export function pathMiss({ paths = [] }: RulesetMatch, stance: Stance = 'grant'): Miss {
  return { field: 'paths', message: `The rule ${verbs[stance]} ${listed(paths)}.` };
}

export function compilePaths(match: RulesetMatch, stance: Stance): Condition {
  const { paths } = match;
  if (paths === undefined) return () => null;
  const miss = pathMiss(match, stance);
  const matches = compilePatterns(paths.map((path) => partsOfPath(path, stance)));
  if (stance === 'grant') return ({ request }) => (matches(request.segments) ? null : miss);
  return ({ request }) => (request.scheme === 'tcp' || guardReadings(request).some(matches) ? null : miss);
}

export function partsOfPath(pattern: string, stance: Stance): Part[] {
  return stance === 'grant' ? pathParts(pattern) : guardPathParts(pattern);
}

/** Enough to act on; a policy of hundreds of paths is not recited to an agent. */
export function listed(values: readonly string[]): string {
  const shown = values.slice(0, 5).join(', ');
  return values.length > 5 ? `${shown} and ${values.length - 5} more` : shown;
}
