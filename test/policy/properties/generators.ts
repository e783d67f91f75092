// Random policies and requests that meet often: few hosts, paths, names and values, so that most conditions are true for
// some request and false for another.

import fc from 'fast-check';
import { compileRuleset, type CompileInput } from '../../../policy/compile.ts';
import { compileDecider, decideWhole } from '../../../policy/decide.ts';
import type { Decision } from '../../../policy/decision.ts';
import type { CanonicalRequest } from '../../../policy/request.ts';
import { parseRequestTarget } from '../../../policy/canonical.ts';
import { isRefusal } from '../../../policy/refusal.ts';

type Json = Record<string, unknown>;

export const monday = Date.parse('2026-11-23T09:00:00Z');

const hosts = ['api.example.com', 'www.example.com', 'a.b.example.org'];
const hostPatterns = [...hosts, '*.example.com', '*.example.com', '**.example.org', 'api*.example.com'];
const segments = ['a', 'b', 'Admin', 'x y'];
const pathPatterns = ['/a', '/a/*', '/a/**', '/**', '/*/b', '/admin/**', '/**/b', '/a/b'];
const methods = ['GET', 'POST', 'DELETE'];
const values = ['1', '5', '50', 'usd', 'eur', 'true', ''];

const some = <T>(items: readonly T[]) =>
  fc.uniqueArray(fc.constantFrom(...new Set(items)), { minLength: 1, maxLength: 3 });
/** @param oneIn how rare it is: with every condition there, nothing would ever be granted. */
const maybe = <T>(value: fc.Arbitrary<T>, oneIn = 6) =>
  fc.oneof({ weight: oneIn - 1, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: value });

const matcher = fc.oneof(
  fc.record({ equals: fc.constantFrom(...values), optional: maybe(fc.boolean()) }),
  fc.record({ oneOf: some(values), optional: maybe(fc.boolean()) }),
  fc.record({ min: fc.constantFrom(0, 5), max: fc.constantFrom(5, 50) }),
  fc.record({ pattern: fc.constantFrom('[0-9]+', 'u.*', '(a|b)c') }),
  fc.record({ startsWith: fc.constantFrom('u', '5') }),
  fc.constant({ absent: true }),
);

const fields = (prefix: string) =>
  fc.dictionary(fc.constantFrom(`${prefix}amount`, `${prefix}currency`), matcher, { minKeys: 1, maxKeys: 2 });

const conditions = {
  methods: maybe(some(methods), 2),
  paths: maybe(some(pathPatterns), 2),
  query: maybe(fc.record({ fields: fields('') })),
  body: maybe(fc.record({ types: some(['Json', 'Form']), fields: fields('/') })),
  when: maybe(
    fc.constantFrom('request.method != "DELETE"', 'request.path.startsWith("/a")', 'request.body.amount > 3'),
  ),
  during: maybe(
    fc.constantFrom(
      { timeZone: 'UTC', windows: [{ from: '08:00', to: '18:00' }] },
      { timeZone: 'UTC', windows: [{ days: ['Sun'], from: '00:00', to: '24:00' }] },
    ),
  ),
};

const place = fc.oneof(
  { weight: 5, arbitrary: fc.record({ hosts: some(hostPatterns) }) },
  { weight: 1, arbitrary: fc.constant({ destination: 'wiki' }) },
);

function withName(rule: object, at: number): Json {
  return { name: `r${at}`, ...JSON.parse(JSON.stringify(rule)) } as Json;
}

const grant = fc
  .tuple(
    place,
    fc.record({
      action: fc.constantFrom('Allow', 'Allow', 'Allow', 'RequireApproval'),
      ...conditions,
      credential: maybe(fc.constantFrom('one', 'one', 'two'), 2),
    }),
  )
  .map(([where, rest]) => ({ ...rest, ...where }));

export const guard = fc
  .tuple(fc.option(place, { nil: {} }), fc.record({ action: fc.constant('Deny'), ...conditions }))
  .map(([where, rest]) => ({ ...rest, ...where }));

const clusterGuard = fc
  .tuple(
    fc.option(place, { nil: {} }),
    fc.record({ action: fc.constantFrom('Deny', 'RequireApproval'), ...conditions }),
  )
  .map(([where, rest]) => ({ ...rest, ...where }));

export const policySpec = fc
  .array(fc.oneof({ weight: 4, arbitrary: grant }, { weight: 1, arbitrary: guard }), {
    minLength: 1,
    maxLength: 5,
  })
  .map((rules) => ({ agents: {}, rules: rules.map(withName) }));

export const guardSpec = fc
  .array(guard, { minLength: 1, maxLength: 2 })
  .map((rules) => ({ agents: {}, rules: rules.map(withName) }));

export const clusterSpec = fc
  .array(clusterGuard, { minLength: 1, maxLength: 2 })
  .map((rules) => ({ agents: {}, rules: rules.map(withName) }));

export function policyOf(spec: object, name = 'p'): Json {
  const metadata = { name, namespace: 'research' };
  return { apiVersion: 'outrider.dev/v1alpha1', kind: 'AgentPolicy', metadata, spec };
}

export function clusterPolicyOf(spec: object, name = 'c'): Json {
  return { apiVersion: 'outrider.dev/v1alpha1', kind: 'ClusterAgentPolicy', metadata: { name }, spec };
}

const wiki = {
  apiVersion: 'outrider.dev/v1alpha1',
  kind: 'AgentDestination',
  metadata: { name: 'wiki' },
  spec: { namespaceSelector: {}, service: { namespace: 'tools', name: 'wiki', port: 8080, scheme: 'http' } },
};

function credentialOf(name: string, allow: readonly object[]): Json {
  return {
    apiVersion: 'outrider.dev/v1alpha1',
    kind: 'AgentCredential',
    metadata: { name, namespace: 'research' },
    spec: { source: { file: { path: 'token' } }, allow, inject: { bearer: {} } },
  };
}

export const ceilings = {
  one: [{ hosts: ['*.example.com'], methods: ['GET', 'POST'] }],
  two: [
    { hosts: ['a.b.example.org'], paths: ['/a/**'] },
    { hosts: ['api.example.com'], paths: ['/**/b'] },
  ],
} as const;

export function inputOf(parts: Partial<CompileInput>): CompileInput {
  return {
    agent: { namespace: 'research', serviceAccount: 'triage', namespaceLabels: {}, podLabels: [{}] },
    policies: [],
    clusterPolicies: [],
    credentials: Object.entries(ceilings).map(([name, allow]) => credentialOf(name, allow)),
    stores: [],
    destinations: [wiki],
    settings: { clusterDomain: 'cluster.local', telemetry: null, operatorCas: '', clusterRanges: [] },
    ...parts,
  };
}

export type Decide = (request: CanonicalRequest) => Decision;

/** Compiled once: a case is a request, and compiling takes longer than many. */
export function deciderFor(parts: Partial<CompileInput>): Decide {
  const { ruleset, revision } = compileRuleset(inputOf(parts));
  const decider = compileDecider(ruleset, revision);
  return (asked) => decideWhole(decider, asked, monday);
}

const pair = fc.tuple(fc.constantFrom('amount', 'currency', 'Amount', 'other'), fc.constantFrom(...values));
const query = fc.option(fc.array(pair, { maxLength: 2 }).map(encodePairs), { nil: null });

const body = fc.oneof(
  { weight: 4, arbitrary: fc.constant(null) },
  fc
    .array(pair, { maxLength: 3 })
    .map((pairs) => ({ type: 'application/x-www-form-urlencoded', text: encodePairs(pairs) })),
  fc
    .dictionary(
      fc.constantFrom('amount', 'currency', 'other'),
      fc.oneof(fc.constantFrom(...values), fc.constantFrom(1, 5, 50), fc.boolean(), fc.constant(null)),
    )
    .map((value) => ({ type: 'application/json', text: JSON.stringify(value) })),
  fc.constantFrom(
    { type: 'application/json', text: '{"amount":1,"amount":2}' },
    { type: 'text/plain', text: '{"amount":1}' },
    { type: 'application/json', text: '{' },
  ),
);

function encodePairs(pairs: readonly (readonly [string, string])[]): string {
  return pairs.map(([name, value]) => `${name}=${value}`).join('&');
}

export const request: fc.Arbitrary<CanonicalRequest> = fc
  .record({
    host: fc.constantFrom(...hosts, 'wiki.tools', 'evil.example'),
    method: fc.constantFrom(...methods),
    path: fc.array(fc.constantFrom(...segments), { maxLength: 3 }),
    hasSlash: fc.boolean(),
    query,
    body,
    placeholder: fc.constantFrom(null, null, null, 'research.one'),
  })
  .map(({ host, method, path, hasSlash, query: text, body: content, placeholder }) => {
    const target = `/${path.map(encodeURIComponent).join('/')}${hasSlash && path.length > 0 ? '/' : ''}`;
    const read = parseRequestTarget(text === null ? target : `${target}?${text}`);
    if (isRefusal(read)) throw new Error(`generated an unreadable target: ${target}`);
    const isWiki = host === 'wiki.tools';
    return {
      scheme: isWiki ? ('http' as const) : ('https' as const),
      host,
      port: isWiki ? 8080 : 443,
      method,
      ...read,
      headers: content === null ? [] : ['content-type', content.type],
      body:
        content === null
          ? ({ kind: 'none' } as const)
          : ({ kind: 'read', bytes: new TextEncoder().encode(content.text), isWhole: true } as const),
      placeholder,
    };
  });

export const requestsPerPolicy = 25;

export const requests = fc.array(request, {
  minLength: requestsPerPolicy,
  maxLength: requestsPerPolicy,
});
