// Whether a request asks an endpoint of the list for a credential. Read as a guard reads: what some server could take for
// the endpoint is the endpoint.

import { guardPathParts, hostParts } from '../match.ts';
import { addPattern, createPartTree, createPartWalker, type PartTree } from '../part-tree.ts';
import { guardReadings } from '../path-readings.ts';
import type { Miss, Reading } from '../reading.ts';
import { tokenEndpoints, type TokenEndpoint } from '../token-endpoints.ts';
import { isUnreadable } from '../unreadable.ts';
import { anywhereEndpoints } from './anywhere.ts';
import { cloudEndpoints } from './clouds.ts';
import { codeHostEndpoints } from './code-hosts.ts';
import { isAwsHost, type MintingEndpoint } from './endpoint.ts';
import { serviceEndpoints } from './services.ts';
import { compileTells, type MayHavePath } from './tells.ts';

/** Besides the token endpoints of `token-endpoints.ts`. */
export const mintingEndpoints: readonly MintingEndpoint[] = [
  ...cloudEndpoints,
  ...codeHostEndpoints,
  ...serviceEndpoints,
  ...anywhereEndpoints,
];

type MintingReading = Pick<Reading, 'request' | 'labels' | 'parameters'>;
type Lookup = (reading: MintingReading) => Miss | null;

/** What of the list concerns one host. */
interface HostView {
  /** Entries without paths: none for nearly every host. */
  readonly whole: readonly Compiled[];
  readonly mayHavePath: MayHavePath;
  /** Entries by which a path is one of the list. */
  readonly entries: ReadonlySet<number>;
}

interface Compiled {
  readonly endpoint: MintingEndpoint;
  readonly miss: Miss;
}

let shared: Lookup | null = null;

/** @returns why a grant by a glob is none here; null where the request asks for no credential. */
export function findMinting(reading: MintingReading): Miss | null {
  shared ??= createLookup([...mintingEndpoints, ...tokenEndpoints.map(asMinting)]);
  return shared(reading);
}

function asMinting({ provider, url }: TokenEndpoint): MintingEndpoint {
  const { hostname, pathname } = new URL(url);
  return { name: `${provider} OAuth`, hosts: [hostname], paths: [pathname.toLowerCase()] };
}

/** Names that agents ask for are few; whoever asks for many only loses the shortcut. */
const maxHosts = 1024;

function createLookup(endpoints: readonly MintingEndpoint[]): Lookup {
  const compiled = endpoints.map((endpoint) => ({ endpoint, miss: missOf(endpoint) }));
  const hosts = createPartTree();
  const walker = createPartWalker();
  const anywhere = new Set<number>();
  for (const [at, endpoint] of endpoints.entries()) {
    if (endpoint.hosts === undefined && endpoint.awsServices === undefined) anywhere.add(at);
    for (const host of endpoint.hosts ?? []) addPattern(hosts, hostParts(host), at);
  }
  const mayHaveAnyPath = compileTells(endpoints.flatMap((endpoint) => endpoint.paths ?? []));
  const nowhereElse: HostView = {
    whole: [],
    mayHavePath: compileTells([...anywhere].flatMap((at) => endpoints[at]?.paths ?? [])),
    entries: anywhere,
  };

  const views = new Map<string, HostView>();
  function viewOf(reading: MintingReading, host: string): HostView {
    const found = new Set<number>();
    walker.match(hosts, reading.labels().toReversed(), (at) => found.add(at));
    for (const [at, { awsServices = [] }] of endpoints.entries()) {
      if (awsServices.some((service) => isAwsHost(host, service))) found.add(at);
    }
    const view: HostView =
      found.size === 0
        ? nowhereElse
        : {
            whole: compiled.filter(({ endpoint }, at) => found.has(at) && endpoint.paths === undefined),
            mayHavePath: mayHaveAnyPath,
            entries: new Set([...anywhere, ...found]),
          };
    if (views.size >= maxHosts) views.clear();
    views.set(host, view);
    return view;
  }

  /** Few agents ever ask for a path that is like one of these, so it is only made then. */
  let paths: PartTree | null = null;
  function pathTree(): PartTree {
    if (paths !== null) return paths;
    paths = createPartTree();
    for (const [at, endpoint] of endpoints.entries()) {
      for (const path of endpoint.paths ?? []) addPattern(paths, guardPathParts(path), at);
    }
    return paths;
  }

  function findByPath({ request }: MintingReading, { entries }: HostView): Miss | null {
    let found: Miss | null = null;
    const readings = guardReadings(request);
    for (const segments of [...readings, ...readings.map(withoutFormat)]) {
      if (segments === null) continue;
      walker.match(pathTree(), segments, (at) => {
        if (entries.has(at)) found ??= compiled[at]?.miss ?? null;
      });
      if (found !== null) return found;
    }
    return null;
  }

  return (reading) => {
    const { host } = reading.request;
    const view = views.get(host) ?? viewOf(reading, host);
    for (const { endpoint, miss } of view.whole) {
      if (endpoint.parameter === undefined || mayHave(reading, endpoint.parameter)) return miss;
    }
    return view.mayHavePath(reading.request) ? findByPath(reading, view) : null;
  };
}

function missOf({ name }: MintingEndpoint): Miss {
  const message = `Here credentials are minted (${name}), which no glob grants: write the path out in paths.`;
  return { field: 'paths', message, reason: 'no_grant' };
}

/** Rails and Grape take a format at the end for the same path: `/oauth/token.json`. */
function withoutFormat(segments: readonly string[]): readonly string[] | null {
  const last = segments.at(-1) ?? '';
  const dot = last.lastIndexOf('.');
  return dot < 0 ? null : [...segments.slice(0, -1), last.slice(0, dot)];
}

/** A query that cannot be read in one way may have any parameter. */
function mayHave(reading: MintingReading, parameter: string): boolean {
  const pairs = reading.parameters();
  return isUnreadable(pairs) || pairs.some(([name]) => name.trim().toLowerCase() === parameter);
}
