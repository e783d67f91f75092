// What holds for every request, not only for those that somebody thought of.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parseRequestTarget } from '../../../policy/canonical.ts';
import { readRefUpdates } from '../../../policy/github/pack.ts';
import { parseDocument } from '../../../policy/github/graphql-document.ts';
import { isRefusal } from '../../../policy/refusal.ts';
import { noBody, type CanonicalRequest } from '../../../policy/request.ts';
import type { GithubOperation, RulesetGithub } from '../../../policy/ruleset.ts';
import { all, ask, needOf, pushOf, unread } from './asking.ts';

const runs = { numRuns: 10_000 };

const owners = ['acme', 'ACME', 'evil', 'acme.git', 'a b'];
const names = ['docs', 'Docs', 'docs.git', 'other', 'docs.wiki', '.git'];
const words = (
  'repos repositories orgs graphql api v3 search 1 actions runs contents git refs heads tags main agent x pulls merge ' +
  'merges reviews events issues comments reactions branches protection releases assets hooks transfer compare ' +
  'info lfs git-upload-pack git-receive-pack objects batch tarball main...agent evil:main constructor __proto__ Repos'
).split(' ');
const branches = [
  'agent/x',
  'main',
  'refs/heads/main',
  'heads/main',
  'agent/../main',
  'acme:agent/x',
  'evil:agent/x',
];
const roots = [
  'repository(owner: "acme", name: "docs") { id owner { login } }',
  'repository(owner: "evil", name: "docs") { id }',
  'a: repository(owner: $o, name: $n) { id }',
  'node(id: "LISTED") { id }',
  'node(id: $n) { id }',
  'viewer { login }',
  'viewer { email }',
  'rateLimit { cost }',
  'search(query: "x") { a }',
  '... on Query { relay { id } }',
  '...F',
];
const mutations = [
  'addComment(input: {subjectId: "LISTED", body: "x"}) { clientMutationId }',
  'addComment(input: $i) { clientMutationId }',
  'createCommitOnBranch(input: {branch: {repositoryNameWithOwner: "acme/docs", branchName: "agent/x"}}) { clientMutationId }',
  'createCommitOnBranch(input: {branch: {repositoryNameWithOwner: "evil/docs", branchName: "main"}}) { clientMutationId }',
  'mergePullRequest(input: {pullRequestId: "LISTED"}) { clientMutationId }',
  'updateRef(input: {refId: "LISTED"}) { clientMutationId }',
  'deleteRepository(input: {repositoryId: "LISTED"}) { clientMutationId }',
  '...F',
];

const anyOf = <T>(...values: readonly T[]): fc.Arbitrary<T> => fc.constantFrom(...values);

const json: fc.Arbitrary<object> = fc.record(
  {
    branch: anyOf(...branches),
    head: anyOf(...branches),
    base: anyOf(...branches),
    ref: anyOf('refs/heads/agent/x', 'refs/heads/main', 'refs/tags/v1', 'agent/x'),
    event: anyOf('COMMENT', 'APPROVE'),
    title: fc.constant('x'),
    Branch: fc.constant('main'),
  },
  { requiredKeys: [] },
);

const query: fc.Arbitrary<object> = fc
  .tuple(
    anyOf('query', 'mutation'),
    fc.array(anyOf(...roots), { minLength: 1, maxLength: 3 }),
    fc.array(anyOf(...mutations), { minLength: 1, maxLength: 2 }),
    anyOf(...roots, ...mutations),
    anyOf('acme', 'evil'),
  )
  .map(([kind, read, written, inFragment, owner]) => ({
    query: `${kind} A($o: String!, $n: ID!, $i: I) { ${(kind === 'query' ? read : written).join(' ')} } fragment F on ${kind} { ${inFragment} }`,
    variables: { o: owner, n: 'docs', i: { subjectId: owner === 'acme' ? 'LISTED' : 'X', body: 'x' } },
  }));

const pushed: fc.Arbitrary<Uint8Array> = fc
  .array(anyOf('refs/heads/agent/x', 'refs/heads/main', 'refs/tags/v1', 'refs/pull/1/head'), { maxLength: 3 })
  .map((refs) => pushOf(...refs));

const bodyText: fc.Arbitrary<string | Uint8Array | null> = fc.oneof(
  fc.constant(null),
  json.map((value) => JSON.stringify(value)),
  query.map((value) => JSON.stringify(value)),
  fc
    .array(anyOf('refs/heads/agent/x', 'refs/heads/main', 'refs/tags/v1', 'refs/pull/1/head'), {
      maxLength: 3,
    })
    .map((refs) => pushOf(...refs)),
  fc.uint8Array({ maxLength: 64 }),
);

const target: fc.Arbitrary<string> = fc.oneof(
  fc
    .tuple(
      anyOf('/repos', '', '/api/v3/repos', '/Repos'),
      anyOf(...owners),
      anyOf(...names),
      fc.array(anyOf(...words), { maxLength: 5 }),
      anyOf('', '/', '%2Fx'),
    )
    .map(
      ([root, owner, name, rest, end]) =>
        [`${root}/${encodeURIComponent(owner)}/${name}`, ...rest].join('/') + end,
    ),
  anyOf('/graphql', '/api/graphql', '/acme/docs.git/git-receive-pack', '/acme/docs/git-upload-pack'),
  fc.array(anyOf(...words), { maxLength: 6 }).map((rest) => `/${rest.join('/')}`),
);

interface Parts {
  readonly host: string;
  readonly method: string;
  readonly target: string;
  readonly query: string;
  readonly type: string | null;
  readonly body: string | Uint8Array | null;
}

const queries = [
  '',
  '',
  '',
  '?service=git-upload-pack',
  '?service=git-receive-pack',
  '?branch=main',
  '?_method=DELETE',
];
const jsonType = 'application/json';

/** Anything to anything. */
const wild: fc.Arbitrary<Parts> = fc.record({
  host: anyOf('github.com', 'api.github.com', 'raw.githubusercontent.com', 'uploads.github.com'),
  method: anyOf('GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'),
  target,
  query: anyOf(...queries),
  type: anyOf(jsonType, 'application/x-git-receive-pack-request', 'application/x-www-form-urlencoded', null),
  body: bodyText,
});

const endpoints: readonly (readonly [method: string, rest: string])[] = [
  ['GET', ''],
  ['DELETE', ''],
  ['GET', '/contents/a'],
  ['PUT', '/contents/a'],
  ['POST', '/git/refs'],
  ['PATCH', '/git/refs/heads/agent/x'],
  ['DELETE', '/git/refs/heads/main'],
  ['POST', '/git/blobs'],
  ['POST', '/pulls'],
  ['PATCH', '/pulls/1'],
  ['PUT', '/pulls/1/merge'],
  ['POST', '/merges'],
  ['POST', '/pulls/1/reviews'],
  ['POST', '/issues/1/comments'],
  ['GET', '/compare/main...evil:main'],
];

/** What clients send, with one thing or another not as it should be. */
const plain: fc.Arbitrary<Parts> = fc.oneof(
  fc
    .tuple(anyOf(...endpoints), anyOf(...owners), anyOf(...names), json, fc.boolean())
    .map(([[method, rest], owner, name, value, hasBody]) => ({
      host: 'api.github.com',
      method,
      target: `/repos/${encodeURIComponent(owner)}/${name}${rest}`,
      query: '',
      type: hasBody ? jsonType : null,
      body: hasBody ? JSON.stringify(value) : null,
    })),
  query.map((value) => ({
    host: 'api.github.com',
    method: 'POST',
    target: '/graphql',
    query: '',
    type: jsonType,
    body: JSON.stringify(value),
  })),
  fc
    .tuple(anyOf(...owners), anyOf(...names), pushed, fc.boolean())
    .map(([owner, name, body, isBeginning]) => ({
      host: 'github.com',
      method: isBeginning ? 'GET' : 'POST',
      target: `/${encodeURIComponent(owner)}/${name}/${isBeginning ? 'info/refs' : 'git-receive-pack'}`,
      query: isBeginning ? '?service=git-receive-pack' : '',
      type: isBeginning ? null : 'application/x-git-receive-pack-request',
      body: isBeginning ? null : body,
    })),
);

const request: fc.Arbitrary<CanonicalRequest> = fc
  .oneof(wild, plain)
  .map(({ host, method, target, query, type, body }) => {
    const read = parseRequestTarget(target + query);
    if (isRefusal(read)) return null;
    const bytes = typeof body === 'string' ? new TextEncoder().encode(body) : body;
    return {
      scheme: 'https' as const,
      host,
      port: 443,
      method,
      ...read,
      headers: type === null ? [] : ['content-type', type],
      body: bytes === null ? noBody : { kind: 'read' as const, bytes, isWhole: true },
      placeholder: null,
    };
  })
  .filter((made) => made !== null);

const operations: fc.Arbitrary<readonly GithubOperation[]> = fc.subarray([...all], { minLength: 1 });

describe('for every request', () => {
  it('nothing throws, whatever the bytes', () => {
    fc.assert(
      fc.property(request, fc.uint8Array({ maxLength: 200 }), fc.boolean(), (asked, bytes, isWhole) => {
        const odd: CanonicalRequest = { ...asked, body: { kind: 'read', bytes, isWhole } };
        for (const stance of ['grant', 'guard'] as const) {
          for (const each of [asked, odd, unread(asked)]) {
            ask({ repositories: ['acme/docs'], branches: ['agent/**'] }, each, stance);
            needOf({ repositories: ['acme/docs'], branches: ['agent/**'] }, each, stance);
          }
        }
      }),
      runs,
    );
  });

  it('a grant never matches another repository than it lists', () => {
    let matched = 0;
    const form: Partial<RulesetGithub> = { repositories: ['acme/docs'], nodeIds: ['LISTED'] };
    fc.assert(
      fc.property(request, (asked) => {
        if (ask(form, asked) !== null) return;
        matched += 1;
        const text = new TextDecoder().decode(
          asked.body.kind === 'read' ? asked.body.bytes : new Uint8Array(),
        );
        if (asked.path === '/graphql') {
          assert.ok(!/email|search|relay|deleteRepository|"evil|"X"/.test(reachable(text)), text);
          return;
        }
        assert.match(asked.path, /^(?:\/repos)?\/acme\/docs(?:\.git)?(?:\/|$)/i);
        if (asked.host === 'api.github.com') assert.match(asked.path, /^\/repos\/acme\/docs(?:\/|$)/i);
      }),
      { ...runs, numRuns: 20_000 },
    );
    assert.ok(matched > 100, `only ${matched} matched, so this proves nothing`);
  });

  it('what a grant matches, a guard of the same form does not rule out', () => {
    let matched = 0;
    fc.assert(
      fc.property(request, operations, fc.boolean(), (asked, operations, hasBranches) => {
        const form: Partial<RulesetGithub> = {
          repositories: ['acme/docs'],
          nodeIds: ['LISTED'],
          operations,
          ...(hasBranches ? { branches: ['agent/**'] } : {}),
        };
        if (ask(form, asked) !== null) return;
        const miss = ask(form, asked, 'guard');
        // What writes no branch, or names no repository at all, is not what such a guard is about.
        const isOfNone = hasBranches && miss?.field === 'github.branches';
        const isOfNoPlace = asked.path === '/graphql' && operations.includes('Read');
        if (isOfNone || isOfNoPlace) return;
        matched += 1;
        assert.equal(miss, null);
      }),
      { ...runs, numRuns: 20_000 },
    );
    assert.ok(matched > 100, `only ${matched} matched, so this proves nothing`);
  });

  it('branches, fewer operations and fewer repositories only take away', () => {
    fc.assert(
      fc.property(request, operations, (asked, operations) => {
        const wide: Partial<RulesetGithub> = { repositories: ['acme/*', 'evil/*'], nodeIds: ['LISTED', 'X'] };
        const narrow: Partial<RulesetGithub> = {
          repositories: ['acme/docs'],
          operations,
          branches: ['agent/**'],
        };
        if (ask(narrow, asked) === null) assert.equal(ask(wide, asked), null);
      }),
      runs,
    );
  });

  it('a guard that applies does so in another letter case and with a slash at the end', () => {
    fc.assert(
      fc.property(request, operations, (asked, operations) => {
        const form: Partial<RulesetGithub> = { operations, repositories: ['acme/docs'], branches: ['main'] };
        if (ask(form, asked, 'guard') !== null) return;
        const segments = asked.segments.map((segment) => segment.toUpperCase());
        const last = segments.at(-1) === '' ? segments : [...segments, ''];
        assert.equal(ask(form, { ...asked, segments: last }, 'guard'), null);
      }),
      runs,
    );
  });

  it('a body that is not there never proves more than the body itself', () => {
    fc.assert(
      fc.property(request, operations, (asked, operations) => {
        const form: Partial<RulesetGithub> = {
          operations,
          repositories: ['acme/docs'],
          branches: ['agent/**'],
        };
        const whole = unread(asked);
        if (needOf(form, asked) === null && ask(form, whole) === null) {
          assert.equal(ask(form, asked), null);
        }
        if (needOf(form, asked, 'guard') === null) {
          assert.equal(ask(form, whole, 'guard') === null, ask(form, asked, 'guard') === null);
        }
      }),
      runs,
    );
  });

  it('any bytes are a push or are not, and any text a document', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 300 }),
        fc.string({ unit: 'binary', maxLength: 300 }),
        (bytes, text) => {
          readRefUpdates({ kind: 'read', bytes, isWhole: true });
          parseDocument(text);
          parseDocument(`{ a(b: "${text}") }`);
        },
      ),
      runs,
    );
  });
});

/** Of a body that `query` made: the document without a fragment that nothing spreads, and the variables that it uses. */
function reachable(text: string): string {
  const body = JSON.parse(text) as { query: string; variables: Record<string, unknown> };
  const [operation = '', fragment = ''] = body.query.split('fragment F');
  const used = operation.slice(operation.indexOf('{')) + (operation.includes('...F') ? fragment : '');
  const variables = Object.entries(body.variables).filter(
    ([name]) => name !== 'n' && used.includes(`$${name}`),
  );
  return `${used.replaceAll('\\', '')} ${JSON.stringify(variables)}`;
}
