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
  /** Whether the rule can never match because of it. */
  readonly isFatal: boolean;
}

/** Of the credential that the rule names. */
export interface GithubCredential {
  readonly allow: readonly RulesetMatch[];
  /** `owner/name` of all that its secret can reach; null when nobody said so. */
  readonly repositories: readonly string[] | null;
}

export function findGithubProblems(form: RulesetGithub, stance: Stance): readonly GithubProblem[] {
  const { repositories } = form;
  if (repositories === undefined) return stance === 'guard' ? [] : [missing, ...branchProblems(form)];
  const problems = repositories.flatMap((glob, index) => globProblem(glob, `github.repositories[${index}]`));
  const isFatal = problems.length === repositories.length;
  return [
    ...problems.map((problem) => ({ ...problem, isFatal })),
    ...(stance === 'guard' ? [] : branchProblems(form)),
  ];
}

const missing: GithubProblem = {
  field: 'github.repositories',
  message: 'is missing in a grant: list repositories, such as acme/docs or acme/*',
  isFatal: true,
};

/** What the rule and its credential's ceiling make of each other. */
export function findGithubCredentialProblems(
  form: RulesetGithub,
  credential: GithubCredential,
): readonly GithubProblem[] {
  const { web, api } = hostsOf(form);
  const isApiOnly = form.operations.every((each) => each !== 'Read' && each !== 'Push');
  const needed = web === api || isApiOnly ? [api] : [api, web];
  const outside = needed.filter((host) => !credential.allow.some((match) => hasHost(match, host)));
  const problems = outside.map((host) => ({
    field: 'credential',
    message: `lists nothing under spec.allow for ${host}, so ${host === api ? 'requests to the API' : 'git requests'} are refused: credential_ceiling; add { hosts: [${host}] }`,
    isFatal: outside.length === needed.length,
  }));
  if (leadsOut(form, credential)) {
    problems.push({
      field: 'credential',
      message:
        'is not known to be narrowed to these repositories, and the fields of a GraphQL query can lead from them to all that it reaches: use a token of these repositories alone, or leave /graphql out of its spec.allow',
      isFatal: false,
    });
  }
  return problems;
}

type Finding = Omit<GithubProblem, 'isFatal'>;

function globProblem(glob: string, field: string): Finding[] {
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
    isFatal: refused.length === operations.length,
  }));
  if (refused.length === 0 && !operations.some((each) => each === 'Push' || each === 'OpenPullRequest')) {
    problems.push({
      field: 'github.branches',
      message: 'has no effect: branches govern Push and OpenPullRequest',
      isFatal: false,
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
    hasHost({ hosts }, api) &&
    (methods === undefined || methods.includes('POST')) &&
    (paths === undefined || paths.some((path) => compilePathPattern(path)(segments)))
  );
}

function hasHost({ hosts = [] }: RulesetMatch, name: string): boolean {
  return hosts.some((host) => compileHostPattern(host)(name.split('.')));
}
