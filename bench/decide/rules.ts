// Rules as agents of real companies have them: sites with an API each, ten rules a site, mostly on one host. Those of
// a smaller set are the first ones of a larger.

import { createRandom, type Random } from './random.ts';

export interface BenchRule {
  /** Its place in the order of (policy, name), which is the order in which rules are recorded. */
  readonly index: number;
  readonly policy: string;
  readonly name: string;
  readonly action: 'Allow' | 'Deny';
  /** Exact names, `*.name` and `**.name`; null, of a guard: everywhere. */
  readonly hosts: readonly string[] | null;
  readonly methods: readonly string[] | null;
  readonly paths: readonly string[] | null;
  readonly credential: string | null;
}

const seed = 20_261_123;
const rulesPerSite = 10;
/** What the API server takes in one policy. */
export const rulesPerPolicy = 64;
/** So that the order of names is the order of numbers. */
const policyDigits = 4;

export function policyName(number: number): string {
  return `policy-${String(number).padStart(policyDigits, '0')}`;
}

/** A rule without hosts is rare: each is looked at for every host. */
const rulesPerEverywhereGuard = 500;

const companies =
  'atlas beacon cobalt delta ember fathom garnet harbor indigo juniper kestrel lumen meridian nimbus orchid pilot quartz raven summit tundra'.split(
    ' ',
  );
const things =
  'accounts balances charges customers disputes events files groups hooks invoices issues jobs labels messages notes orders payments plans projects pulls queries refunds reports runs sessions subscriptions tasks teams tickets tokens transfers users'.split(
    ' ',
  );
const verbs = ['archive', 'cancel', 'close', 'finalize', 'generate', 'retry', 'search', 'send'];

export function generateRules(count: number): BenchRule[] {
  const random = createRandom(seed);
  return Array.from({ length: count }, (_, index) => {
    const site = siteOf(index);
    const described = index % rulesPerEverywhereGuard === 7 ? everywhereGuard(index) : drawRule(site, random);
    const isGrant = described.action === 'Allow';
    return {
      index,
      policy: policyName(Math.floor(index / rulesPerPolicy)),
      name: `rule-${String(index % rulesPerPolicy).padStart(2, '0')}`,
      ...described,
      credential: isGrant ? site.credential : null,
    };
  });
}

interface Site {
  readonly domain: string;
  /** All rules of a site name one credential or none, so that no request is ambiguous. */
  readonly credential: string | null;
}

export function siteNumber({ index }: Pick<BenchRule, 'index'>): number {
  return Math.floor(index / rulesPerSite);
}

function siteOf(index: number): Site {
  const number = siteNumber({ index });
  const company = companies[number % companies.length] ?? '';
  return {
    domain: `${company}-${number}.${['com', 'net', 'org'][number % 3]}`,
    credential: number % 10 < 7 ? `${company}-${number}` : null,
  };
}

/** The ceiling of a site's credential. */
export function ceilingHosts(rule: BenchRule): string {
  return `**.${siteOf(rule.index).domain}`;
}

type Described = Pick<BenchRule, 'action' | 'hosts' | 'methods' | 'paths'>;

function drawRule({ domain }: Site, random: Random): Described {
  const hosts = drawHosts(domain, random);
  const a = random.pick(things);
  const b = random.pick(things);
  const verb = random.pick(verbs);
  const version = random.pick(['v1', 'v1', 'v2', 'api']);
  const allow = (methods: readonly string[] | null, ...paths: string[]): Described => ({
    action: 'Allow',
    hosts,
    methods,
    paths,
  });
  const deny = (methods: readonly string[] | null, ...paths: string[]): Described => ({
    action: 'Deny',
    hosts,
    methods,
    paths,
  });
  const kinds: readonly (() => Described)[] = [
    () => allow(['GET'], `/${version}/${a}`, `/${version}/${a}/*`),
    () => allow(['GET'], `/${version}/${a}`, `/${version}/${a}/*`, `/${version}/${a}/*/${b}`),
    () => allow(['GET', 'HEAD'], `/${version}/${a}/**`),
    () => allow(['POST'], `/${version}/${a}`),
    () => allow(['POST'], `/${version}/${a}/*/${b}`),
    () => allow(['PATCH', 'PUT'], `/${version}/${a}/*`),
    () => allow(['POST'], `/${version}/${a}/*/${verb}`, `/${version}/${a}/*:${verb}`),
    () => allow(['DELETE'], `/${version}/${a}/tmp-*`),
    () => allow(['GET'], `/${version}/*/**/${b}/*`),
    () => allow(null, `/${version}/${a}/${b}/**`),
    () => deny(null, `/${version}/${a}/*/secrets/**`, `/${version}/admin/**`),
    () => deny(['DELETE'], `/${version}/${a}/**`),
  ];
  return random.pick(kinds)();
}

function drawHosts(domain: string, random: Random): readonly string[] {
  const draw = random.below(20);
  if (draw < 15) return [`api.${domain}`];
  if (draw < 17) return [`api.${domain}`, `api.eu.${domain}`];
  if (draw === 17) return [`uploads.${domain}`];
  return draw === 18 ? [`*.cdn.${domain}`] : [`**.${domain}`];
}

function everywhereGuard(index: number): Described {
  const name = things[Math.floor(index / rulesPerEverywhereGuard) % things.length] ?? '';
  return { action: 'Deny', hosts: null, methods: null, paths: [`/**/internal-${name}/**`] };
}
