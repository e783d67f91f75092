// Which of GitHub's surfaces a request goes to. GitHub Enterprise Server has all of them on one host, with the APIs
// below /api/v3 and /api/graphql; github.com and GitHub Enterprise Cloud have an API host.

import type { Stance } from '../reading.ts';
import type { RulesetGithub } from '../ruleset.ts';

export interface GithubHosts {
  readonly web: string;
  readonly api: string;
}

export interface Surface {
  /** `web`: git over HTTP and pages. `files`: hosts that serve what is in repositories as files. */
  readonly kind: 'web' | 'rest' | 'graphql' | 'files' | 'elsewhere';
  readonly segments: readonly string[];
}

/** Hosts beside the two that serve or take a repository's content; below the web host at Enterprise (subdomain isolation). */
const contentHosts = {
  files: ['codeload.github.com', 'raw.githubusercontent.com', 'media.githubusercontent.com'],
  uploads: 'uploads.github.com',
  pages: 'www.github.com',
} as const;

export function hostsOf({ hosts }: RulesetGithub): GithubHosts {
  if (hosts === undefined) return { web: 'github.com', api: 'api.github.com' };
  return { web: hosts.web.toLowerCase(), api: hosts.api.toLowerCase() };
}

/**
 * Hosts on which the form can match. A grant speaks to the web host (git) and the API host alone; a guard also to
 * the hosts that serve the same content under other names. Gists are no repositories, so gist hosts are not among them.
 */
export function githubHosts(form: RulesetGithub, stance: Stance = 'guard'): string[] {
  const { web, api } = hostsOf(form);
  const own = [...new Set([web, api])];
  if (stance === 'grant') return own;
  if (form.hosts === undefined)
    return [...own, contentHosts.pages, contentHosts.uploads, ...contentHosts.files];
  return [...own, ...['codeload', 'raw', 'media', 'uploads'].map((name) => `${name}.${web}`)];
}

/** What a grant may take the request for: exactly the documented place of each surface. */
export function surfaceOf(host: string, segments: readonly string[], form: RulesetGithub): Surface {
  const { web, api } = hostsOf(form);
  if (form.hosts !== undefined && host === api && segments[0] === 'api') {
    if (segments[1] === 'v3') return { kind: 'rest', segments: segments.slice(2) };
    if (segments[1] === 'graphql' && segments.length === 2) return { kind: 'graphql', segments };
    return { kind: 'elsewhere', segments };
  }
  if (host === api && api !== web) {
    const isGraphql = segments.length === 1 && segments[0] === 'graphql';
    return { kind: isGraphql ? 'graphql' : 'rest', segments };
  }
  return { kind: host === web ? 'web' : 'elsewhere', segments };
}

/** What a guard must take it for, whatever the prefix: `segments` are in lower case. */
export function guardSurfaceOf(host: string, segments: readonly string[], form: RulesetGithub): Surface {
  const { web, api } = hostsOf(form);
  const isUploads = host.startsWith('uploads.');
  const isFiles = !isUploads && host !== web && host !== api && host !== contentHosts.pages;
  if (isFiles) return { kind: 'files', segments: segments[0] === 'media' ? segments.slice(1) : segments };
  let rest = segments;
  let isApi = host === api || isUploads;
  if (rest[0] === 'api' && (rest[1] === 'v3' || rest[1] === 'uploads')) {
    rest = rest.slice(2);
    isApi = true;
  } else if (rest[0] === 'api' && rest[1] === 'graphql') rest = rest.slice(1);
  const first = rest[0] ?? '';
  if (first === 'graphql') return { kind: 'graphql', segments: rest };
  // On a host that has everything, a path that starts like the API's is the API's.
  if (isApi && (host !== web || rest !== segments || first === 'repos' || first === 'repositories')) {
    return { kind: 'rest', segments: rest };
  }
  return { kind: 'web', segments: rest };
}
