// What is worth saying about a github form on the status of its policy. Nothing of it blocks: each is about a rule
// that grants less, or leads further, than its author may think.

import { compileHostPattern, compilePathPattern } from '../match.ts';
import type { Stance } from '../reading.ts';
import type { RulesetGithub, RulesetMatch } from '../ruleset.ts';
import { compileScope } from './scope.ts';
import { hostsOf } from './surface.ts';

export interface GithubProblem {
  /** Inside the rule. */
  readonly field: string;
  /** What is wrong and what to write: the end of a sentence. */
  readonly message: string;
}

/** Of the credential that the rule names. */
export interface GithubCredential {
  readonly allow: readonly RulesetMatch[];
  /** `owner/name` of all that its secret can reach; null when nobody said so. */
  readonly repositories: readonly string[] | null;
}

export function findGithubProblems(
  form: RulesetGithub,
  credential: GithubCredential | null,
  stance: Stance = 'grant',
): readonly GithubProblem[] {
  const globs = form.repositories ?? [];
  const problems = globs.flatMap((glob, index) => globProblem(glob, `github.repositories[${index}]`));
  if (stance === 'guard') return problems;
  if (form.repositories === undefined) {
    problems.push({
      field: 'github.repositories',
      message: 'is missing, so the rule never matches: list repositories, such as acme/docs or acme/*',
    });
  }
  problems.push(...branchProblems(form));
  if (credential !== null && leadsOut(form, credential)) {
    problems.push({
      field: 'credential',
      message:
        'is not known to be narrowed to these repositories, and the fields of a GraphQL query can lead from them to all that the credential reaches: use a token of these repositories alone, or leave /graphql out of its allow',
    });
  }
  return problems;
}

function globProblem(glob: string, field: string): GithubProblem[] {
  if (/\.git$/i.test(glob)) return [{ field, message: 'never matches with .git at the end: leave it out' }];
  const isPlausible = glob === '**' || /^[A-Za-z0-9_*-]+\/[A-Za-z0-9._*-]+$/.test(glob);
  return isPlausible
    ? []
    : [{ field, message: 'never matches: write owner/name, such as acme/docs or acme/*' }];
}

function branchProblems({ branches, operations }: RulesetGithub): GithubProblem[] {
  if (branches === undefined) return [];
  const refused = operations.filter((each) => each === 'Merge' || each === 'DeleteRepository');
  const problems = refused.map((operation) => ({
    field: 'github.operations',
    message: `has ${operation}, which is refused under branches, since the request does not say which branches it changes: write a rule of its own without branches`,
  }));
  if (!operations.some((each) => each === 'Push' || each === 'OpenPullRequest')) {
    problems.push({
      field: 'github.branches',
      message: 'has no effect: branches govern Push and OpenPullRequest',
    });
  }
  return problems;
}

function leadsOut(form: RulesetGithub, { allow, repositories }: GithubCredential): boolean {
  if (form.operations.every((operation) => operation === 'DeleteRepository')) return false;
  if (repositories !== null) {
    const { hasPlace } = compileScope(form, 'grant');
    const isInside = repositories.every((each) => {
      const [owner = '', name = '', ...more] = each.toLowerCase().split('/');
      return more.length === 0 && hasPlace({ kind: 'repository', owner, name });
    });
    if (isInside) return false;
  }
  return allow.some((match) => opensGraphql(match, form));
}

/** Whether an entry of the ceiling lets the credential go to GraphQL at all. */
function opensGraphql({ hosts = [], methods, paths }: RulesetMatch, form: RulesetGithub): boolean {
  const { web, api } = hostsOf(form);
  const segments = api === web ? ['api', 'graphql'] : ['graphql'];
  return (
    hosts.some((host) => compileHostPattern(host)(api.split('.'))) &&
    (methods === undefined || methods.includes('POST')) &&
    (paths === undefined || paths.some((path) => compilePathPattern(path)(segments)))
  );
}
