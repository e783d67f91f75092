// Requests that agents might send: seven in ten allowed, the others refused for every reason that rules can have. Plain
// ones, since the peers do not fold letter case and trailing slashes as a guard of Outrider does.

import { parseAuthority, parseRequestTarget } from '../../policy/canonical.ts';
import { placeholderPrefix } from '../../policy/contract.ts';
import { isRefusal } from '../../policy/refusal.ts';
import { noBody, type CanonicalRequest } from '../../policy/request.ts';
import { createRandom, type Random } from './random.ts';
import { createReference, type Reference, type Target } from './reference.ts';
import { namespace } from './resources.ts';
import { siteNumber, type BenchRule } from './rules.ts';

export interface WireRequest {
  readonly host: string;
  readonly method: string;
  readonly target: string;
  readonly headers: readonly string[];
  readonly placeholder: string | null;
}

/** What share of the requests is of which kind. */
export const mix = {
  allowed: 0.7,
  'unknown host': 0.08,
  'wrong method': 0.08,
  'wrong path': 0.08,
  'denied by a guard': 0.06,
} as const;
type Kind = keyof typeof mix;

const seed = 7;
/** A set of rules that cannot give a kind of request would otherwise be asked forever. */
const triesPerRequest = 2000;

export function generateRequests(rules: readonly BenchRule[], count: number): WireRequest[] {
  const random = createRandom(seed);
  const reference = createReference(rules);
  const kinds = Object.keys(mix) as Kind[];
  const pick = createPicker(rules, random);
  const requests = kinds.flatMap((kind) =>
    Array.from({ length: Math.round(count * mix[kind]) }, () => drawOf(kind, pick, reference, random)),
  );
  for (let last = requests.length - 1; last > 0; last--) {
    const other = random.below(last + 1);
    [requests[last], requests[other]] = [requests[other] as WireRequest, requests[last] as WireRequest];
  }
  return requests;
}

/** An agent asks few sites often and many rarely: the site of rank r as often as 1/r (Zipf, as in YCSB). */
function createPicker(rules: readonly BenchRule[], random: Random): () => BenchRule {
  const sites = [...Map.groupBy(rules, siteNumber).values()];
  let total = 0;
  const upTo = sites.map((_, rank) => (total += 1 / (rank + 1)));
  return () => {
    const draw = random.next() * total;
    return random.pick(sites[upTo.findIndex((bound) => draw < bound)] ?? rules);
  };
}

function drawOf(kind: Kind, pick: () => BenchRule, reference: Reference, random: Random): WireRequest {
  for (let tries = 0; tries < triesPerRequest; tries++) {
    const rule = pick();
    const near = pick();
    const target = draw[kind](rule, near, random);
    if (target === null) continue;
    const expected = reference.decide(target);
    const action = expected?.action ?? 'none';
    const wanted = { allowed: 'Allow', 'denied by a guard': 'Deny' }[kind as string] ?? 'none';
    if (action === wanted) return wireOf(target, expected?.credential ?? rule.credential, random);
  }
  throw new Error(`the rules have no request that is ${kind}`);
}

const draw: Readonly<Record<Kind, (rule: BenchRule, near: BenchRule, random: Random) => Target | null>> = {
  allowed: (rule, _, random) => (rule.action === 'Allow' ? meet(rule, random) : null),
  'denied by a guard': (rule, near, random) =>
    rule.action === 'Deny'
      ? { ...meet(rule, random), ...(rule.hosts === null ? { host: meet(near, random).host } : {}) }
      : null,
  'unknown host': (rule, _, random) => ({
    ...meet(rule, random),
    host: random.pick([`api.${word(random)}.com`, `${word(random)}.api.${word(random)}.net`]),
  }),
  'wrong method': (rule, _, random) =>
    rule.hosts === null || rule.methods === null
      ? null
      : {
          ...meet(rule, random),
          method: random.pick(['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']),
        },
  'wrong path': (rule, near, random) => {
    if (rule.hosts === null) return null;
    const target = meet(rule, random);
    const path = random.pick([`${target.path}/${word(random)}`, meet(near, random).path]);
    return { ...target, path };
  },
};

/** A request that the rule matches. */
function meet({ hosts, methods, paths }: BenchRule, random: Random): Target {
  const host = hosts === null ? 'api.nowhere.com' : random.pick(hosts);
  const segments = random
    .pick(paths ?? ['/**'])
    .slice(1)
    .split('/');
  const met = segments.flatMap((segment) => {
    if (segment === '**') return Array.from({ length: random.below(4) }, () => word(random));
    return [segment.replaceAll('*', () => word(random))];
  });
  return {
    host: host
      .replace('**', () => random.pick([word(random), `${word(random)}.${word(random)}`]))
      .replace('*', () => word(random)),
    method: random.pick(methods ?? ['GET', 'POST']),
    path: `/${met.join('/')}`,
  };
}

/** Such as the ids that APIs give: of four to twelve lower-case letters and digits, the first a letter. */
function word(random: Random): string {
  const length = 4 + random.below(9);
  const letters = 'abcdefghijklmnopqrstuvwxyz0123456789';
  return Array.from({ length }, (_, at) => letters[random.below(at === 0 ? 26 : 36)]).join('');
}

const withBody = new Set(['POST', 'PUT', 'PATCH']);

const commonHeaders = [
  ['accept', 'application/json'],
  ['accept-encoding', 'gzip, deflate'],
  ['user-agent', 'agent-sdk/2.14.1'],
].flat();

function wireOf({ host, method, path }: Target, credential: string | null, random: Random): WireRequest {
  const query = random.pick(['', '', `?limit=50&page=${random.below(99)}`, `?cursor=${word(random)}`]);
  const placeholder = credential === null ? null : `${namespace}.${credential}`;
  return {
    host,
    method,
    target: `${path}${query}`,
    headers: [
      ...commonHeaders,
      ...(placeholder === null ? [] : ['authorization', `Bearer ${placeholderPrefix}${placeholder}`]),
      ...(withBody.has(method) ? ['content-type', 'application/json'] : []),
    ],
    placeholder,
  };
}

export type Reader = () => CanonicalRequest;

/**
 * Reads the request anew at each call, as a sidecar does: its strings come from the wire, so that neither their hashes
 * nor an earlier decision's caches are there.
 */
export function createReader({ host, method, target, headers, placeholder }: WireRequest): Reader {
  const hostBytes = Buffer.from(host, 'latin1');
  const targetBytes = Buffer.from(target, 'latin1');
  const body = withBody.has(method) ? ({ kind: 'unread' } as const) : noBody;
  return () => {
    const authority = parseAuthority(hostBytes.toString('latin1'), 443);
    const parsed = parseRequestTarget(targetBytes.toString('latin1'));
    if (isRefusal(authority) || isRefusal(parsed)) throw new Error(`${host}${target} is no plain request`);
    const { path, segments, opens, query } = parsed;
    return {
      scheme: 'https',
      ...authority,
      method,
      path,
      segments,
      opens,
      query,
      headers,
      body,
      placeholder,
    };
  };
}
