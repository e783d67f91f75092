// GraphQL under the github form, as grants. The queries are what gh sends (github.com/cli/cli).

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseDocument } from '../../../policy/github/graphql-document.ts';
import type { RulesetGithub } from '../../../policy/ruleset.ts';
import { all, ask, graphql, needOf, requestOf, unread, type Asked } from './asking.ts';

const read: Partial<RulesetGithub> = { repositories: ['acme/*'], operations: ['Read'] };
const every: Partial<RulesetGithub> = {
  repositories: ['acme/docs'],
  operations: all,
  nodeIds: ['R_docs', 'PR_1', 'I_1', 'REF_1', 'R_other'],
};
const coder: Partial<RulesetGithub> = {
  repositories: ['acme/docs'],
  operations: ['Read', 'Push', 'OpenPullRequest', 'Comment'],
  branches: ['agent/**'],
  nodeIds: ['R_docs', 'PR_1', 'I_1', 'REF_1', 'R_other'],
};
const info =
  'query RepositoryInfo($owner: String!, $name: String!) { repository(owner: $owner, name: $name) { id } }';
const docs = { owner: 'acme', name: 'docs' };
const { json } = graphql(info, docs)[1] as { json: object };

function mutate(field: string, input: object): Asked {
  return graphql(`mutation M($input: Input!) { ${field}(input: $input) { clientMutationId } }`, { input });
}

/** @param written as it stands in the document. */
function written(field: string, input: string): Asked {
  return graphql(`mutation { ${field}(input: ${input}) { clientMutationId } }`);
}

const commit = (branch: object): Asked =>
  mutate('createCommitOnBranch', {
    branch,
    message: { headline: 'x' },
    expectedHeadOid: 'a',
    fileChanges: {},
  });

describe('GraphQL is refused (H-54)', () => {
  const cases: Record<string, [form: Partial<RulesetGithub>, asked: Asked, field: string]> = {
    'when the repository is another': [
      read,
      graphql(info, { owner: 'evil', name: 'docs' }),
      'github.repositories',
    ],
    'when a literal names another': [
      read,
      graphql('{ repository(owner: "evil", name: "docs") { id } }'),
      'github.repositories',
    ],
    'when the literal hides the name in escapes': [
      read,
      graphql('{ repository(owner: "\\u0065vil", name: "docs") { id } }'),
      'github.repositories',
    ],
    'when an alias names the listed one': [
      read,
      graphql('{ acme: repository(owner: "evil", name: "docs") { id } }'),
      'github.repositories',
    ],
    'when a second root field is of another': [
      read,
      graphql(
        '{ a: repository(owner: "acme", name: "docs") { id } b: repository(owner: "evil", name: "x") { id } }',
      ),
      'github.repositories',
    ],
    'when a fragment on the root is of another': [
      read,
      graphql(
        'query { repository(owner: "acme", name: "docs") { id } ...F } fragment F on Query { search(query: "x", type: ISSUE) { issueCount } }',
      ),
      'github.repositories',
    ],
    'when an inline fragment is': [
      read,
      graphql('{ ... on Query { ... { repository(owner: "evil", name: "docs") { id } } } }'),
      'github.repositories',
    ],
    'when a field of another is skipped': [
      read,
      graphql('{ repository(owner: "evil", name: "docs") @skip(if: true) { id } }'),
      'github.repositories',
    ],
    'when a default names another': [
      read,
      graphql('query ($owner: String = "evil") { repository(owner: $owner, name: "docs") { id } }'),
      'github.repositories',
    ],
    'when a variable is missing': [read, graphql(info, { owner: 'acme' }), 'github.repositories'],
    'when a variable is not defined': [
      read,
      graphql('{ repository(owner: $owner, name: "docs") { id } }', { owner: 'acme' }),
      'github.repositories',
    ],
    'when a variable is no string': [
      read,
      graphql(info, { owner: ['acme'], name: 'docs' }),
      'github.repositories',
    ],
    'when the name has .git': [
      read,
      graphql(info, { owner: 'acme', name: 'docs.git' }),
      'github.repositories',
    ],
    'when it searches': [
      read,
      graphql('{ search(query: "repo:acme/docs", type: ISSUE, first: 1) { issueCount } }'),
      'github.repositories',
    ],
    'when gh lists by label, which searches': [
      read,
      graphql(
        'query IssueSearch($repo: String!, $owner: String!, $query: String!) { repository(name: $repo, owner: $owner) { hasIssuesEnabled } search(type: ISSUE, last: 30, query: $query) { issueCount } }',
        { owner: 'acme', repo: 'docs', query: 'repo:acme/docs label:bug' },
      ),
      'github.repositories',
    ],
    'when it starts at an organization': [
      read,
      graphql('{ organization(login: "acme") { repositories(first: 9) { totalCount } } }'),
      'github.repositories',
    ],
    'when it starts at a URL': [
      read,
      graphql('{ resource(url: "https://github.com/acme/docs") { __typename } }'),
      'github.repositories',
    ],
    'when the root is there again': [
      read,
      graphql('{ relay { search(query: "x", type: ISSUE) { issueCount } } }'),
      'github.repositories',
    ],
    'when the viewer leads to repositories': [
      read,
      graphql('{ viewer { repositories(first: 9) { totalCount } } }'),
      'github.repositories',
    ],
    'when the viewer leads there in a fragment': [
      read,
      graphql('{ viewer { ...V } } fragment V on User { login issues(first: 1) { totalCount } }'),
      'github.repositories',
    ],
    'when the viewer shows an address': [read, graphql('{ viewer { email } }'), 'github.repositories'],
    'when a node is not listed': [every, graphql('{ node(id: "R_evil") { id } }'), 'github.nodeIds'],
    'when one of several nodes is not listed': [
      every,
      graphql('{ nodes(ids: ["R_docs", "R_evil"]) { id } }'),
      'github.nodeIds',
    ],
    'when a single node stands for a list': [
      every,
      graphql('{ nodes(ids: "R_evil") { id } }'),
      'github.nodeIds',
    ],
    'when a node is a number': [every, graphql('{ node(id: 1) { id } }'), 'github.repositories'],
    'when no node is named': [every, graphql('{ nodes(ids: []) { id } }'), 'github.repositories'],
    'when a node differs in letter case': [every, graphql('{ node(id: "r_docs") { id } }'), 'github.nodeIds'],
    'when it is a batch': [read, ['POST https://api.github.com/graphql', { json: [json] }], 'github'],
    'when there are two operations': [
      read,
      graphql(
        `
          query A {
            rateLimit {
              cost
            }
          }
          query B {
            rateLimit {
              cost
            }
          }
        `,
        {},
        { operationName: 'A' },
      ),
      'github',
    ],
    'when another operation is named': [read, graphql(info, docs, { operationName: 'Other' }), 'github'],
    'when a hash stands for the document': [
      read,
      [
        'POST https://api.github.com/graphql',
        { json: { extensions: { persistedQuery: { version: 1, sha256Hash: 'a' } } } },
      ],
      'github',
    ],
    'when a hash stands beside it': [
      read,
      graphql(info, docs, { extensions: { persistedQuery: { version: 1, sha256Hash: 'a' } } }),
      'github',
    ],
    'when the document is there twice (H-51)': [
      read,
      [
        'POST https://api.github.com/graphql',
        {
          headers: { 'content-type': 'application/json' },
          body: '{"query":"{viewer{login}}","\\u0071uery":"{x}"}',
        },
      ],
      'github',
    ],
    'when the document is in a variant as well': [
      read,
      graphql('{ viewer { login } }', {}, { Query: '{ x }' }),
      'github',
    ],
    'when the document is in the query': [
      read,
      ['POST https://api.github.com/graphql?query=%7Bviewer%7Blogin%7D%7D', { json }],
      'github',
    ],
    'when it is a GET': [read, 'GET https://api.github.com/graphql?query=%7Bviewer%7Blogin%7D%7D', 'github'],
    'when it is sent as text (H-50)': [
      read,
      [
        'POST https://api.github.com/graphql',
        { headers: { 'content-type': 'text/plain' }, body: '{"query":"{viewer{login}}"}' },
      ],
      'github',
    ],
    'when it is sent as the document alone': [
      read,
      [
        'POST https://api.github.com/graphql',
        { headers: { 'content-type': 'application/graphql' }, body: '{viewer{login}}' },
      ],
      'github',
    ],
    'when it is sent as a form': [
      read,
      ['POST https://api.github.com/graphql', { form: { query: '{viewer{login}}' } }],
      'github',
    ],
    'when it is compressed (H-53)': [
      read,
      [
        'POST https://api.github.com/graphql',
        { headers: { 'content-encoding': 'gzip', 'content-type': 'application/json' }, body: '{}' },
      ],
      'github',
    ],
    'when variables are text': [
      read,
      graphql(info, undefined, { variables: '{"owner":"acme","name":"docs"}' }),
      'github',
    ],
    'when there is no body': [read, 'POST https://api.github.com/graphql', 'github'],
    'when it is a subscription': [read, graphql('subscription { x }'), 'github'],
    'when a fragment is missing': [read, graphql('{ rateLimit { cost } ...F }'), 'github'],
    'when it is deeper than 64': [
      read,
      graphql('{ rateLimit '.concat('{ a '.repeat(65), '}'.repeat(66))),
      'github',
    ],
    'when it has a block string': [read, graphql('{ a: __type(name: """x""") { name } }'), 'github'],
    'when it is a schema': [read, graphql('type Query { a: Int }'), 'github'],
    'when reading mutates': [
      read,
      mutate('addComment', { subjectId: 'I_1', body: 'x' }),
      'github.operations',
    ],
    'when a mutation hides behind the alias of a query': [
      read,
      graphql('mutation { repository: deleteRef(input: { refId: "REF_1" }) { clientMutationId } }'),
      'github.operations',
    ],
    'when a comment is on a node that is not listed': [
      every,
      mutate('addComment', { subjectId: 'I_evil', body: 'x' }),
      'github.nodeIds',
    ],
    'when one of two mutations is not covered': [
      every,
      graphql(
        'mutation { a: addComment(input: {subjectId: "I_1", body: "x"}) { clientMutationId } b: addComment(input: {subjectId: "I_evil", body: "x"}) { clientMutationId } }',
      ),
      'github.nodeIds',
    ],
    'when a mutation names no node': [every, mutate('addComment', { body: 'x' }), 'github.repositories'],
    'when a mutation has no input': [
      every,
      graphql('mutation { addComment { clientMutationId } }'),
      'github.operations',
    ],
    'when its input is a list': [
      every,
      graphql('mutation { addComment(input: [{subjectId: "I_1"}]) { clientMutationId } }'),
      'github.operations',
    ],
    'when a review approves': [
      every,
      mutate('addPullRequestReview', { pullRequestId: 'PR_1', event: 'APPROVE' }),
      'github.operations',
    ],
    'when a review approves by an enum': [
      every,
      written('addPullRequestReview', '{ pullRequestId: "PR_1", event: APPROVE }'),
      'github.operations',
    ],
    'when a review is submitted without an event': [
      every,
      mutate('submitPullRequestReview', { pullRequestReviewId: 'PR_1' }),
      'github.operations',
    ],
    'when a pull request is opened in a node that is not listed': [
      { ...every, nodeIds: [] },
      mutate('createPullRequest', {
        repositoryId: 'R_docs',
        baseRefName: 'main',
        headRefName: 'agent/x',
        title: 'x',
      }),
      'github.nodeIds',
    ],
    'when a pull request is of another branch': [
      coder,
      mutate('createPullRequest', {
        repositoryId: 'R_docs',
        baseRefName: 'main',
        headRefName: 'main',
        title: 'x',
      }),
      'github.branches',
    ],
    'when a pull request is of an owner under branches': [
      coder,
      mutate('createPullRequest', {
        repositoryId: 'R_docs',
        baseRefName: 'main',
        headRefName: 'acme:agent/x',
        title: 'x',
      }),
      'github.branches',
    ],
    'when a pull request is of another repository under branches': [
      coder,
      mutate('createPullRequest', {
        repositoryId: 'R_docs',
        headRepositoryId: 'R_other',
        baseRefName: 'main',
        headRefName: 'agent/x',
        title: 'x',
      }),
      'github.branches',
    ],
    'when a pull request is closed by updating it': [
      every,
      mutate('updatePullRequest', { pullRequestId: 'PR_1', state: 'CLOSED' }),
      'github.operations',
    ],
    'when a commit goes to another repository': [
      every,
      commit({ repositoryNameWithOwner: 'evil/docs', branchName: 'agent/x' }),
      'github.repositories',
    ],
    'when a commit goes to another branch': [
      coder,
      commit({ repositoryNameWithOwner: 'acme/docs', branchName: 'main' }),
      'github.branches',
    ],
    'when a commit names no branch': [
      coder,
      commit({ repositoryNameWithOwner: 'acme/docs' }),
      'github.repositories',
    ],
    'when a commit names a branch by id under branches': [coder, commit({ id: 'REF_1' }), 'github.branches'],
    'when a commit names it in both ways': [
      every,
      commit({ id: 'REF_1', repositoryNameWithOwner: 'acme/docs', branchName: 'x' }),
      'github.repositories',
    ],
    'when a commit names a path for a repository': [
      every,
      commit({ repositoryNameWithOwner: 'acme/docs/x', branchName: 'agent/x' }),
      'github.repositories',
    ],
    'when a ref is of another branch': [
      coder,
      mutate('createRef', { repositoryId: 'R_docs', name: 'refs/heads/main', oid: 'a' }),
      'github.branches',
    ],
    'when one of several refs is of another branch': [
      coder,
      mutate('updateRefs', {
        repositoryId: 'R_docs',
        refUpdates: [
          { name: 'refs/heads/agent/x', afterOid: 'a' },
          { name: 'refs/heads/main', afterOid: 'a' },
        ],
      }),
      'github.branches',
    ],
    'when a single ref stands for a list': [
      coder,
      mutate('updateRefs', {
        repositoryId: 'R_docs',
        refUpdates: { name: 'refs/heads/main', afterOid: 'a' },
      }),
      'github.branches',
    ],
    'when no ref is updated': [
      coder,
      mutate('updateRefs', { repositoryId: 'R_docs', refUpdates: [] }),
      'github.operations',
    ],
    'when a ref is moved by id under branches': [
      coder,
      mutate('updateRef', { refId: 'REF_1', oid: 'a', force: true }),
      'github.branches',
    ],
    'when it merges under branches': [
      { ...coder, operations: all },
      mutate('mergePullRequest', { pullRequestId: 'PR_1' }),
      'github.branches',
    ],
    'when it merges without the operation': [
      coder,
      mutate('mergePullRequest', { pullRequestId: 'PR_1' }),
      'github.operations',
    ],
    'when it merges later without the operation': [
      coder,
      mutate('enablePullRequestAutoMerge', { pullRequestId: 'PR_1' }),
      'github.operations',
    ],
    'when a repository is archived': [
      every,
      mutate('archiveRepository', { repositoryId: 'R_docs' }),
      'github.operations',
    ],
    'when the mutation is unknown': [
      every,
      mutate('deleteRepository', { repositoryId: 'R_docs' }),
      'github.operations',
    ],
    'when the mutation is a property of every object': [
      every,
      mutate('constructor', { repositoryId: 'R_docs' }),
      'github.operations',
    ],
  };
  for (const [what, [form, asked, field]] of Object.entries(cases)) {
    it(what, () => assert.equal(ask(form, requestOf(asked))?.field, field));
  }

  it('when a fragment leads back to itself, and the work ends', () => {
    const asked = graphql('{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }');
    assert.equal(ask(read, requestOf(asked))?.field, 'github');
  });

  it('while its body is not there, which is asked for', () => {
    const request = requestOf(graphql(info, docs));
    assert.equal(ask(read, unread(request))?.reason, 'body_unreadable');
    assert.deepEqual(needOf(read, request), { maxBytes: 1024 * 1024, until: 'end' });
  });
});

describe('GraphQL is allowed (H-54)', () => {
  const cases: Record<string, [form: Partial<RulesetGithub>, asked: Asked]> = {
    'gh repo view': [read, graphql(info, docs)],
    'in another letter case': [read, graphql(info, { owner: 'ACME', name: 'Docs' })],
    'with the operation named': [read, graphql(info, docs, { operationName: 'RepositoryInfo' })],
    'gh issue list': [
      read,
      graphql(
        `
          fragment issue on Issue {
            number
            title
          }
          query IssueList($owner: String!, $repo: String!, $limit: Int, $states: [IssueState!] = OPEN) {
            repository(owner: $owner, name: $repo) {
              hasIssuesEnabled
              issues(
                first: $limit
                orderBy: { field: CREATED_AT, direction: DESC }
                states: $states
                filterBy: {}
              ) {
                totalCount
                nodes {
                  ...issue
                }
                pageInfo {
                  hasNextPage
                  endCursor
                }
              }
            }
          }
        `,
        { owner: 'acme', repo: 'docs', states: ['OPEN'], limit: 30 },
      ),
    ],
    'gh pr list': [
      read,
      graphql(
        `
          fragment pr on PullRequest {
            number
            title
            headRefName
          }
          query PullRequestList(
            $owner: String!
            $repo: String!
            $limit: Int!
            $state: [PullRequestState!] = OPEN
          ) {
            repository(owner: $owner, name: $repo) {
              pullRequests(states: $state, first: $limit) {
                nodes {
                  ...pr
                }
              }
            }
          }
        `,
        { owner: 'acme', repo: 'docs', limit: 30, state: ['OPEN'] },
      ),
    ],
    'what gh asks before it opens a pull request': [
      read,
      graphql(`
        fragment repo on Repository {
          id
          name
          owner {
            login
          }
          viewerPermission
        }
        query RepositoryNetwork {
          viewer {
            login
          }
          repo_000: repository(owner: "acme", name: "docs") {
            ...repo
            parent {
              ...repo
            }
          }
        }
      `),
    ],
    'who it is': [read, graphql('query UserCurrent{viewer{login}}')],
    'what the server can do': [
      read,
      graphql('query Issue_fields{Issue: __type(name: "Issue"){fields(includeDeprecated: true){name}}}'),
    ],
    'what is left of the rate limit': [read, graphql('{ rateLimit { remaining } __typename }')],
    'a default that names it': [
      read,
      graphql('query ($owner: String! = "acme") { repository(owner: $owner, name: "docs") { id } }'),
    ],
    'a listed node': [every, graphql('query ($id: ID!) { node(id: $id) { id } }', { id: 'PR_1' })],
    'listed nodes': [every, graphql('{ nodes(ids: ["R_docs", "PR_1"]) { id } }')],
    'comments and odd spacing': [
      read,
      graphql(
        '\t# repository(owner: "evil")\r\n{ , repository ( owner : "acme" , name : "docs" ) { id } , }',
      ),
    ],
    'a comment on a listed node': [coder, mutate('addComment', { subjectId: 'I_1', body: 'x' })],
    'a literal comment': [coder, written('addComment', '{ subjectId: "I_1", body: "a \\"b\\" \\u00e9" }')],
    'a review that only comments': [
      coder,
      mutate('addPullRequestReview', { pullRequestId: 'PR_1', event: 'COMMENT', body: 'x' }),
    ],
    'gh pr create in a listed repository': [
      coder,
      graphql(
        `
          mutation PullRequestCreate($input: CreatePullRequestInput!) {
            createPullRequest(input: $input) {
              pullRequest {
                id
                url
              }
            }
          }
        `,
        {
          input: {
            repositoryId: 'R_docs',
            baseRefName: 'main',
            headRefName: 'agent/x',
            title: 'x',
            body: '',
            draft: false,
            maintainerCanModify: true,
          },
        },
      ),
    ],
    'a head repository that is the same': [
      coder,
      mutate('createPullRequest', {
        repositoryId: 'R_docs',
        headRepositoryId: 'R_docs',
        baseRefName: 'main',
        headRefName: 'agent/x',
        title: 'x',
      }),
    ],
    'a commit to its branch': [
      coder,
      commit({ repositoryNameWithOwner: 'Acme/docs', branchName: 'agent/x' }),
    ],
    'a ref of its branch': [
      coder,
      mutate('createRef', { repositoryId: 'R_docs', name: 'refs/heads/agent/x', oid: 'a' }),
    ],
    'a listed ref without branches': [every, mutate('updateRef', { refId: 'REF_1', oid: 'a' })],
    'a merge of a listed pull request': [every, mutate('mergePullRequest', { pullRequestId: 'PR_1' })],
    'Enterprise, below /api': [
      { ...read, hosts: { web: 'ghe.corp.example', api: 'ghe.corp.example' } },
      ['POST https://ghe.corp.example/api/graphql', { json }],
    ],
  };
  for (const [what, [form, asked]] of Object.entries(cases)) {
    it(what, () => assert.equal(ask(form, requestOf(asked)), null));
  }
});

describe('a GraphQL document is refused', () => {
  const cases: Record<string, string> = {
    'when it is empty': '',
    'when a brace is missing': '{ a',
    'when a selection is empty': '{ }',
    'when arguments are empty': '{ a() }',
    'when an argument is there twice (H-51)': '{ a(b: 1, b: 2) }',
    'when a field of an object is there twice (H-51)': '{ a(b: { c: 1, c: 2 }) }',
    'when a variable is defined twice': 'query ($a: A, $a: A) { b }',
    'when a default has a variable': 'query ($a: A = $b) { b }',
    'when a default leads to itself': 'query ($a: A = { a: $a }) { b(c: $a) }',
    'when a fragment is defined twice': '{ ...A } fragment A on B { c } fragment A on B { d }',
    'when a fragment is called on': '{ a } fragment on on B { c }',
    'when there is only a fragment': 'fragment A on B { c }',
    'when a fragment has variables': '{ a } fragment A($b: B) on C { d }',
    'when it has a description': '"x" { a }',
    'when a string has a line end': '{ a(b: "x\n") }',
    'when a string does not end': '{ a(b: "x) }',
    'when a string ends in a backslash': '{ a(b: "x\\") }',
    'when a string has an unknown escape': '{ a(b: "\\x") }',
    'when a string has a new kind of escape': '{ a(b: "\\u{65}") }',
    'when a string has half a character': '{ a(b: "\\ud83d") }',
    'when there is a block string': '{ a(b: """x""") }',
    'when a block string might end later': '{ a(b: """x"""") { c } # " }',
    'when a number runs into a name': '{ a(b: 1c) }',
    'when a number has a leading zero': '{ a(b: 01) }',
    'when there is a BOM': '\ufeff{ a }',
    'when there is a carriage return alone': '{ a # x\r }',
    'when there is a space of Unicode': '{\u00a0a }',
    'when there is a control character': '{ a \u0000 }',
    'when there is a semicolon': '{ a; }',
    'when an alias has an alias': '{ a: b: c }',
    'when a variable has no type': 'query ($a) { b }',
    'when a type is not closed': 'query ($a: [A) { b }',
    'when arguments are nested deeper than 64': `{ a(b: ${'['.repeat(65)}${']'.repeat(65)}) }`,
    'when types are nested deeper than 64': `query ($a: ${'['.repeat(65)}A${']'.repeat(65)}) { b }`,
    'when it has more than 50000 tokens': `{ ${'a '.repeat(50_000)} }`,
  };
  for (const [what, source] of Object.entries(cases)) {
    it(what, () => assert.equal(parseDocument(source), null));
  }

  it('in linear time, whatever it is', () => {
    const bytes = 1024 * 1024;
    for (const part of ['"', '\\', '#', '{', '(', '[', '...', '"a', '\n#', '1', '$a', '@a(', ',', '{a(b:"']) {
      assert.equal(parseDocument(part.repeat(bytes / part.length)), null);
    }
    assert.equal(parseDocument(`{ a(b: "${'x'.repeat(bytes)}`), null);
    assert.notEqual(parseDocument(`{ a(b: "${'x'.repeat(bytes)}") }`), null);
  });
});
