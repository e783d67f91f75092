// Whether an act lies within the repositories and branches of a rule: proved for a grant, not ruled out for a guard.

import { compileGlob } from '../glob.ts';
import { compilePathPattern, type Match } from '../match.ts';
import type { Stance } from '../reading.ts';
import type { RulesetGithub } from '../ruleset.ts';
import { isRefName, type Act, type Place } from './act.ts';

export interface Scope {
  readonly hasPlace: (place: Place) => boolean;
  readonly hasRefs: (act: Act) => boolean;
}

const head = 'refs/heads/';
const tag = 'refs/tags/';

export function compileScope(form: RulesetGithub, stance: Stance): Scope {
  return stance === 'grant' ? grantScope(form) : guardScope(form);
}

function grantScope({ repositories = [], branches, nodeIds = [] }: RulesetGithub): Scope {
  const isListed = compileRepositories(repositories);
  const ids = new Set(nodeIds);
  const isBranch = branches === undefined ? null : compileBranches(branches);
  return {
    hasPlace: (place) => {
      if (place.kind === 'repository') return isListed(place.owner, place.name);
      if (place.kind === 'nodes') return place.ids.length > 0 && place.ids.every((id) => ids.has(id));
      return place.kind === 'nowhere';
    },
    hasRefs: ({ operation, refs }) => {
      if (operation === 'Read' || operation === 'Comment') return true;
      if (isBranch === null) {
        // Other namespaces (refs/pull, refs/notes, refs/replace) are not what pushing means.
        if (operation !== 'Push' || refs === null) return true;
        return refs.every((ref) => isRefName(ref) && (ref.startsWith(head) || ref.startsWith(tag)));
      }
      // What is merged is not in the request, and a repository is deleted with all of its branches.
      if (operation === 'Merge' || operation === 'DeleteRepository' || refs === null) return false;
      return refs.every(
        (ref) => isRefName(ref) && ref.startsWith(head) && isBranch(ref.slice(head.length).split('/')),
      );
    },
  };
}

function guardScope({ repositories, branches }: RulesetGithub): Scope {
  const isListed = repositories === undefined ? null : compileRepositories(repositories);
  const isBranch =
    branches === undefined ? null : compileBranches(branches.map((each) => each.toLowerCase()));
  return {
    hasPlace: (place) => {
      if (place.kind === 'nowhere') return false;
      if (isListed === null || place.kind !== 'repository') return true;
      const { owner, name } = place;
      // A repository's wiki is a git repository beside it.
      return (
        isListed(owner, name) || (name.endsWith('.wiki') && isListed(owner, name.slice(0, -'.wiki'.length)))
      );
    },
    hasRefs: ({ maybe, refs }) => {
      if (isBranch === null || refs === null) return true;
      if (maybe.some((operation) => operation === 'Read' || operation === 'Comment')) return true;
      return refs.some((ref) => {
        const folded = ref.toLowerCase();
        return folded.startsWith(head) && isBranch(folded.slice(head.length).split('/'));
      });
    },
  };
}

/** GitHub compares owners and names without regard to case. Most are written out; globs have two parts nearly always. */
function compileRepositories(globs: readonly string[]): (owner: string, name: string) => boolean {
  const folded = globs.map((glob) => glob.toLowerCase());
  const exact = new Set(folded.filter((glob) => !glob.includes('*')));
  const pairs: {
    readonly isOwner: (owner: string) => boolean;
    readonly isName: (name: string) => boolean;
  }[] = [];
  const others: Match[] = [];
  for (const glob of folded.filter((each) => each.includes('*'))) {
    const [owner = '', name = '', ...more] = glob.split('/');
    if (glob.includes('**') || more.length > 0) others.push(compilePathPattern(`/${glob}`));
    else pairs.push({ isOwner: compileGlob(owner), isName: compileGlob(name) });
  }
  return (owner, name) =>
    (exact.size > 0 && exact.has(`${owner}/${name}`)) ||
    pairs.some(({ isOwner, isName }) => isOwner(owner) && isName(name)) ||
    others.some((match) => match([owner, name]));
}

function compileBranches(globs: readonly string[]): Match {
  const matches = globs.map((glob) => compilePathPattern(`/${glob}`));
  return (parts) => matches.some((match) => match(parts));
}
