// What a request would do at GitHub: the one thing that git, REST and GraphQL are all reduced to, and all that
// repositories, operations and branches of a rule are compared with.

import type { BodyNeed } from '../reading.ts';
import type { GithubOperation } from '../ruleset.ts';

export type Place =
  /** In lower case: GitHub compares owners and names without regard to it. */
  | { readonly kind: 'repository'; readonly owner: string; readonly name: string }
  /** All of these GraphQL node ids, which say nothing by themselves. */
  | { readonly kind: 'nodes'; readonly ids: readonly string[] }
  /** The request does not say. */
  | { readonly kind: 'anywhere' }
  /** No repository is concerned. */
  | { readonly kind: 'nowhere' };

/** Why a grant cannot take an act although it knows what it is. */
export type Doubt = 'body' | 'size' | 'pack' | 'document' | 'query' | 'fields' | 'root';

export interface Act {
  /** What a grant must list; null when no operation covers it. */
  readonly operation: GithubOperation | null;
  /** What a guard must reckon with. */
  readonly maybe: readonly GithubOperation[];
  readonly place: Place;
  /** Full names of the refs that it writes; null when the request does not say. */
  readonly refs: readonly string[] | null;
  readonly doubt: Doubt | null;
  /** What more of the body would tell. */
  readonly need: BodyNeed | null;
  /** Whether doubt and need are about its refs alone, which matter only under `branches`. */
  readonly isOfRefs: boolean;
  /** Something that the request may do besides, which only guards look at. */
  readonly isAside: boolean;
}

export const anywhere: Place = { kind: 'anywhere' };
export const nowhere: Place = { kind: 'nowhere' };

export const everyOperation: readonly GithubOperation[] = [
  'Read',
  'Comment',
  'OpenPullRequest',
  'Push',
  'Merge',
  'DeleteRepository',
];

/** An act of an operation, known in full unless `more` says otherwise. */
export function act(operation: GithubOperation, place: Place, more: Partial<Act> = plain): Act {
  return createAct(operation, more.maybe ?? alone[operation], place, more);
}

/** An act that no grant of the form covers. */
export function ungranted(maybe: readonly GithubOperation[], place: Place, more: Partial<Act> = plain): Act {
  return createAct(null, maybe, place, more);
}

const plain: Partial<Act> = {};
const alone: Readonly<Record<GithubOperation, readonly GithubOperation[]>> = {
  Read: ['Read'],
  Comment: ['Comment'],
  OpenPullRequest: ['OpenPullRequest'],
  Push: ['Push'],
  Merge: ['Merge'],
  DeleteRepository: ['DeleteRepository'],
};

function createAct(
  operation: GithubOperation | null,
  maybe: readonly GithubOperation[],
  place: Place,
  { refs = null, doubt = null, need = null, isOfRefs = false, isAside = false }: Partial<Act>,
): Act {
  return { operation, maybe, place, refs, doubt, need, isOfRefs, isAside };
}

const ownerName = /^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$/;
const repositoryName = /^[A-Za-z0-9._-]{1,100}$/;

/**
 * A repository by its two names. What GitHub would not accept as a name, or strips something from (`.git`),
 * is nothing that we know the place of.
 */
export function repositoryPlace(owner: string, name: string): Place {
  if (!ownerName.test(owner) || !repositoryName.test(name)) return anywhere;
  const folded = name.toLowerCase();
  if (folded.endsWith('.git') || folded === '.' || folded === '..') return anywhere;
  return { kind: 'repository', owner: owner.toLowerCase(), name: folded };
}

/** git-check-ref-format(1), less what some API reads as a revision or as a ref's long form. */
const refCharacters = /^[^\p{Cc}\p{Cs} ~^:?*[\\]+$/u;
const longForm = /^(?:refs|heads|tags|remotes)\//i;

/** The full ref of a branch name in an API field, or null when it may be read as something else. */
export function branchRef(branch: string): string | null {
  return longForm.test(branch) || branch.toUpperCase() === 'HEAD' || !isRefName(branch)
    ? null
    : `refs/heads/${branch}`;
}

export function isRefName(name: string): boolean {
  if (name.length > 1024 || !refCharacters.test(name) || name.includes('..') || name.includes('@{'))
    return false;
  return name
    .split('/')
    .every((part) => part !== '' && part !== '@' && !part.startsWith('.') && !/\.(?:lock)?$/.test(part));
}
