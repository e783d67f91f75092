// What somebody would write by hand for these rules and no others: maps by host and method, a map of the segments that
// are denied everywhere, and closures that compare segments. What has to be general can hardly be faster.

import { answersOf, refusal, type Engine } from './engine.ts';
import { shapeOf, type Part } from './path-shape.ts';
import { elsewhere, otherMethods, rulesByMethod, rulesByPlace } from './places.ts';
import type { BenchRule } from './rules.ts';

type Matches = (segments: readonly string[]) => boolean;

interface Candidate {
  readonly matches: Matches;
  readonly index: number;
  readonly isGuard: boolean;
}

export function createFloor(rules: readonly BenchRule[]): Engine {
  const answers = answersOf(rules);
  const deniedEverywhere = new Map<string, number>();
  for (const { index, hosts, paths } of rules) {
    const shape = shapeOf(paths?.[0] ?? '');
    if (hosts === null && shape.kind === 'anywhere' && !deniedEverywhere.has(shape.text))
      deniedEverywhere.set(shape.text, index);
  }
  const exact = new Map<string, Map<string, Candidate[]>>();
  const oneLabel = new Map<string, Map<string, Candidate[]>>();
  const anyLabels = new Map<string, Map<string, Candidate[]>>();
  for (const [place, here] of rulesByPlace(rules)) {
    const byMethod = new Map(
      [...rulesByMethod(here.filter(({ hosts }) => hosts !== null))].map(([method, { guards, grants }]) => [
        method,
        [...guards, ...grants].map(candidateOf),
      ]),
    );
    if (place.startsWith('**.')) anyLabels.set(place.slice(3), byMethod);
    else if (place.startsWith('*.')) oneLabel.set(place.slice(2), byMethod);
    else if (place !== elsewhere) exact.set(place, byMethod);
  }

  function placeOf(host: string): Map<string, Candidate[]> | undefined {
    const known = exact.get(host);
    if (known !== undefined) return known;
    let dot = host.indexOf('.');
    let parent = host.slice(dot + 1);
    const found = oneLabel.get(parent);
    if (found !== undefined) return found;
    for (; dot >= 0; dot = parent.indexOf('.'), parent = parent.slice(dot + 1)) {
      const wide = anyLabels.get(parent);
      if (wide !== undefined) return wide;
    }
    return undefined;
  }

  return {
    decide({ host, method, segments }) {
      let denied = Infinity;
      for (const segment of segments) {
        const index = deniedEverywhere.get(segment);
        if (index !== undefined && index < denied) denied = index;
      }
      const byMethod = placeOf(host);
      for (const { matches, index, isGuard } of byMethod?.get(method) ??
        byMethod?.get(otherMethods) ??
        none) {
        if (!isGuard && denied < Infinity) break;
        if (matches(segments)) return answers[Math.min(index, isGuard ? denied : index)] ?? refusal;
      }
      return answers[denied] ?? refusal;
    },
  };
}

const none: readonly Candidate[] = [];

function candidateOf({ index, action, paths }: BenchRule): Candidate {
  return { matches: anyOf((paths ?? ['/**']).map(compilePath)), index, isGuard: action === 'Deny' };
}

function anyOf(all: readonly Matches[]): Matches {
  const [only] = all;
  if (only !== undefined && all.length === 1) return only;
  return (segments) => all.some((matches) => matches(segments));
}

function compilePath(pattern: string): Matches {
  const shape = shapeOf(pattern);
  if (shape.kind === 'anywhere') return (segments) => segments.includes(shape.text);
  const { head } = shape;
  if (shape.kind === 'whole') return (segments) => segments.length === head.length && fit(head, segments, 0);
  const { tail } = shape;
  return (segments) =>
    segments.length >= head.length + tail.length &&
    fit(head, segments, 0) &&
    fit(tail, segments, segments.length - tail.length);
}

function fit(parts: readonly Part[], segments: readonly string[], from: number): boolean {
  for (let at = 0; at < parts.length; at++) {
    const part = parts[at] as Part;
    const segment = segments[from + at] ?? '';
    if (part.kind === 'text') {
      if (segment !== part.text) return false;
    } else if (
      segment === '' ||
      segment.length < part.prefix.length + part.suffix.length ||
      !segment.startsWith(part.prefix) ||
      !segment.endsWith(part.suffix)
    ) {
      return false;
    }
  }
  return true;
}
