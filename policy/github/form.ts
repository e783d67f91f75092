// The `github` form of a rule, compiled. Each request is reduced to acts once (git, REST or GraphQL); a grant matches
// when every act is covered, a guard when any may be. docs/decisions/0007-github-form.md says what each covers.

import type { BodyNeed, Condition, Miss, Reading, Stance } from '../reading.ts';
import type { GithubOperation, RulesetGithub } from '../ruleset.ts';
import { anywhere, everyOperation, ungranted, type Act } from './act.ts';
import { fileActs, webActs } from './git.ts';
import { graphqlActs } from './graphql.ts';
import { createMisses } from './misses.ts';
import { guardedRestActs, restActs } from './rest.ts';
import { compileScope } from './scope.ts';
import { spellingsOf } from './spellings.ts';
import { githubHosts, guardSurfaceOf, surfaceOf } from './surface.ts';

export { githubHosts };

export interface CompiledGithub {
  readonly condition: Condition;
  /** What it must see of an unread body; null when the head suffices. */
  readonly bodyNeed: (reading: Reading) => BodyNeed | null;
}

export function compileGithub(form: RulesetGithub, stance: Stance): CompiledGithub {
  return stance === 'grant' ? compileGrant(form) : compileGuard(form);
}

function compileGrant(form: RulesetGithub): CompiledGithub {
  const misses = createMisses(form);
  const { hasPlace, hasRefs } = compileScope(form, 'grant');
  const operations = new Set<GithubOperation>(form.operations);
  const hasBranches = form.branches !== undefined;

  /** What the head alone says against it. */
  function headMiss({ operation, place, doubt }: Act): Miss | null {
    if (operation === null) return doubt === null ? misses.operations : misses.doubts[doubt];
    if (!operations.has(operation)) return misses.operations;
    if (hasPlace(place)) return null;
    return place.kind === 'nodes' ? misses.nodeIds : misses.repositories;
  }

  function actMiss(act: Act): Miss | null {
    const miss = headMiss(act);
    if (miss !== null) return miss;
    if (act.doubt !== null && (hasBranches || !act.isOfRefs)) return misses.doubts[act.doubt];
    return hasRefs(act) ? null : misses.branches;
  }

  return {
    condition: (reading) => {
      const { scheme, port } = reading.request;
      if (scheme !== 'https' || port !== 443) return misses.hosts;
      const acts = grantedActs(reading, form);
      if (acts === null) return misses.hosts;
      let isAny = false;
      for (const act of acts) {
        if (act.isAside) continue;
        const miss = actMiss(act);
        if (miss !== null) return miss;
        isAny = true;
      }
      return isAny ? null : misses.operations;
    },
    bodyNeed: (reading) => {
      if (reading.request.body.kind !== 'unread') return null;
      let need: BodyNeed | null = null;
      for (const act of grantedActs(reading, form) ?? []) {
        if (act.isAside) continue;
        // What the head refuses by itself is refused before a byte of body is read.
        const refused = act.need === null ? actMiss(act) : act.operation === null ? null : headMiss(act);
        if (refused !== null) return null;
        if (hasBranches || !act.isOfRefs) need ??= act.need;
      }
      return need;
    },
  };
}

function compileGuard(form: RulesetGithub): CompiledGithub {
  const misses = createMisses(form);
  const { hasPlace, hasRefs } = compileScope(form, 'guard');
  const isOperation = (operation: GithubOperation): boolean => form.operations.includes(operation);
  const hosts = new Set(githubHosts(form));

  return {
    condition: (reading) => {
      if (!hosts.has(reading.request.host)) return misses.hosts;
      let miss = misses.operations;
      for (const act of guardedActs(reading, form)) {
        if (!act.maybe.some(isOperation)) continue;
        if (!hasPlace(act.place)) miss = misses.repositories;
        else if (hasRefs(act)) return null;
        else miss = misses.branches;
      }
      return miss;
    },
    bodyNeed: (reading) => {
      const { body, host } = reading.request;
      if (body.kind !== 'unread' || !hosts.has(host)) return null;
      for (const act of guardedActs(reading, form)) {
        if (act.need === null || !act.maybe.some(isOperation) || !hasPlace(act.place)) continue;
        // Without branches it matters only when the body also says which operation it is.
        if (act.operation === null || form.branches !== undefined) return act.need;
      }
      return null;
    },
  };
}

interface Seen {
  readonly web: string | undefined;
  readonly api: string | undefined;
  granted?: readonly Act[] | null;
  guarded?: readonly Act[];
}

/**
 * A request is read once, however many rules ask; forms of another instance start anew. Kept on the reading itself: a
 * WeakMap costs more than the rest together, and a variable would keep the last body.
 */
const seenKey = Symbol('github');
type SeenReading = Reading & { [seenKey]?: Seen };

function seenOf(reading: SeenReading, { hosts }: RulesetGithub): Seen {
  const known = reading[seenKey];
  if (known !== undefined && known.web === hosts?.web && known.api === hosts?.api) return known;
  const made: Seen = { web: hosts?.web, api: hosts?.api };
  reading[seenKey] = made;
  return made;
}

/** Null when it does not go to GitHub. */
function grantedActs(reading: Reading, form: RulesetGithub): readonly Act[] | null {
  const known = seenOf(reading, form);
  if (known.granted !== undefined) return known.granted;
  const { host, method, segments } = reading.request;
  const surface = surfaceOf(host, segments, form);
  if (surface.kind === 'rest') known.granted = restActs(method, surface.segments, reading);
  else if (surface.kind === 'graphql') known.granted = graphqlActs(reading, false);
  else known.granted = surface.kind === 'web' ? webActs(method, surface.segments, reading) : null;
  return known.granted;
}

function guardedActs(reading: Reading, form: RulesetGithub): readonly Act[] {
  const known = seenOf(reading, form);
  known.guarded ??= readGuarded(reading, form);
  return known.guarded;
}

function readGuarded(reading: Reading, form: RulesetGithub): readonly Act[] {
  const { request } = reading;
  // A relayed connection says nothing of what it carries.
  if (request.scheme === 'tcp') return [ungranted(everyOperation, anywhere)];
  const method = request.method.toUpperCase();
  return spellingsOf(request).flatMap((spelling) => {
    const { kind, segments } = guardSurfaceOf(request.host, spelling, form);
    if (kind === 'graphql') return graphqlActs(reading, true);
    if (kind === 'rest') return guardedRestActs(segments, reading);
    return kind === 'files' ? fileActs(segments) : webActs(method, segments, reading);
  });
}
