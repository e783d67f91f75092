// REST: `/repos/{owner}/{repo}` and everything else, which names no repository.

import type { Reading } from '../reading.ts';
import {
  act,
  anywhere,
  everyOperation,
  nowhere,
  repositoryPlace,
  ungranted,
  type Act,
  type Place,
} from './act.ts';
import { valuesOf } from './git.ts';
import { createEndpoints, type Endpoint, type FindEndpoint } from './rest-endpoints.ts';
import { readRestField } from './rest-fields.ts';

/** Roots whose writes are about people, organizations and apps; deleting an organization deletes what it has. */
const otherRoots = new Set(
  'user users orgs organizations teams gists notifications markdown applications app app-manifests projects credentials scim hub'.split(
    ' ',
  ),
);
/** Roots that show nothing of any repository. */
const publicRoots = new Set(
  'rate_limit meta zen emojis octocat versions licenses gitignore codes_of_conduct markdown apps advisories'.split(
    ' ',
  ),
);

let endpoints: FindEndpoint | null = null;

export function restActs(method: string, segments: readonly string[], reading: Reading): Act[] {
  const [root = '', owner = '', name = ''] = segments;
  if (root === 'repos' && segments.length >= 3) {
    return repositoryActs(method, segments.slice(3), repositoryPlace(owner, name), reading);
  }
  // The same endpoints, but the id says nothing about where the repository is.
  if (root === 'repositories' && segments.length >= 2) {
    return repositoryActs(method, segments.slice(2), anywhere, reading);
  }
  return [otherAct(method, root, segments)];
}

/**
 * For guards: the same, whatever method a server may take the request's for. POST stood for PATCH once, and frameworks
 * know `_method` (H-33).
 */
export function guardedRestActs(segments: readonly string[], reading: Reading): Act[] {
  const method = reading.request.method.toUpperCase();
  if (isOverridden(reading)) return anyMethod.flatMap((each) => restActs(each, segments, reading));
  const acts = restActs(method, segments, reading);
  const isAlias = method === 'POST' && segments[0] === 'repos' && segments.length >= 3;
  if (!isAlias || !endpoint('PATCH', segments.slice(3)).isKnown) return acts;
  return [...acts, ...restActs('PATCH', segments, reading)];
}

const anyMethod = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const;

function isOverridden(reading: Reading): boolean {
  const { method, headers } = reading.request;
  if (reading.overridesMethod()) return true;
  return (
    method.toUpperCase() === 'POST' && valuesOf(headers, 'content-type').some((type) => /form/i.test(type))
  );
}

function endpoint(method: string, segments: readonly string[]): Endpoint {
  endpoints ??= createEndpoints();
  return endpoints(method, segments);
}

function repositoryActs(method: string, segments: readonly string[], place: Place, reading: Reading): Act[] {
  const { operation, maybe, field } = endpoint(method, segments);
  if (operation === 'Read') return [readAct(segments, place, reading)];
  if (operation === null) return [ungranted(maybe, place)];
  const { aside, ...told } = readRestField(field, segments, place, reading);
  const acts = [act(operation, place, { maybe, ...told })];
  if (operation === 'OpenPullRequest')
    acts.push(act(operation, place, { ...told, refs: aside, isAside: true }));
  return acts;
}

function readAct(segments: readonly string[], place: Place, reading: Reading): Act {
  // `owner:branch` and `owner:repository:branch` compare with another repository of the network.
  const isForeign = segments.some((segment, at) => segment.includes(':') && segments[at - 1] === 'compare');
  return act('Read', isForeign ? anywhere : place, {
    refs: [],
    doubt: isOverridden(reading) ? 'query' : null,
  });
}

function otherAct(method: string, root: string, segments: readonly string[]): Act {
  if (method === 'GET' || method === 'HEAD' || method === 'OPTIONS') {
    const isOfNone =
      segments.length === 0 ||
      publicRoots.has(root) ||
      (root === 'user' && segments.length === 1) ||
      ((root === 'users' || root === 'orgs') && segments.length === 2);
    return ungranted(isOfNone ? [] : ['Read'], isOfNone ? nowhere : anywhere);
  }
  const isOrganization = (root === 'orgs' || root === 'organizations') && segments.length <= 2;
  if (isOrganization) return ungranted(method === 'DELETE' ? ['DeleteRepository'] : [], anywhere);
  return ungranted(otherRoots.has(root) ? [] : everyOperation, anywhere);
}
