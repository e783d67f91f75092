import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { Octokit } from '@octokit/core';
import type { GithubAppInject } from '../../../../policy/ruleset-credential.ts';
import { githubApp } from '../../../../sidecar/credentials/inject/github-app.ts';
import type { MintContext, Minted } from '../../../../sidecar/credentials/inject/injector.ts';
import { callHttps } from '../../../cluster/https-call.ts';
import { createGithubTokens, type GithubOptions, type GithubTokens } from '../../../support/github-tokens.ts';
import { createTestCaller, startTokenServer, type TokenServer } from '../../../support/token-endpoints.ts';
import {
  assertFails,
  assertShowsNothing,
  createEcKey,
  createRsaKey,
  createTestTrust,
  materialOf,
  tokenOf,
} from './minting.ts';

const key = createRsaKey();
const shown = [key.pkcs8.slice(40, 80), key.pkcs1.slice(40, 80)];
const options: GithubOptions = {
  appId: 'Iv23liCanaryApp',
  publicKey: key.publicKey,
  installations: {
    '101': { repositories: ['docs', 'site', 'Ops'], permissions: { contents: 'write', issues: 'read' } },
    '102': { repositories: [], permissions: {}, isSuspended: true },
  },
};
const inject: GithubAppInject = { kind: 'githubApp', appId: options.appId, installationId: '101' };

let github: GithubTokens;
let server: TokenServer;
let caPem = '';
let caller: Pick<MintContext, 'call' | 'urlOf'>;

before(async () => {
  const trust = await createTestTrust();
  ({ caPem } = trust);
  server = await startTokenServer(trust.certificate, () => ({ status: 500, body: '' }));
  caller = createTestCaller({ 'https://api.github.com': server, ghes: server }, caPem);
});
after(() => server.close());
beforeEach(() => {
  server.seen.length = 0;
  use(options);
});

function use(from: GithubOptions): void {
  github = createGithubTokens(from);
  server.answer = github.answer;
}

function mint(from: GithubAppInject, pem = key.pkcs8, nowMs = Date.now): Promise<Minted> {
  const material = materialOf(pem);
  githubApp.check(from, material);
  return githubApp.mint(from, { ...caller, material, nowMs, versioned: null });
}

/** What GitHub grants, changed on its way. */
function alter(change: (granted: Record<string, unknown>) => void): void {
  server.answer = async (call) => {
    const answer = await github.answer(call);
    change(answer.body as Record<string, unknown>);
    return answer;
  };
}

describe('refused', () => {
  const field = 'spec.inject.githubApp';

  const asked: Record<string, [change: Partial<GithubAppInject>, field: string, message: RegExp]> = {
    'an app whose key this is not': [{ appId: '4711' }, `${field}.appId`, /neither the app nor its key/],
    'an installation of another app': [{ installationId: '103' }, `${field}.installationId`, /no such/],
    'a suspended installation': [{ installationId: '102' }, `${field}.installationId`, /suspended/],
    'a repository that the installation does not have': [
      { repositories: ['docs', 'secrets'] },
      field,
      /ask for less/,
    ],
    'a permission above the installation’s': [{ permissions: { contents: 'admin' } }, field, /ask for less/],
  };
  for (const [what, [change, at, message]] of Object.entries(asked)) {
    test(`${what}, as MINT_REFUSED`, async () => {
      await assertFails(mint({ ...inject, ...change }), { code: 'MINT_REFUSED', field: at, message }, shown);
    });
  }

  const clocks: Record<string, number> = { behind: -20 * 60_000, ahead: 20 * 60_000 };
  for (const [direction, offMs] of Object.entries(clocks)) {
    test(`an assertion of a clock that is twenty minutes ${direction}`, async () => {
      const expected = { code: 'MINT_REFUSED', field: `${field}.appId` };
      await assertFails(
        mint(inject, key.pkcs8, () => Date.now() + offMs),
        expected,
        shown,
      );
    });
  }

  test('a key of another kind, before anything is sent', async () => {
    const other = createEcKey().pkcs8;
    const expected = { code: 'SECRET_KEY_INVALID', field, message: /RS256 needs an RSA key/ };
    await assertFails(() => mint(inject, other), expected, [other.slice(40, 80)]);
    assert.deepEqual(server.seen, []);
  });

  const wider: Record<string, [change: (granted: Record<string, unknown>) => void, field: string]> = {
    'a repository more': [
      (granted) => (granted['repositories'] as object[]).push({ name: 'Ops' }),
      `${field}.repositories`,
    ],
    'all repositories': [(granted) => (granted['repository_selection'] = 'all'), `${field}.repositories`],
    'nobody knows which repositories': [(granted) => delete granted['repositories'], `${field}.repositories`],
    'repositories without names': [
      (granted) => (granted['repositories'] = [{ id: 1 }]),
      `${field}.repositories`,
    ],
    'a permission more': [
      (granted) => (granted['permissions'] = { contents: 'read', issues: 'read' }),
      `${field}.permissions`,
    ],
    'a higher permission': [
      (granted) => (granted['permissions'] = { contents: 'write' }),
      `${field}.permissions`,
    ],
    'a permission at a level that is not known': [
      (granted) => (granted['permissions'] = { contents: 'maintain' }),
      `${field}.permissions`,
    ],
    'more than reading metadata': [
      (granted) => (granted['permissions'] = { metadata: 'write' }),
      `${field}.permissions`,
    ],
    'nobody knows which permissions': [(granted) => delete granted['permissions'], `${field}.permissions`],
  };
  for (const [what, [change, at]] of Object.entries(wider)) {
    test(`H-61: a token for more than was asked: ${what}`, async () => {
      alter(change);
      const narrow: GithubAppInject = {
        ...inject,
        repositories: ['docs'],
        permissions: { contents: 'read' },
      };
      await assertFails(mint(narrow), { code: 'TOKEN_TOO_WIDE', field: at }, [
        ...shown,
        ...github.issued.keys(),
      ]);
    });
  }

  const answers: Record<string, (granted: Record<string, unknown>) => void> = {
    'a token of another kind': (granted) => (granted['token'] = `ghp_${'a'.repeat(36)}`),
    'a token with a line end': (granted) => (granted['token'] = `${String(granted['token'])}\r\nx: y`),
    'no token': (granted) => delete granted['token'],
    'no end': (granted) => delete granted['expires_at'],
    'an end that is no time': (granted) => (granted['expires_at'] = 'soon'),
    'an end that has passed': (granted) => (granted['expires_at'] = '2020-01-01T00:00:00Z'),
  };
  for (const [what, change] of Object.entries(answers)) {
    test(`an answer with ${what}, as TOKEN_ENDPOINT_UNREADABLE`, async () => {
      alter(change);
      await assertFails(mint(inject), { code: 'TOKEN_ENDPOINT_UNREADABLE', field }, shown);
    });
  }

  const statuses: Record<number, string> = {
    200: 'TOKEN_ENDPOINT_UNREADABLE',
    302: 'TOKEN_ENDPOINT_UNREADABLE',
    400: 'TOKEN_ENDPOINT_UNREADABLE',
    429: 'TOKEN_ENDPOINT_UNAVAILABLE',
    500: 'TOKEN_ENDPOINT_UNAVAILABLE',
  };
  for (const [status, code] of Object.entries(statuses)) {
    test(`status ${status} with a page of HTML, as ${code}`, async () => {
      server.answer = () => ({ status: Number(status), body: '<p>canary</p>' });
      await assertFails(mint(inject), { code, field }, shown);
    });
  }
});

describe('an installation token', () => {
  test('is for all that the installation has, where nothing narrows it', async () => {
    const minted = await mint(inject);
    assert.equal(github.issued.get(tokenOf(minted))?.repositories, null);
    assertShowsNothing(minted, [tokenOf(minted)]);
    assert.ok(minted.lifetimeMs > 3_530_000 && minted.lifetimeMs <= 3_540_000, String(minted.lifetimeMs));
  });

  test('is narrowed to repositories, however they are spelt, and to permissions', async () => {
    alter((granted) => {
      for (const repository of granted['repositories'] as { name: string }[]) {
        repository.name = repository.name.toUpperCase();
      }
    });
    const narrow: GithubAppInject = {
      ...inject,
      repositories: ['docs', 'Ops'],
      permissions: { contents: 'write', issues: 'read' },
    };
    assert.deepEqual(github.issued.get(tokenOf(await mint(narrow))), {
      repositories: ['docs', 'Ops'],
      permissions: { metadata: 'read', contents: 'write', issues: 'read' },
    });
  });

  test('may be less than was asked for', async () => {
    alter((granted) => (granted['permissions'] = { contents: 'read' }));
    assert.ok(tokenOf(await mint({ ...inject, permissions: { contents: 'write' } })).startsWith('ghs_'));
  });

  test('may be a JSON Web Token of 500 characters, as GitHub gives since 2026', async () => {
    use({ ...options, format: 'stateless' });
    const token = tokenOf(await mint(inject));
    assert.ok(token.length > 400 && token.includes('.') && token.includes('-'));
    assert.ok(github.issued.has(token));
  });

  test('is had with a key in PKCS#1, as GitHub gives it out', async () => {
    assert.ok(github.issued.has(tokenOf(await mint(inject, key.pkcs1))));
  });

  test('is had from GitHub Enterprise Server below /api/v3', async () => {
    use({ ...options, root: '/api/v3' });
    const minted = await mint({ ...inject, endpoint: { destination: 'ghes', path: '/api/v3' } });
    assert.ok(github.issued.has(tokenOf(minted)));
    assert.equal(server.seen[0]?.path, '/api/v3/app/installations/101/access_tokens');
  });

  test('lasts an hour at most, whatever our clock says', async () => {
    alter((granted) => (granted['expires_at'] = '2099-01-01T00:00:00Z'));
    assert.equal((await mint(inject)).lifetimeMs, 3_540_000);
  });

  test('is one that octokit works with', async () => {
    const token = tokenOf(await mint(inject));
    const { origin } = server;
    server.answer = ({ headers, path }) =>
      github.issued.has(/^(?:token|bearer) (\S+)$/i.exec(headers.authorization ?? '')?.[1] ?? '')
        ? { status: 200, body: { path } }
        : { status: 401, body: {} };
    const octokit = new Octokit({ auth: token, baseUrl: origin, request: { fetch: fetchOver(caPem) } });
    assert.equal((await octokit.request('GET /user/repos')).status, 200);
  });
});

/** fetch(), trusting the test's CA alone. */
function fetchOver(ca: string): typeof fetch {
  return async (input, init) => {
    const headers = Object.fromEntries(new Headers(init?.headers).entries());
    const { status, text } = await callHttps({
      url: input instanceof Request ? input.url : input.toString(),
      caPem: ca,
      method: init?.method ?? 'GET',
      headers,
    });
    return new Response(text, { status, headers: { 'content-type': 'application/json' } });
  };
}
