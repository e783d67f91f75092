// Which rules can concern a request at all: by the labels of its host, then by the segments of its path. Built once per
// ruleset; a request visits only what its own host and path lead to.

import { hostParts, spelling } from './match.ts';
import { addPattern, createPartTree, createPartWalker, noValue, type PartTree } from './part-tree.ts';
import { guardReadings } from './path-readings.ts';
import { partsOfPath, placeOf, type Place, type Placed } from './place.ts';
import type { Reading, Stance } from './reading.ts';
import type { CanonicalRequest } from './request.ts';
import type { Ruleset } from './ruleset.ts';

export interface RuleIndex {
  /** Calls `visit` once for each rule whose place and path match, in no order. @returns steps taken. */
  candidates(reading: Reading, visit: (index: number) => void): number;
  /** After a search that visited nothing: the rule that came nearest, and by which field it failed. */
  nearest(): { readonly index: number; readonly field: 'place' | 'paths' };
}

/** Rules of one host pattern, port and scheme. */
interface Bucket {
  readonly port: Place['port'];
  readonly scheme: Place['scheme'];
  anyPath: number[] | null;
  paths: PartTree | null;
  /** The rules in `paths`. */
  readonly withPaths: number[];
  lowest: number;
}

interface Resolution {
  readonly buckets: readonly Bucket[];
  /** Of a host that no pattern fits: the rule whose pattern shares most of the name. */
  readonly nearest: number;
}

/** Names that agents ask for are few, and rules name most of them; whoever asks for many only loses the shortcut. */
const spareResolutions = 1024;

export function createRuleIndex(
  rules: readonly { readonly rule: Placed }[],
  ruleset: Pick<Ruleset, 'destinations'>,
  stance: Stance,
): RuleIndex {
  const everywhere: Bucket[] = [];
  const buckets: Bucket[] = [];
  const byKey = new Map<string, number>();
  const hostTree = createPartTree();
  const walker = createPartWalker();
  const resolutions = new Map<string, Resolution>();
  /** The search in which each rule was visited last: a rule stands in many places. */
  const visited = new Float64Array(rules.length);
  let search = 0;
  let steps = 0;
  let nearestIndex = noValue;
  let nearestField: 'place' | 'paths' = 'place';
  let readFor: CanonicalRequest | null = null;
  let readings: readonly (readonly string[])[] = [];
  let visitor: (index: number) => void = () => {};

  for (const [index, { rule }] of rules.entries()) {
    const place = placeOf(rule, ruleset, stance);
    for (const bucket of bucketsOf(place)) {
      bucket.lowest = Math.min(bucket.lowest, index);
      if (rule.paths === undefined) (bucket.anyPath ??= []).push(index);
      else {
        bucket.paths ??= createPartTree();
        bucket.withPaths.push(index);
        for (const path of rule.paths) addPattern(bucket.paths, partsOfPath(path, stance), index);
      }
    }
  }

  function bucketsOf({ hosts, port, scheme }: Place): Bucket[] {
    if (hosts === null) {
      everywhere[0] ??= createBucket({ port, scheme });
      return everywhere;
    }
    return [...new Set(hosts.map(spelling))].flatMap((host) => {
      const key = `${host} ${port} ${scheme}`;
      let at = byKey.get(key);
      if (at === undefined) {
        at = buckets.push(createBucket({ port, scheme })) - 1;
        byKey.set(key, at);
        addPattern(hostTree, hostParts(host), at);
      }
      return buckets[at] ?? [];
    });
  }

  function resolve(host: string, labels: readonly string[]): Resolution {
    const found: Bucket[] = [...everywhere];
    const walked = walker.match(hostTree, labels.toReversed(), (at) => {
      const bucket = buckets[at];
      if (bucket !== undefined && !found.includes(bucket)) found.push(bucket);
    });
    steps += walked;
    const resolution = { buckets: found, nearest: buckets[walker.nearest()]?.lowest ?? noValue };
    if (resolutions.size >= 2 * buckets.length + spareResolutions) resolutions.clear();
    resolutions.set(host, resolution);
    return resolution;
  }

  function visit(index: number): void {
    if (visited[index] === search) return;
    visited[index] = search;
    steps += 1;
    visitor(index);
  }

  function readingsOf(request: CanonicalRequest): readonly (readonly string[])[] {
    if (readFor !== request) {
      readings = guardReadings(request);
      readFor = request;
    }
    return readings;
  }

  function searchPaths(paths: PartTree, request: CanonicalRequest): void {
    let walked = 0;
    if (stance === 'grant') walked = walker.match(paths, request.segments, visit);
    else for (const segments of readingsOf(request)) walked += walker.match(paths, segments, visit);
    steps += walked;
    const index = walker.nearest();
    if (nearestField === 'place' || index < nearestIndex) nearestIndex = index;
    nearestField = 'paths';
  }

  return {
    candidates: (reading, visitRule) => {
      search += 1;
      steps = 1;
      nearestField = 'place';
      visitor = visitRule;
      const { request } = reading;
      const { buckets: found, nearest } =
        resolutions.get(request.host) ?? resolve(request.host, reading.labels());
      nearestIndex = nearest;
      // No path of bytes that nobody reads can be ruled out.
      const isUnread = stance === 'guard' && request.scheme === 'tcp';
      for (const { port, scheme, anyPath, paths, withPaths } of found) {
        steps += 1;
        if (port !== null && port !== request.port) continue;
        if (scheme !== null && scheme !== request.scheme) continue;
        if (anyPath !== null) for (const index of anyPath) visit(index);
        if (paths !== null && !isUnread) searchPaths(paths, request);
        if (isUnread) for (const index of withPaths) visit(index);
      }
      return steps;
    },
    nearest: () => ({ index: nearestIndex === noValue ? 0 : nearestIndex, field: nearestField }),
  };
}

function createBucket({ port, scheme }: Omit<Place, 'hosts'>): Bucket {
  return { port, scheme, anyPath: null, paths: null, withPaths: [], lowest: noValue };
}
