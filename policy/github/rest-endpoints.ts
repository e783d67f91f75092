// Which operation each endpoint below /repos/{owner}/{repo} needs (docs.github.com/en/rest, OpenAPI of 2022-11-28 and
// 2026-03-10). `#` is a number, `*` one segment, `**` any number of segments at the end.

import type { GithubOperation } from '../ruleset.ts';
import type { RestField } from './rest-fields.ts';

export interface Endpoint {
  readonly operation: GithubOperation | null;
  readonly maybe: readonly GithubOperation[];
  /** How its body is read; absent: nothing in it matters. */
  readonly field: RestField | null;
  readonly isKnown: boolean;
}

/** What a reader of the code sees. Settings, secrets, security findings, webhooks and pre-signed downloads are not. */
const reads =
  '. activity assignees/** branches/** check-runs/** check-suites/** codeowners/** collaborators/** comments/** ' +
  'commits/** community/** compare/** contents/** contributors dependency-graph/compare/** deployments/** environments ' +
  'environments/* events forks git/** hash-algorithm issues/** labels/** languages license milestones/** pages ' +
  'properties/values pulls/** readme/** releases releases/# releases/latest releases/tags/** releases/#/assets ' +
  'releases/#/reactions rules/** rulesets/** stargazers stats/** statuses/** subscribers tags topics ' +
  'actions/artifacts actions/artifacts/# actions/jobs/# actions/runs actions/runs/# actions/runs/#/approvals ' +
  'actions/runs/#/artifacts actions/runs/#/attempts/# actions/runs/#/attempts/#/jobs actions/runs/#/jobs ' +
  'actions/runs/#/pending_deployments actions/runs/#/timing actions/workflows/**';

type Write = [methods: string, path: string, field?: RestField];

const writes: Readonly<Record<Exclude<GithubOperation, 'Read'>, readonly Write[]>> = {
  Comment: [
    ['POST', 'issues/#/comments'],
    ['PATCH DELETE', 'issues/comments/#'],
    ['POST', 'pulls/#/comments'],
    ['POST', 'pulls/#/comments/#/replies'],
    ['PATCH DELETE', 'pulls/comments/#'],
    ['POST', 'commits/*/comments'],
    ['PATCH DELETE', 'comments/#'],
    ['POST', 'issues/#/reactions'],
    ['DELETE', 'issues/#/reactions/#'],
    ['POST', 'issues/comments/#/reactions'],
    ['DELETE', 'issues/comments/#/reactions/#'],
    ['POST', 'pulls/comments/#/reactions'],
    ['DELETE', 'pulls/comments/#/reactions/#'],
    ['POST', 'comments/#/reactions'],
    ['DELETE', 'comments/#/reactions/#'],
    ['POST', 'releases/#/reactions'],
    ['DELETE', 'releases/#/reactions/#'],
    ['POST', 'pulls/#/reviews', 'review'],
    ['PUT DELETE', 'pulls/#/reviews/#'],
    ['POST', 'pulls/#/reviews/#/events', 'submittedReview'],
  ],
  OpenPullRequest: [
    ['POST', 'pulls', 'newPull'],
    ['PATCH', 'pulls/#', 'editedPull'],
    ['POST', 'pulls/#/requested_reviewers'],
  ],
  Push: [
    ['PUT DELETE', 'contents/**', 'branch'],
    ['POST', 'git/blobs', 'noRef'],
    ['POST', 'git/trees', 'noRef'],
    ['POST', 'git/commits', 'noRef'],
    ['POST', 'git/tags', 'noRef'],
    ['POST', 'git/refs', 'newRef'],
    ['PATCH DELETE', 'git/refs/**', 'refInPath'],
  ],
  Merge: [
    ['PUT', 'pulls/#/merge'],
    ['PUT', 'pulls/#/merge-async'],
    ['PUT', 'pulls/#/update-branch'],
    ['POST', 'merges', 'base'],
    ['POST', 'merge-upstream', 'branch'],
  ],
  DeleteRepository: [['DELETE', '.']],
};

/** Merges that write a branch without a pull request: to a guard they are pushes as well. */
const mergesThatPush = new Set(['pulls/#/update-branch', 'merges', 'merge-upstream']);

/** What no grant covers, but a guard of these operations has to stop. */
const ungrantedWrites: readonly [methods: string, path: string, maybe: readonly GithubOperation[]][] = [
  ['POST', 'transfer', ['DeleteRepository']],
  ['PATCH', 'issues/#', ['OpenPullRequest']],
  ['PUT', 'pulls/#/reviews/#/dismissals', ['Comment']],
  ['POST', 'code-scanning/alerts/#/autofix/commits', ['Push']],
  ['POST', 'releases/#/assets', []],
  ['PATCH', 'releases/assets/#', []],
  // A release makes its tag.
  ['POST PATCH', 'releases/**', ['Push']],
  ['POST', 'stacks/**', ['OpenPullRequest']],
  ['PUT PATCH', 'import/**', ['Push']],
];

/** What none of the operations is about. */
const otherWrites =
  '. actions/** agents/** attestations/** autolinks/** automated-security-fixes branches/*/protection/** check-runs/** ' +
  'check-suites/** code-quality/** code-scanning/** codespaces/** collaborators/** dependabot/** dependency-graph/** ' +
  'deployments/** dispatches environments/** forks generate hooks/** immutable-releases import/** interaction-limits/** ' +
  'invitations/** issues issues/# issues/#/assignees issues/#/dependencies/** issues/#/issue-field-values/** ' +
  'issues/#/labels/** issues/#/lock issues/#/sub_issue issues/#/sub_issues/** issues/#/suggestions/** ' +
  'issues/comments/#/pin keys/** labels/** lfs milestones/** notifications pages/** private-vulnerability-reporting ' +
  'properties/** pulls/#/codespaces pulls/#/requested_reviewers releases/** rulesets/** secret-scanning/** ' +
  'security-advisories/** statuses/* subscription topics traffic vulnerability-alerts';

/** A new endpoint may do anything to the repository but delete it, which is a request to the repository itself. */
const unknownWrite: Endpoint = {
  operation: null,
  maybe: ['Comment', 'OpenPullRequest', 'Push', 'Merge'],
  field: null,
  isKnown: false,
};
const readEndpoint: Endpoint = { operation: 'Read', maybe: ['Read'], field: null, isKnown: true };
const otherRead: Endpoint = { operation: null, maybe: ['Read'], field: null, isKnown: true };

interface Entry {
  /** null: all but GET and HEAD. */
  readonly methods: readonly string[] | null;
  readonly parts: readonly string[];
  readonly isOpen: boolean;
  readonly endpoint: Endpoint;
}

/** The first that fits by first segment and method. */
export type FindEndpoint = (method: string, segments: readonly string[]) => Endpoint;

export function createEndpoints(): FindEndpoint {
  const byFirst = new Map<string, Entry[]>();

  function add(methods: readonly string[] | null, path: string, endpoint: Endpoint): void {
    const isOpen = path.endsWith('/**');
    const parts = path === '.' ? [] : path.replace(/\/\*\*$/, '').split('/');
    const first = parts[0] ?? '';
    byFirst.set(first, [...(byFirst.get(first) ?? []), { methods, parts, isOpen, endpoint }]);
  }

  for (const path of reads.split(' ')) add(['GET', 'HEAD'], path, readEndpoint);
  for (const [operation, entries] of Object.entries(writes) as [GithubOperation, readonly Write[]][]) {
    for (const [methods, path, field = null] of entries) {
      const maybe = mergesThatPush.has(path) ? [operation, 'Push' as const] : [operation];
      add(methods.split(' '), path, { operation, maybe, field, isKnown: true });
    }
  }
  for (const [methods, path, maybe] of ungrantedWrites) {
    add(methods.split(' '), path, { operation: null, maybe, field: null, isKnown: true });
  }
  const other: Endpoint = { operation: null, maybe: [], field: null, isKnown: true };
  for (const path of otherWrites.split(' ')) add(null, path, other);

  return (method, segments) => {
    const isRead = method === 'GET' || method === 'HEAD';
    const entries = byFirst.get(segments[0] ?? '') ?? [];
    const entry = entries.find(
      ({ methods, parts, isOpen }) =>
        (methods === null ? !isRead : methods.includes(method)) && fits(parts, isOpen, segments),
    );
    return entry?.endpoint ?? (isRead || method === 'OPTIONS' ? otherRead : unknownWrite);
  };
}

function fits(parts: readonly string[], isOpen: boolean, segments: readonly string[]): boolean {
  if (isOpen ? segments.length < parts.length : segments.length !== parts.length) return false;
  return parts.every((part, at) => {
    const segment = segments[at] ?? '';
    if (part === '#') return /^\d+$/.test(segment);
    return part === '*' ? segment !== '' : part === segment;
  });
}
