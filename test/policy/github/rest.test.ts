// REST under the github form, as grants.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { RulesetGithub } from '../../../policy/ruleset.ts';
import { all, ask, needOf, requestOf, unread, type Asked } from './asking.ts';

const api = 'https://api.github.com';
const docs = `${api}/repos/acme/docs`;
const read: Partial<RulesetGithub> = { repositories: ['acme/*'], operations: ['Read'] };
const every: Partial<RulesetGithub> = { repositories: ['acme/docs'], operations: all };
const coder: Partial<RulesetGithub> = {
  repositories: ['acme/docs'],
  operations: ['Read', 'Push', 'OpenPullRequest', 'Comment'],
  branches: ['agent/**'],
};
const open: Partial<RulesetGithub> = { repositories: ['acme/docs'], operations: ['OpenPullRequest'] };
const enterprise: Partial<RulesetGithub> = {
  ...read,
  hosts: { web: 'ghe.corp.example', api: 'ghe.corp.example' },
};
const cloud: Partial<RulesetGithub> = { ...read, hosts: { web: 'acme.ghe.com', api: 'api.acme.ghe.com' } };
const json = { headers: { 'content-type': 'application/json' } };

type Case = [form: Partial<RulesetGithub>, asked: Asked, field: string];

describe('REST is refused', () => {
  const cases: Record<string, Case> = {
    'when the repository is another': [coder, `GET ${api}/repos/acme/other`, 'github.repositories'],
    'when the owner is another': [read, `GET ${api}/repos/evil/docs`, 'github.repositories'],
    'when the name has .git': [read, `GET ${docs}.git`, 'github.repositories'],
    'when the repository is an id': [every, `GET ${api}/repositories/1296269`, 'github.repositories'],
    'when something of an id is asked for': [
      every,
      `GET ${api}/repositories/1296269/contents/README.md`,
      'github.repositories',
    ],
    'when an id is deleted': [every, `DELETE ${api}/repositories/1296269`, 'github.repositories'],
    'when it is a search': [read, `GET ${api}/search/issues?q=repo:acme/docs`, 'github.operations'],
    'when it is the notifications': [read, `GET ${api}/notifications`, 'github.operations'],
    'when it is the user': [read, `GET ${api}/user`, 'github.operations'],
    "when it is the organization's repositories": [read, `GET ${api}/orgs/acme/repos`, 'github.operations'],
    'when it is the root': [read, `GET ${api}/`, 'github.operations'],
    'when the path ends in a slash': [read, `GET ${docs}/`, 'github.operations'],
    'when repos is written otherwise': [read, `GET ${api}/Repos/acme/docs`, 'github.operations'],
    'when a prefix of Enterprise stands before it': [
      read,
      `GET ${api}/api/v3/repos/acme/docs`,
      'github.operations',
    ],
    'when the prefix of Enterprise is missing': [
      enterprise,
      'GET https://ghe.corp.example/repos/acme/docs',
      'github.operations',
    ],
    'when github.com is asked for Enterprise': [enterprise, `GET ${docs}`, 'github.hosts'],
    'when it is an archive, whose answer is a signed URL': [
      read,
      `GET ${docs}/tarball/main`,
      'github.operations',
    ],
    'when it is a zipball': [read, `GET ${docs}/zipball/main`, 'github.operations'],
    'when it is a log': [read, `GET ${docs}/actions/runs/1/logs`, 'github.operations'],
    "when it is a job's log": [read, `GET ${docs}/actions/jobs/1/logs`, 'github.operations'],
    'when it is an artifact': [read, `GET ${docs}/actions/artifacts/1/zip`, 'github.operations'],
    "when it is a release's file": [read, `GET ${docs}/releases/assets/1`, 'github.operations'],
    'when it is the found secrets': [read, `GET ${docs}/secret-scanning/alerts`, 'github.operations'],
    'when it is the webhooks': [read, `GET ${docs}/hooks`, 'github.operations'],
    'when it is the variables': [read, `GET ${docs}/actions/variables`, 'github.operations'],
    'when it is the secrets of Actions': [read, `GET ${docs}/actions/secrets`, 'github.operations'],
    "when it is an environment's secrets": [
      read,
      `GET ${docs}/environments/prod/secrets`,
      'github.operations',
    ],
    'when it mints a token for runners': [
      every,
      `POST ${docs}/actions/runners/registration-token`,
      'github.operations',
    ],
    'when it mints an installation token': [
      every,
      `POST ${api}/app/installations/1/access_tokens`,
      'github.operations',
    ],
    'when it compares with a fork': [read, `GET ${docs}/compare/main...evil:main`, 'github.repositories'],
    'when it compares with a fork by name': [
      read,
      `GET ${docs}/compare/main...evil:docs:main`,
      'github.repositories',
    ],
    'when a read has _method (H-33)': [read, `GET ${docs}?_method=DELETE`, 'github'],
    'when a read has _method in hiding (H-33)': [read, `GET ${docs}?%5Fmethod=DELETE`, 'github'],
    'when it is OPTIONS': [read, `OPTIONS ${docs}`, 'github.operations'],
    'when it is QUERY': [read, `QUERY ${docs}`, 'github.operations'],
    'when a method is in lower case': [read, `get ${docs}`, 'github.operations'],
    'when reading comments': [
      read,
      [`POST ${docs}/issues/1/comments`, { json: { body: 'x' } }],
      'github.operations',
    ],
    'when a comment has _method (H-33)': [
      coder,
      [`POST ${docs}/issues/1/comments?_method=DELETE`, { json: { body: 'x' } }],
      'github',
    ],
    'when a comment is sent as a form (H-50)': [
      coder,
      [`POST ${docs}/issues/1/comments`, { form: { body: 'x', _method: 'DELETE' } }],
      'github',
    ],
    'when a comment has two media types (H-31)': [
      coder,
      [
        `POST ${docs}/issues/1/comments`,
        { headers: { 'content-type': ['application/json', 'text/plain'] }, body: '{"body":"x"}' },
      ],
      'github',
    ],
    'when the number of an issue is none': [
      coder,
      [`POST ${docs}/issues/comments/comments`, { json: { body: 'x' } }],
      'github.operations',
    ],
    'when an issue is opened': [
      every,
      [`POST ${docs}/issues`, { json: { title: 'x' } }],
      'github.operations',
    ],
    'when an issue is edited': [
      every,
      [`PATCH ${docs}/issues/1`, { json: { state: 'closed' } }],
      'github.operations',
    ],
    'when a label is set': [
      every,
      [`POST ${docs}/issues/1/labels`, { json: { labels: ['x'] } }],
      'github.operations',
    ],
    'when a review approves': [
      every,
      [`POST ${docs}/pulls/1/reviews`, { json: { event: 'APPROVE' } }],
      'github.operations',
    ],
    'when a review approves in lower case': [
      every,
      [`POST ${docs}/pulls/1/reviews`, { json: { event: 'approve' } }],
      'github.operations',
    ],
    'when a review has a second event (H-51)': [
      every,
      [`POST ${docs}/pulls/1/reviews`, { ...json, body: '{"event":"COMMENT","\\u0065vent":"APPROVE"}' }],
      'github',
    ],
    'when a review has a variant of its event (H-51)': [
      every,
      [`POST ${docs}/pulls/1/reviews`, { json: { event: 'COMMENT', Event: 'APPROVE' } }],
      'github.operations',
    ],
    'when a review is JSON by another name (H-50)': [
      every,
      [
        `POST ${docs}/pulls/1/reviews`,
        { headers: { 'content-type': 'text/plain' }, body: '{"event":"COMMENT"}' },
      ],
      'github',
    ],
    'when a review is compressed (H-53)': [
      every,
      [
        `POST ${docs}/pulls/1/reviews`,
        { headers: { 'content-type': 'application/json', 'content-encoding': 'gzip' }, body: '{}' },
      ],
      'github',
    ],
    'when a review is submitted without an event': [
      every,
      [`POST ${docs}/pulls/1/reviews/2/events`, { json: { body: 'x' } }],
      'github.operations',
    ],
    'when a pending review is approved': [
      every,
      [`POST ${docs}/pulls/1/reviews/2/events`, { json: { event: 'APPROVE' } }],
      'github.operations',
    ],
    'when a review is dismissed': [
      every,
      [`PUT ${docs}/pulls/1/reviews/2/dismissals`, { json: { message: 'x' } }],
      'github.operations',
    ],
    'when a pull request is of another branch': [
      coder,
      [`POST ${docs}/pulls`, { json: { title: 'x', head: 'main', base: 'release' } }],
      'github.branches',
    ],
    'when a pull request names no branch': [
      coder,
      [`POST ${docs}/pulls`, { json: { title: 'x', base: 'main' } }],
      'github.branches',
    ],
    'when a pull request is of a fork under branches': [
      coder,
      [`POST ${docs}/pulls`, { json: { title: 'x', head: 'evil:agent/x', base: 'main' } }],
      'github.branches',
    ],
    'when a pull request names another repository under branches': [
      coder,
      [`POST ${docs}/pulls`, { json: { title: 'x', head: 'agent/x', head_repo: 'other', base: 'main' } }],
      'github.branches',
    ],
    'when a pull request is retargeted': [
      open,
      [`PATCH ${docs}/pulls/1`, { json: { base: 'main' } }],
      'github.operations',
    ],
    'when a pull request is closed': [
      open,
      [`PATCH ${docs}/pulls/1`, { json: { title: 'x', state: 'closed' } }],
      'github.operations',
    ],
    'when a pull request is edited under branches': [
      coder,
      [`PATCH ${docs}/pulls/1`, { json: { title: 'x' } }],
      'github.branches',
    ],
    'when a file is written to another branch': [
      coder,
      [`PUT ${docs}/contents/a.md`, { json: { message: 'x', content: 'eA==', branch: 'main' } }],
      'github.branches',
    ],
    'when a file is written to no branch': [
      coder,
      [`PUT ${docs}/contents/a.md`, { json: { message: 'x', content: 'eA==' } }],
      'github.branches',
    ],
    'when the branch is null': [
      coder,
      [`PUT ${docs}/contents/a.md`, { json: { message: 'x', branch: null } }],
      'github.operations',
    ],
    'when the branch is in the query': [
      coder,
      [`PUT ${docs}/contents/a.md?branch=agent/x`, { json: { message: 'x', content: 'eA==' } }],
      'github',
    ],
    'when the query says another branch (H-23)': [
      coder,
      [`PUT ${docs}/contents/a.md?branch=main`, { json: { message: 'x', branch: 'agent/x' } }],
      'github',
    ],
    'when the branch is there twice (H-51)': [
      coder,
      [`PUT ${docs}/contents/a.md`, { ...json, body: '{"branch":"agent/x","branch":"main"}' }],
      'github',
    ],
    'when the branch has a variant (H-51)': [
      coder,
      [`PUT ${docs}/contents/a.md`, { json: { branch: 'agent/x', Branch: 'main' } }],
      'github.operations',
    ],
    'when the branch is a list': [
      coder,
      [`PUT ${docs}/contents/a.md`, { json: { branch: ['agent/x'] } }],
      'github.operations',
    ],
    'when the branch has dot segments': [
      coder,
      [`PUT ${docs}/contents/a.md`, { json: { branch: 'agent/../main' } }],
      'github.branches',
    ],
    'when the branch is a revision of one': [
      coder,
      [`PUT ${docs}/contents/a.md`, { json: { branch: 'agent/x~1' } }],
      'github.branches',
    ],
    'when the branch is written in full': [
      { ...coder, branches: ['**'] },
      [`PUT ${docs}/contents/a.md`, { json: { branch: 'refs/heads/main' } }],
      'github.branches',
    ],
    'when the branch may be read as one of heads/': [
      { ...coder, branches: ['*/*'] },
      [`PUT ${docs}/contents/a.md`, { json: { branch: 'heads/main' } }],
      'github.branches',
    ],
    'when a file is deleted without saying where': [coder, `DELETE ${docs}/contents/a.md`, 'github.branches'],
    'when a ref is made of another branch': [
      coder,
      [`POST ${docs}/git/refs`, { json: { ref: 'refs/heads/main', sha: 'a' } }],
      'github.branches',
    ],
    'when a ref is made of a tag under branches': [
      coder,
      [`POST ${docs}/git/refs`, { json: { ref: 'refs/tags/agent/x', sha: 'a' } }],
      'github.branches',
    ],
    'when a ref is not said in full': [
      every,
      [`POST ${docs}/git/refs`, { json: { ref: 'heads/agent/x', sha: 'a' } }],
      'github.operations',
    ],
    'when a ref of another branch is moved': [
      coder,
      [`PATCH ${docs}/git/refs/heads/main`, { json: { sha: 'a', force: true } }],
      'github.branches',
    ],
    'when a ref of another branch is deleted': [
      coder,
      `DELETE ${docs}/git/refs/heads/main`,
      'github.branches',
    ],
    'when a ref is moved that is none': [
      coder,
      [`PATCH ${docs}/git/refs/refs/heads/agent/x`, { json: { sha: 'a' } }],
      'github.branches',
    ],
    'when a ref ends in a slash': [coder, `DELETE ${docs}/git/refs/heads/agent/`, 'github.branches'],
    'when refs/pull is written without branches': [
      every,
      [`PATCH ${docs}/git/refs/pull/1/head`, { json: { sha: 'a' } }],
      'github.branches',
    ],
    'when it merges under branches': [
      { ...coder, operations: all },
      [`POST ${docs}/merges`, { json: { base: 'agent/x', head: 'main' } }],
      'github.branches',
    ],
    'when it merges a pull request under branches': [
      { ...coder, operations: all },
      [`PUT ${docs}/pulls/1/merge`, { json: {} }],
      'github.branches',
    ],
    'when it merges without the operation': [
      coder,
      [`PUT ${docs}/pulls/1/merge`, { json: {} }],
      'github.operations',
    ],
    'when it merges by pushing': [
      coder,
      [`POST ${docs}/merges`, { json: { base: 'agent/x' } }],
      'github.operations',
    ],
    'when a branch is updated from its base': [
      coder,
      [`PUT ${docs}/pulls/1/update-branch`, { json: {} }],
      'github.operations',
    ],
    'when a branch is renamed': [
      every,
      [`POST ${docs}/branches/agent/rename`, { json: { new_name: 'main' } }],
      'github.operations',
    ],
    'when a branch loses its protection': [
      every,
      `DELETE ${docs}/branches/main/protection`,
      'github.operations',
    ],
    'when a repository is deleted without the operation': [coder, `DELETE ${docs}`, 'github.operations'],
    'when a repository is deleted under branches': [
      { ...coder, operations: all },
      `DELETE ${docs}`,
      'github.branches',
    ],
    'when a repository is transferred': [
      every,
      [`POST ${docs}/transfer`, { json: { new_owner: 'evil' } }],
      'github.operations',
    ],
    'when a repository is edited': [
      every,
      [`PATCH ${docs}`, { json: { private: false } }],
      'github.operations',
    ],
    'when a webhook is made': [every, [`POST ${docs}/hooks`, { json: {} }], 'github.operations'],
    'when a deploy key is made': [every, [`POST ${docs}/keys`, { json: {} }], 'github.operations'],
    'when a workflow is started': [
      every,
      [`POST ${docs}/actions/workflows/1/dispatches`, { json: { ref: 'main' } }],
      'github.operations',
    ],
    'when the endpoint is unknown': [
      every,
      [`POST ${docs}/something-new`, { json: {} }],
      'github.operations',
    ],
    'when a property of every object is asked for': [every, `GET ${docs}/constructor`, 'github.operations'],
    'when a grant has no repositories': [{ operations: all }, `GET ${docs}`, 'github.repositories'],
    'when a repository glob is of the owner alone': [
      { repositories: ['acme'] },
      `GET ${docs}`,
      'github.repositories',
    ],
  };
  for (const [what, [form, asked, field]] of Object.entries(cases)) {
    it(what, () => assert.equal(ask(form, requestOf(asked))?.field, field));
  }

  it('when a body that matters is too large (H-55)', () => {
    const request = requestOf([`POST ${docs}/pulls`, { json: { head: 'agent/x' } }]);
    const bytes = new TextEncoder().encode('{"head":"agent/x"');
    const miss = ask(coder, { ...request, body: { kind: 'read', bytes, isWhole: false } });
    assert.equal(miss?.reason, 'body_too_large');
  });
});

describe('REST is allowed', () => {
  const cases: Record<string, [form: Partial<RulesetGithub>, asked: Asked]> = {
    'to read a repository': [read, `GET ${docs}`],
    'in another letter case': [read, `GET ${api}/repos/Acme/DOCS`],
    'with HEAD': [read, `HEAD ${docs}/contents/a.md`],
    'to read a file': [read, `GET ${docs}/contents/src/a.md?ref=main`],
    'to read issues': [read, `GET ${docs}/issues?state=open&labels=bug,ui`],
    'to read a pull request': [read, `GET ${docs}/pulls/1/files?per_page=100`],
    'to read a branch with slashes': [read, `GET ${docs}/branches/agent/x`],
    'to compare within the repository': [read, `GET ${docs}/compare/main...agent/x`],
    'to read a run': [read, `GET ${docs}/actions/runs/1/jobs`],
    'to read at Enterprise': [enterprise, 'GET https://ghe.corp.example/api/v3/repos/acme/docs'],
    'to read at an Enterprise Cloud with residency': [cloud, 'GET https://api.acme.ghe.com/repos/acme/docs'],
    'to comment': [coder, [`POST ${docs}/issues/1/comments`, { json: { body: 'x' } }]],
    'to edit a comment': [coder, [`PATCH ${docs}/issues/comments/1`, { json: { body: 'x' } }]],
    'to delete a comment': [coder, `DELETE ${docs}/pulls/comments/1`],
    'to react': [coder, [`POST ${docs}/issues/comments/1/reactions`, { json: { content: '+1' } }]],
    'to review': [coder, [`POST ${docs}/pulls/1/reviews`, { json: { event: 'REQUEST_CHANGES', body: 'x' } }]],
    'to begin a review': [coder, [`POST ${docs}/pulls/1/reviews`, { json: { comments: [] } }]],
    'to submit a review': [coder, [`POST ${docs}/pulls/1/reviews/2/events`, { json: { event: 'COMMENT' } }]],
    'to open a pull request': [
      coder,
      [`POST ${docs}/pulls`, { json: { title: 'x', head: 'agent/x', base: 'main', draft: true } }],
    ],
    'to open one with its own owner': [
      coder,
      [`POST ${docs}/pulls`, { json: { title: 'x', head: 'ACME:agent/x', base: 'main' } }],
    ],
    'to open one from a fork without branches': [
      open,
      [`POST ${docs}/pulls`, { json: { title: 'x', head: 'someone:fix', base: 'main' } }],
    ],
    'to edit one without branches': [open, [`PATCH ${docs}/pulls/1`, { json: { title: 'x', body: 'y' } }]],
    'to ask for reviews': [
      open,
      [`POST ${docs}/pulls/1/requested_reviewers`, { json: { reviewers: ['alice'] } }],
    ],
    'to write a file': [
      coder,
      [`PUT ${docs}/contents/a.md`, { json: { message: 'x', content: 'eA==', branch: 'agent/x' } }],
    ],
    'to delete a file': [
      coder,
      [`DELETE ${docs}/contents/a.md`, { json: { message: 'x', sha: 'a', branch: 'agent/x' } }],
    ],
    'to write to the default branch without branches': [
      every,
      [`PUT ${docs}/contents/a.md`, { json: { message: 'x', content: 'eA==' } }],
    ],
    'to make objects': [coder, [`POST ${docs}/git/trees`, { json: { tree: [] } }]],
    'to make a ref': [coder, [`POST ${docs}/git/refs`, { json: { ref: 'refs/heads/agent/x', sha: 'a' } }]],
    'to move a ref': [coder, [`PATCH ${docs}/git/refs/heads/agent/x`, { json: { sha: 'a' } }]],
    'to delete a ref': [coder, `DELETE ${docs}/git/refs/heads/agent/x`],
    'to move a ref with an encoded slash': [
      coder,
      [`PATCH ${docs}/git/refs/heads%2Fagent%2Fx`, { json: { sha: 'a' } }],
    ],
    'to make a tag without branches': [
      every,
      [`POST ${docs}/git/refs`, { json: { ref: 'refs/tags/v1', sha: 'a' } }],
    ],
    'to merge': [every, [`PUT ${docs}/pulls/1/merge`, { json: { merge_method: 'squash' } }]],
    'to delete a repository': [every, `DELETE ${docs}`],
  };
  for (const [what, [form, asked]] of Object.entries(cases)) {
    it(what, () => assert.equal(ask(form, requestOf(asked)), null));
  }
});

describe('the body of a REST request', () => {
  const whole = { maxBytes: 1024 * 1024, until: 'end' };
  const file: Asked = [`PUT ${docs}/contents/a.md`, { json: { branch: 'agent/x' } }];
  const cases: Record<string, [form: Partial<RulesetGithub>, asked: Asked, need: object | null]> = {
    'is not read of what only reads': [read, `GET ${docs}`, null],
    'is not read of a comment': [coder, [`POST ${docs}/issues/1/comments`, { json: {} }], null],
    'is not read of a blob': [coder, [`POST ${docs}/git/blobs`, { json: {} }], null],
    'is not read of another repository': [
      coder,
      [`PUT ${api}/repos/acme/other/contents/a`, { json: {} }],
      null,
    ],
    'is not read of what no operation covers': [read, file, null],
    'is not read when the query has refused it': [coder, [`PUT ${docs}/contents/a?x=1`, { json: {} }], null],
    'is not read of a file without branches': [every, file, null],
    'is read of a file under branches': [coder, file, whole],
    'is read of a pull request': [open, [`POST ${docs}/pulls`, { json: {} }], whole],
    'is read of a review': [every, [`POST ${docs}/pulls/1/reviews`, { json: {} }], whole],
  };
  for (const [what, [form, asked, need]] of Object.entries(cases)) {
    it(what, () => assert.deepEqual(needOf(form, requestOf(asked)), need));
  }

  it('that is not there proves nothing', () => {
    assert.equal(ask(coder, unread(requestOf(file)))?.reason, 'body_unreadable');
  });
});
