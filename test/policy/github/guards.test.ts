// The github form as a guard: it applies to whatever it cannot rule out, in every spelling.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { githubHosts } from '../../../policy/github/form.ts';
import type { CanonicalRequest } from '../../../policy/request.ts';
import type { RulesetGithub } from '../../../policy/ruleset.ts';
import { ask, flush, graphql, needOf, push, pushOf, requestOf, unread, type Asked } from './asking.ts';

const api = 'https://api.github.com';
const docs = `${api}/repos/acme/docs`;
const noDelete: Partial<RulesetGithub> = { operations: ['DeleteRepository'] };
const noDeleteOfDocs: Partial<RulesetGithub> = {
  operations: ['DeleteRepository'],
  repositories: ['acme/docs'],
};
const noPush: Partial<RulesetGithub> = { operations: ['Push'] };
const notToMain: Partial<RulesetGithub> = { operations: ['Push'], branches: ['main'] };
const noRead: Partial<RulesetGithub> = { operations: ['Read'], repositories: ['acme/secret'] };
const noMerge: Partial<RulesetGithub> = { operations: ['Merge'] };
const noComment: Partial<RulesetGithub> = { operations: ['Comment'] };
const noPull: Partial<RulesetGithub> = { operations: ['OpenPullRequest'], branches: ['release/**'] };
const server = { web: 'ghe.corp.example', api: 'ghe.corp.example' };

const mutation = (field: string, input: string): Asked =>
  graphql(`mutation { ${field}(input: ${input}) { clientMutationId } }`);

describe('a guard applies', () => {
  const cases: Record<string, [form: Partial<RulesetGithub>, asked: Asked]> = {
    'to a deletion': [noDelete, `DELETE ${docs}`],
    'to a deletion with a slash at the end': [noDelete, `DELETE ${docs}/`],
    'to a deletion in another letter case': [noDeleteOfDocs, `DELETE ${api}/Repos/ACME/Docs`],
    'to a deletion in lower case': [noDelete, `delete ${docs}`],
    'to a deletion by id': [noDeleteOfDocs, `DELETE ${api}/repositories/1296269`],
    'to a deletion with .git': [noDeleteOfDocs, `DELETE ${docs}.git`],
    'to a deletion with an encoded slash': [noDeleteOfDocs, `DELETE ${api}/repos/acme%2Fdocs`],
    'to a deletion encoded twice': [noDeleteOfDocs, `DELETE ${api}/repos/acme/%2564ocs`],
    'to a deletion with path parameters': [noDeleteOfDocs, `DELETE ${api}/repos/acme/docs;x=1`],
    'to a deletion with a query': [noDelete, `DELETE ${docs}?x=1`],
    "to a deletion below Enterprise's prefix": [noDelete, `DELETE ${api}/api/v3/repos/acme/docs`],
    'to a deletion on another port': [noDelete, 'DELETE https://api.github.com:8443/repos/acme/docs'],
    'to a deletion without TLS': [noDelete, 'DELETE http://api.github.com/repos/acme/docs'],
    'to a deletion by _method in the query (H-33)': [noDelete, `POST ${docs}?_method=DELETE`],
    'to a deletion by _method of a read (H-33)': [noDelete, `GET ${docs}?%5fMETHOD=delete`],
    'to a deletion by _method in a form (H-33)': [
      noDelete,
      [`POST ${docs}`, { form: { _method: 'DELETE' } }],
    ],
    'to a transfer': [noDelete, [`POST ${docs}/transfer`, { json: { new_owner: 'evil' } }]],
    'to the deletion of an organization': [noDeleteOfDocs, `DELETE ${api}/orgs/acme`],
    'to a deletion at Enterprise Server': [
      { ...noDelete, hosts: server },
      'DELETE https://ghe.corp.example/api/v3/repos/acme/docs',
    ],
    'to a deletion there without the prefix': [
      { ...noDelete, hosts: server },
      'DELETE https://ghe.corp.example/repos/acme/docs',
    ],
    'to what administers a server': [
      { ...noDelete, hosts: server },
      'DELETE https://ghe.corp.example/api/v3/admin/organizations/1',
    ],
    'to what a page sends': [
      noDelete,
      ['POST https://github.com/acme/docs/settings/delete', { form: { x: '1' } }],
    ],
    'to what a page sends to www': [
      noDelete,
      ['POST https://www.github.com/acme/docs/settings/delete', { form: { x: '1' } }],
    ],
    'to an unknown mutation': [noDelete, mutation('deleteRepository', '{ repositoryId: "R_1" }')],
    'to an unknown mutation behind an alias (H-54)': [
      noDelete,
      graphql('mutation { addStar: deleteRepository(input: { repositoryId: "R_1" }) { clientMutationId } }'),
    ],
    'to an unknown mutation in a fragment (H-54)': [
      noDelete,
      graphql(
        'mutation { ...F } fragment F on Mutation { ... { deleteRepository(input: {}) { clientMutationId } } }',
      ),
    ],
    'to an unknown mutation in an operation not named (H-54)': [
      noDelete,
      graphql(
        'query A { viewer { login } } mutation B { deleteRepository(input: {}) { clientMutationId } }',
        {},
        { operationName: 'A' },
      ),
    ],
    'to a document that cannot be read (H-54)': [noDelete, graphql('mutation { deleteRepository(input: """')],
    'to a batch (H-54)': [noDelete, [`POST ${api}/graphql`, { json: [{ query: '{ viewer { login } }' }] }]],
    'to a persisted query (H-54)': [noDelete, [`POST ${api}/graphql`, { json: { extensions: {} } }]],
    'to GraphQL in the query (H-54)': [noDelete, `GET ${api}/graphql?query=mutation`],
    'to GraphQL as text (H-50)': [
      noDelete,
      [
        `POST ${api}/graphql`,
        { headers: { 'content-type': 'text/plain' }, body: '{"query":"{viewer{login}}"}' },
      ],
    ],
    'to GraphQL with a slash at the end': [noDelete, [`POST ${api}/graphql/`, { json: [] }]],
    'to GraphQL in another letter case': [noDelete, [`POST ${api}/GraphQL`, { json: [] }]],
    "to GraphQL below Enterprise's prefix": [noDelete, [`POST ${api}/api/graphql`, { json: [] }]],
    'to GraphQL at Enterprise Server': [
      { ...noDelete, hosts: server },
      ['POST https://ghe.corp.example/api/graphql', { json: [] }],
    ],
    'to a push': [noPush, push('acme/docs.git', pushOf('refs/heads/x'))],
    'to the beginning of a push': [
      noPush,
      'GET https://github.com/acme/docs.git/info/refs?service=git-receive-pack',
    ],
    'to a push that cannot be read': [notToMain, push('acme/docs.git', Buffer.from('zzzz'))],
    'to a compressed push': [
      notToMain,
      push('acme/docs.git', pushOf('refs/heads/x'), { 'content-encoding': 'gzip' }),
    ],
    'to a push with one update of the branch': [
      notToMain,
      push('acme/docs.git', pushOf('refs/heads/agent/x', 'refs/heads/main')),
    ],
    'to a push with the branch in another letter case': [
      notToMain,
      push('acme/docs.git', pushOf('refs/heads/Main')),
    ],
    'to a push with a path in another letter case': [
      noPush,
      ['POST https://github.com/Acme/Docs.GIT/GIT-Receive-Pack/', { base64: flush.toString('base64') }],
    ],
    'to a push to a wiki of the repository': [
      { operations: ['Push'], repositories: ['acme/docs'] },
      push('acme/docs.wiki.git', pushOf('refs/heads/master')),
    ],
    'to LFS': [noPush, ['POST https://github.com/acme/docs.git/info/lfs/objects/batch', { json: {} }]],
    'to a file without a branch': [notToMain, [`PUT ${docs}/contents/a`, { json: { message: 'x' } }]],
    'to a file with the branch': [notToMain, [`PUT ${docs}/contents/a`, { json: { branch: 'main' } }]],
    'to a file with the branch in a variant': [
      notToMain,
      [`PUT ${docs}/contents/a`, { json: { branch: 'agent/x', Branch: 'main' } }],
    ],
    'to a file with the branch in the query': [
      notToMain,
      [`PUT ${docs}/contents/a?branch=main`, { json: { branch: 'agent/x' } }],
    ],
    'to a file with a branch by another name': [
      notToMain,
      [`PUT ${docs}/contents/a`, { json: { branch: 'refs/heads/main' } }],
    ],
    'to a file as text (H-50)': [
      notToMain,
      [`PUT ${docs}/contents/a`, { headers: { 'content-type': 'text/plain' }, body: '{"branch":"agent/x"}' }],
    ],
    'to a file that says its branch twice (H-51)': [
      notToMain,
      [
        `PUT ${docs}/contents/a`,
        { headers: { 'content-type': 'application/json' }, body: '{"branch":"agent/x","branch":"main"}' },
      ],
    ],
    'to a ref in another letter case': [notToMain, `DELETE ${docs}/git/refs/heads/MAIN/`],
    'to a ref with an encoded slash': [notToMain, `DELETE ${docs}/git/refs/heads%2Fmain`],
    'to a ref that POST moves': [notToMain, [`POST ${docs}/git/refs/heads/main`, { json: { sha: 'a' } }]],
    'to a merge into the branch': [notToMain, [`POST ${docs}/merges`, { json: { base: 'main', head: 'x' } }]],
    'to a branch renamed': [notToMain, [`POST ${docs}/branches/x/rename`, { json: { new_name: 'main' } }]],
    'to an autofix': [noPush, `POST ${docs}/code-scanning/alerts/1/autofix/commits`],
    'to an endpoint that nobody knows': [noPush, [`POST ${docs}/something-new`, { json: {} }]],
    'to a root that nobody knows': [noDelete, [`POST ${api}/something-new`, { json: {} }]],
    'to a commit by GraphQL': [
      notToMain,
      mutation('createCommitOnBranch', '{ branch: { repositoryNameWithOwner: "a/b", branchName: "main" } }'),
    ],
    'to a ref by id': [notToMain, mutation('updateRef', '{ refId: "REF_1", oid: "a" }')],
    'to a merge by GraphQL that is a push': [
      notToMain,
      mutation('mergeBranch', '{ repositoryId: "R", base: "main", head: "x" }'),
    ],
    'to a merge': [noMerge, [`PUT ${docs}/pulls/1/merge`, { json: {} }]],
    'to a merge to come': [noMerge, mutation('enablePullRequestAutoMerge', '{ pullRequestId: "PR_1" }')],
    'to a merge in a queue': [noMerge, mutation('enqueuePullRequest', '{ pullRequestId: "PR_1" }')],
    'to a comment': [noComment, [`POST ${docs}/issues/1/comments`, { json: {} }]],
    'to an approval': [noComment, [`POST ${docs}/pulls/1/reviews`, { json: { event: 'APPROVE' } }]],
    'to a comment edited by POST': [noComment, [`POST ${docs}/issues/comments/1`, { json: {} }]],
    'to a pull request from the branch': [
      noPull,
      [`POST ${docs}/pulls`, { json: { head: 'release/1', base: 'main' } }],
    ],
    'to a pull request into the branch': [
      noPull,
      [`POST ${docs}/pulls`, { json: { head: 'agent/x', base: 'release/1' } }],
    ],
    'to a pull request edited as an issue': [
      { operations: ['OpenPullRequest'] },
      [`PATCH ${docs}/issues/1`, { json: { title: 'x' } }],
    ],
    'to a read': [noRead, `GET ${api}/repos/acme/secret/contents/a`],
    'to a read by id': [noRead, `GET ${api}/repositories/1/contents/a`],
    "to an owner's repositories with a slash encoded twice": [noRead, `GET ${api}/users/acme%252Frepos`],
    'to a search': [noRead, `GET ${api}/search/code?q=x`],
    'to a fetch': [noRead, 'GET https://github.com/acme/secret/info/refs?service=git-upload-pack'],
    'to a fetch in the dumb protocol': [noRead, 'GET https://github.com/acme/secret.git/info/refs'],
    'to a page': [noRead, 'GET https://github.com/acme/secret/blob/main/a'],
    'to a page that is of no owner': [noRead, 'GET https://github.com/search?q=x'],
    'to a raw file': [noRead, 'GET https://raw.githubusercontent.com/acme/secret/main/a'],
    'to an archive': [noRead, 'GET https://codeload.github.com/Acme/Secret/zip/refs/heads/main'],
    'to a large file': [noRead, 'GET https://media.githubusercontent.com/media/acme/secret/main/a'],
    'to a comparison with it': [noRead, `GET ${docs}/compare/main...acme:secret:main`],
    'to a query that can lead there': [
      noRead,
      graphql('{ repository(owner: "acme", name: "docs") { owner { login } } }'),
    ],
    'to a mutation whose answer can lead there': [
      noRead,
      graphql('mutation { addStar(input: { starrableId: "R" }) { starrable { id } } }'),
    ],
  };
  for (const [what, [form, asked]] of Object.entries(cases)) {
    it(what, () => assert.equal(ask(form, requestOf(asked), 'guard'), null));
  }

  it('while a body that matters is not there', () => {
    assert.equal(ask(noDelete, unread(requestOf(graphql('{ viewer { login } }'))), 'guard'), null);
    assert.equal(ask(notToMain, unread(requestOf(push('acme/docs', flush))), 'guard'), null);
  });

  it('to a connection whose bytes nobody reads', () => {
    const tcp: CanonicalRequest = {
      ...requestOf('GET https://api.github.com/'),
      scheme: 'tcp',
      method: '',
      path: '',
      segments: [],
    };
    assert.equal(ask(noDelete, tcp, 'guard'), null);
  });
});

describe('a guard is ruled out', () => {
  const cases: Record<string, [form: Partial<RulesetGithub>, asked: Asked, field: string]> = {
    'by another host': [noDelete, 'DELETE https://api.example.com/repos/acme/docs', 'github.hosts'],
    'by a host that only ends alike': [
      noDelete,
      'DELETE https://evilgithub.com/repos/acme/docs',
      'github.hosts',
    ],
    'by reading': [noDelete, `GET ${docs}`, 'github.operations'],
    'by a comment': [noDelete, [`POST ${docs}/issues/1/comments`, { json: {} }], 'github.operations'],
    'by a label': [noPush, [`POST ${docs}/issues/1/labels`, { json: {} }], 'github.operations'],
    'by a comment, when pushes are meant': [
      noPush,
      [`POST ${docs}/issues/1/comments`, { json: {} }],
      'github.operations',
    ],
    'by deleting something smaller': [noDelete, `DELETE ${docs}/git/refs/heads/x`, 'github.operations'],
    'by deleting another repository': [
      noDeleteOfDocs,
      `DELETE ${api}/repos/acme/other`,
      'github.repositories',
    ],
    'by deleting a release': [noPush, `DELETE ${docs}/releases/1`, 'github.operations'],
    'by editing the repository': [
      noDelete,
      [`PATCH ${docs}`, { json: { description: 'x' } }],
      'github.operations',
    ],
    'by signing in': [
      noDelete,
      ['POST https://github.com/login/device/code', { form: { a: 'b' } }],
      'github.operations',
    ],
    'by a fetch': [
      noPush,
      'GET https://github.com/acme/docs/info/refs?service=git-upload-pack',
      'github.operations',
    ],
    'by a push to another repository': [
      { operations: ['Push'], repositories: ['acme/docs'] },
      push('acme/other', pushOf('refs/heads/main')),
      'github.repositories',
    ],
    'by a push to another branch': [
      notToMain,
      push('acme/docs', pushOf('refs/heads/agent/main')),
      'github.branches',
    ],
    'by a tag': [notToMain, push('acme/docs', pushOf('refs/tags/main')), 'github.branches'],
    "by git's probe": [notToMain, push('acme/docs', flush), 'github.branches'],
    'by a file on another branch': [
      notToMain,
      [`PUT ${docs}/contents/a`, { json: { branch: 'x' } }],
      'github.branches',
    ],
    'by a blob': [notToMain, [`POST ${docs}/git/blobs`, { json: {} }], 'github.branches'],
    'by a merge of a pull request, when pushes are meant': [
      noPush,
      [`PUT ${docs}/pulls/1/merge`, { json: {} }],
      'github.operations',
    ],
    'by a commit to another branch by GraphQL': [
      notToMain,
      mutation('createCommitOnBranch', '{ branch: { repositoryNameWithOwner: "a/b", branchName: "x" } }'),
      'github.branches',
    ],
    'by a query': [
      noDelete,
      graphql('{ repository(owner: "acme", name: "docs") { id } }'),
      'github.operations',
    ],
    'by a known mutation': [
      noDelete,
      mutation('createIssue', '{ repositoryId: "R_1" }'),
      'github.operations',
    ],
    'by a star whose answer is a leaf': [
      noRead,
      mutation('addStar', '{ starrableId: "R" }'),
      'github.operations',
    ],
    'by the viewer': [noRead, graphql('{ viewer { login } rateLimit { remaining } }'), 'github.operations'],
    'by reading another repository': [noRead, `GET ${docs}/contents/a`, 'github.repositories'],
    'by a page of another repository': [
      noRead,
      'GET https://github.com/acme/docs/releases/download/v1/a.tgz',
      'github.repositories',
    ],
    'by the rate limit': [noRead, `GET ${api}/rate_limit`, 'github.operations'],
    'by a pull request between other branches': [
      noPull,
      [`POST ${docs}/pulls`, { json: { head: 'agent/x', base: 'main' } }],
      'github.branches',
    ],
  };
  for (const [what, [form, asked, field]] of Object.entries(cases)) {
    it(what, () => assert.equal(ask(form, requestOf(asked), 'guard')?.field, field));
  }
});

describe('the hosts of a form', () => {
  const whole = { operations: ['Read'] } as const;

  it('are two for a grant', () => {
    assert.deepEqual(githubHosts(whole, 'grant'), ['github.com', 'api.github.com']);
  });

  it('are all that serve repositories for a guard', () => {
    assert.deepEqual(githubHosts(whole), [
      'github.com',
      'api.github.com',
      'www.github.com',
      'uploads.github.com',
      'codeload.github.com',
      'raw.githubusercontent.com',
      'media.githubusercontent.com',
    ]);
  });

  it('are those of Enterprise instead', () => {
    assert.deepEqual(githubHosts({ ...whole, hosts: { web: 'GHE.corp.example', api: 'ghe.corp.example' } }), [
      'ghe.corp.example',
      'codeload.ghe.corp.example',
      'raw.ghe.corp.example',
      'media.ghe.corp.example',
      'uploads.ghe.corp.example',
    ]);
  });
});

describe('a guard asks for the body', () => {
  const pull: Asked = [`POST ${docs}/pulls`, { json: {} }];
  const cases: Record<string, [form: Partial<RulesetGithub>, asked: Asked, isNeeded: boolean]> = {
    'of GraphQL': [noDelete, graphql('{ viewer { login } }'), true],
    'of a pull request under branches': [noPull, pull, true],
    'not of a pull request without': [{ operations: ['OpenPullRequest'] }, pull, false],
    'not of what it is not about': [noDelete, pull, false],
    'not at another host': [noDelete, ['POST https://api.example.com/graphql', { json: {} }], false],
  };
  for (const [what, [form, asked, isNeeded]] of Object.entries(cases)) {
    it(what, () => assert.equal(needOf(form, requestOf(asked), 'guard') !== null, isNeeded));
  }
});
