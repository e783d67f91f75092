import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { after, before, beforeEach, describe, test } from 'node:test';
import type { OAuth2Grant, OAuth2Inject } from '../../../../policy/ruleset-credential.ts';
import type { MintContext, Minted } from '../../../../sidecar/credentials/inject/injector.ts';
import { oauth2 } from '../../../../sidecar/credentials/inject/oauth2.ts';
import type { Material } from '../../../../sidecar/credentials/material.ts';
import { createOAuthProvider, type OAuthProvider } from '../../../support/oauth-provider.ts';
import { createTestCaller, startTokenServer, type TokenServer } from '../../../support/token-endpoints.ts';
import {
  assertFails,
  assertShowsNothing,
  createEcKey,
  createEd25519Key,
  createRsaKey,
  createTestTrust,
  materialOf,
  tokenOf,
} from './minting.ts';

const url = 'https://idp.example/token';
const tokenEndpoint = { url };
/** What a form changes, what Basic separates by, and what an Entra secret holds. */
const secret = 'canary:s3cr~t+%/& !';
const rsa = createRsaKey();
const p256 = createEcKey();
const ed25519 = createEd25519Key();
let provider: OAuthProvider;
let server: TokenServer;
let caller: Pick<MintContext, 'call' | 'urlOf'>;

before(async () => {
  const { caPem, certificate } = await createTestTrust();
  server = await startTokenServer(certificate, () => ({ status: 500, body: '' }));
  caller = createTestCaller({ [url]: server, idp: server }, caPem);
});
after(() => server.close());
beforeEach(() => {
  const issuer = { issuer: 'outrider@corp', subject: 'robot', audience: 'https://idp.example' };
  provider = createOAuthProvider({
    clients: [
      { id: 'by:basic', secret, authentication: 'Basic', scopes: ['read', 'write'] },
      { id: 'by-post', secret, authentication: 'Post' },
      { id: 'public', secret: null, authentication: 'Post' },
    ],
    issuers: [
      { ...issuer, algorithm: 'RS256', publicKey: rsa.publicKey, keyId: 'k1' },
      { ...issuer, algorithm: 'PS256', publicKey: rsa.publicKey },
      { ...issuer, algorithm: 'ES256', publicKey: p256.publicKey },
      { ...issuer, algorithm: 'EdDSA', publicKey: ed25519.publicKey },
      { issuer: 'self', subject: 'self', audience: url, algorithm: 'ES256', publicKey: p256.publicKey },
      {
        issuer: 'self',
        subject: 'self',
        audience: 'https://idp.corp.example:8443/token',
        algorithm: 'EdDSA',
        publicKey: ed25519.publicKey,
      },
    ],
  });
  server.seen.length = 0;
  server.answer = provider.answer;
});

function inject(grant: OAuth2Grant, more: Partial<OAuth2Inject> = {}): OAuth2Inject {
  return { kind: 'oauth2', tokenEndpoint, grant, ...more };
}

function mint(from: OAuth2Inject, material: Material | string): Promise<Minted> {
  const context: MintContext = {
    ...caller,
    material: typeof material === 'string' ? materialOf(material) : material,
    nowMs: Date.now,
    versioned: null,
  };
  oauth2.check(from, context.material);
  return oauth2.mint(from, context);
}

const basic = { kind: 'clientCredentials', clientId: 'by:basic', authentication: 'Basic' } as const;
const assertion = {
  kind: 'jwtBearer',
  algorithm: 'RS256',
  issuer: 'outrider@corp',
  subject: 'robot',
  audience: 'https://idp.example',
  keyId: 'k1',
} as const;
/** Its key has no id. */
const { keyId: _, ...unnamed } = assertion;

describe('refused', () => {
  const at = 'spec.inject.oauth2.clientCredentials';

  const answers: Record<string, [status: number, body: unknown, code: string, message?: RegExp]> = {
    'a wrong secret': [
      401,
      { error: 'invalid_client' },
      'MINT_REFUSED',
      /says invalid_client\. Look at clientId/,
    ],
    'a grant that was revoked': [400, { error: 'invalid_grant' }, 'MINT_REFUSED', /says invalid_grant/],
    'a client that may not': [400, { error: 'unauthorized_client' }, 'MINT_REFUSED', /unauthorized_client/],
    'a denial': [403, { error: 'access_denied' }, 'MINT_REFUSED', /access_denied/],
    'an error code of nobody’s': [400, { error: 'canary' }, 'MINT_REFUSED', /does not accept the secret\.$/],
    'an error code that an object has': [400, { error: 'constructor' }, 'MINT_REFUSED', /the secret\.$/],
    'an error with status 200, as GitHub has it': [200, { error: 'bad_refresh_token' }, 'MINT_REFUSED'],
    '401 in HTML': [401, '<p>canary</p>', 'MINT_REFUSED'],
    'a server that says so itself': [400, { error: 'temporarily_unavailable' }, 'TOKEN_ENDPOINT_UNAVAILABLE'],
    'a rate': [429, { error: 'canary' }, 'TOKEN_ENDPOINT_UNAVAILABLE'],
    'an outage': [503, 'canary', 'TOKEN_ENDPOINT_UNAVAILABLE'],
    '400 in HTML': [400, '<p>canary</p>', 'TOKEN_ENDPOINT_UNREADABLE'],
    'H-60: a redirect': [302, 'canary', 'TOKEN_ENDPOINT_UNREADABLE'],
    'nothing there': [404, { error: 'invalid_client' }, 'TOKEN_ENDPOINT_UNREADABLE'],
    'no content': [204, '', 'TOKEN_ENDPOINT_UNREADABLE'],
    'HTML for a token': [200, '<p>canary</p>', 'TOKEN_ENDPOINT_UNREADABLE'],
    'a list for a token': [200, [{ access_token: 'canary' }], 'TOKEN_ENDPOINT_UNREADABLE'],
    'a form for a token': [200, 'access_token=canary&token_type=bearer', 'TOKEN_ENDPOINT_UNREADABLE'],
    'two tokens in one': [
      200,
      '{"access_token":"canary-1","token_type":"bearer","access_token":"canary-2"}',
      'TOKEN_ENDPOINT_UNREADABLE',
    ],
    'no token': [
      200,
      { token_type: 'Bearer', expires_in: 60 },
      'TOKEN_ENDPOINT_UNREADABLE',
      /no access_token/,
    ],
    'a token that is a number': [200, { access_token: 1, token_type: 'Bearer' }, 'TOKEN_ENDPOINT_UNREADABLE'],
    'a type of token that is no text': [
      200,
      { access_token: 'canary', token_type: ['Bearer'] },
      'TOKEN_ENDPOINT_UNREADABLE',
      /token_type/,
    ],
    'a type of token that a header does not carry': [
      200,
      { access_token: 'canary', token_type: 'DPoP' },
      'TOKEN_ENDPOINT_UNREADABLE',
      /token_type/,
    ],
    'P-23: a token with a line end': [
      200,
      { access_token: 'canary\r\nx: y', token_type: 'Bearer' },
      'TOKEN_ENDPOINT_UNREADABLE',
      /printable/,
    ],
    'a token that no header holds': [
      200,
      { access_token: 'x'.repeat(16385), token_type: 'Bearer' },
      'TOKEN_ENDPOINT_UNREADABLE',
    ],
    'a life that is no number': [
      200,
      { access_token: 'canary', token_type: 'Bearer', expires_in: 'soon' },
      'TOKEN_ENDPOINT_UNREADABLE',
      /expires_in/,
    ],
    'a life below zero': [
      200,
      { access_token: 'canary', token_type: 'Bearer', expires_in: -1 },
      'TOKEN_ENDPOINT_UNREADABLE',
    ],
    'a token that would be asked for without end': [
      200,
      { access_token: 'canary', token_type: 'Bearer', expires_in: 5 },
      'TOKEN_ENDPOINT_UNREADABLE',
      /within seconds/,
    ],
  };
  for (const [what, [status, body, code, message]] of Object.entries(answers)) {
    test(`${what}, as ${code}`, async () => {
      server.answer = () => ({ status, body });
      const expected = { code, field: at, ...(message === undefined ? {} : { message }) };
      await assertFails(mint(inject(basic), secret), expected, [secret]);
    });
  }

  test('more than a token can be, as TOKEN_ENDPOINT_UNREADABLE', async () => {
    server.answer = () => ({ status: 200, body: `"${'x'.repeat(300_000)}"` });
    const expected = { code: 'TOKEN_ENDPOINT_UNREADABLE', field: 'spec.inject' };
    await assertFails(mint(inject(basic), secret), expected, [secret]);
  });

  test('a secret that the provider does not know', async () => {
    await assertFails(mint(inject(basic), 'canary-other'), { code: 'MINT_REFUSED', field: at }, [
      'canary-other',
    ]);
  });

  test('a scope that the client may not ask for', async () => {
    const code = 'MINT_REFUSED';
    const wide = inject(basic, { scopes: ['read', 'admin'] });
    await assertFails(mint(wide, secret), { code, field: at, message: /invalid_scope\. Look at scopes/ }, [
      secret,
    ]);
  });

  test('an endpoint that is not on the list', async () => {
    const elsewhere = inject(basic, { tokenEndpoint: { url: 'https://evil.example/token' } });
    await assertFails(mint(elsewhere, secret), { code: 'TOKEN_ENDPOINT_UNKNOWN', field: 'spec.inject' }, [
      secret,
    ]);
    assert.deepEqual(server.seen, []);
  });

  test('P-23: a client secret with a line end, before anything is sent', async () => {
    const stored = `${secret}\n`;
    await assertFails(
      () => oauth2.check(inject(basic), materialOf(stored)),
      { code: 'SECRET_UNPRINTABLE', field: at },
      [secret],
    );
  });

  test('P-23: a refresh token with a space at its end', async () => {
    const refresh = inject({ kind: 'refreshToken', clientId: 'public', authentication: 'Post' });
    await assertFails(() => oauth2.check(refresh, materialOf('canary ')), {
      code: 'SECRET_UNPRINTABLE',
      field: 'spec.inject.oauth2.refreshToken',
    });
  });

  test('a secret without the client’s id, where the id is not written out', async () => {
    const without = inject({ kind: 'clientCredentials', authentication: 'Basic' });
    await assertFails(() => oauth2.check(without, materialOf(secret)), {
      code: 'SECRET_PART_MISSING',
      field: 'spec.inject.oauth2',
      message: /It needs clientId/,
    });
  });

  const keys: Record<
    string,
    [algorithm: 'RS256' | 'PS256' | 'ES256' | 'EdDSA', key: string, message: RegExp]
  > = {
    'text that is no key': ['RS256', 'canary', /store it as PEM text\.$/],
    'a public key': ['RS256', rsa.publicKey, /store it as PEM text\.$/],
    'half a key': ['RS256', rsa.pkcs8.slice(0, 900), /store it as PEM text\.$/],
    'an RSA key of 1024 bits': ['RS256', createRsaKey(1024).pkcs8, /2048 to 8192 bits/],
    'an EC key for RS256': ['RS256', p256.pkcs8, /RS256 needs an RSA key/],
    'an RSA key for ES256': ['ES256', rsa.pkcs8, /ES256 needs a key on the curve P-256/],
    'a key on P-384': ['ES256', createEcKey('P-384').pkcs8, /P-256/],
    'an EC key for EdDSA': ['EdDSA', p256.pkcs8, /Ed25519/],
    'a key for RSA-PSS alone': [
      'RS256',
      generateKeyPairSync('rsa-pss', { modulusLength: 2048 }).privateKey.export({
        type: 'pkcs8',
        format: 'pem',
      }),
      /RS256 needs an RSA key/,
    ],
    'a key with a passphrase': [
      'RS256',
      generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({
        type: 'pkcs8',
        format: 'pem',
        cipher: 'aes-256-cbc',
        passphrase: 'canary',
      }),
      /without a passphrase/,
    ],
    'a key whose line ends were lost on the way': [
      'RS256',
      rsa.pkcs8.replaceAll('\n', String.raw`\n`),
      /real line ends/,
    ],
  };
  for (const [what, [algorithm, key, message]] of Object.entries(keys)) {
    test(`${what}, before anything is sent`, async () => {
      const expected = { code: 'SECRET_KEY_INVALID', field: 'spec.inject.oauth2.jwtBearer', message };
      await assertFails(() => oauth2.check(inject({ ...assertion, algorithm }), materialOf(key)), expected, [
        key.slice(40, 80),
      ]);
    });
  }

  const claims: Record<string, Partial<typeof assertion>> = {
    'another issuer': { issuer: 'somebody' as 'outrider@corp' },
    'another subject': { subject: 'admin' as 'robot' },
    'another audience': { audience: 'https://other.example' as 'https://idp.example' },
    'another key id': { keyId: 'k2' as 'k1' },
  };
  for (const [what, change] of Object.entries(claims)) {
    test(`an assertion with ${what}`, async () => {
      const expected = {
        code: 'MINT_REFUSED',
        field: 'spec.inject.oauth2.jwtBearer',
        message: /invalid_grant/,
      };
      await assertFails(mint(inject({ ...assertion, ...change }), rsa.pkcs8), expected, [
        rsa.pkcs8.slice(40, 80),
      ]);
    });
  }

  test('a refresh token that rotates, where nobody says so', async () => {
    const grant = { kind: 'refreshToken', clientId: 'public', authentication: 'Post' } as const;
    const stored = provider.consent({ rotates: true });
    const expected = { code: 'REFRESH_TOKEN_ROTATES', field: 'spec.inject.oauth2.refreshToken.rotating' };
    await assertFails(mint(inject(grant), stored), expected, [stored, ...provider.issued.keys()]);
  });

  test('a refresh token that rotates, from a source that cannot compare and set', async () => {
    const grant = {
      kind: 'refreshToken',
      clientId: 'public',
      authentication: 'Post',
      rotating: true,
    } as const;
    const expected = { code: 'REFRESH_TOKEN_UNVERSIONED', field: 'spec.inject.oauth2.refreshToken.rotating' };
    await assertFails(mint(inject(grant), provider.consent({ rotates: true })), expected);
    assert.deepEqual(server.seen, []);
  });
});

describe('client credentials', () => {
  test('are sent as Basic, each half encoded as a form (RFC 6749 section 2.3.1)', async () => {
    const minted = await mint(inject(basic, { scopes: ['read', 'write'] }), secret);
    assert.equal(provider.issued.get(tokenOf(minted)), 'read write');
    assert.equal(minted.lifetimeMs, 3_540_000);
    assertShowsNothing(minted, [secret, tokenOf(minted)]);
    assert.doesNotMatch(server.seen[0]?.body ?? '', /client_id|client_secret/);
  });

  test('are sent in the body where the provider wants them there', async () => {
    const grant = { ...basic, clientId: 'by-post', authentication: 'Post' } as const;
    assert.ok(provider.issued.has(tokenOf(await mint(inject(grant), secret))));
    assert.equal(server.seen[0]?.headers.authorization, undefined);
  });

  test('come from two fields of the secret, by other names', async () => {
    const grant = { kind: 'clientCredentials', authentication: 'Basic' } as const;
    const fields = { clientId: 'user', clientSecret: 'pass' };
    const minted = await mint(inject(grant, { fields }), materialOf({ user: 'by:basic', pass: secret }));
    assert.ok(provider.issued.has(tokenOf(minted)));
  });

  test('go with more parameters, which cannot take the place of ours', async () => {
    const parameters = {
      audience: 'https://api.example',
      grant_type: 'password',
      scope: 'all',
      client_id: 'other',
    };
    await mint(
      inject({ ...basic, clientId: 'by-post', authentication: 'Post' }, { parameters, scopes: ['read'] }),
      secret,
    );
    const form = new URLSearchParams(server.seen[0]?.body);
    assert.deepEqual(form.getAll('audience'), ['https://api.example']);
    assert.deepEqual(form.getAll('grant_type'), ['client_credentials']);
    assert.deepEqual(form.getAll('scope'), ['read']);
    assert.deepEqual(form.getAll('client_id'), ['by-post']);
  });

  for (const type of ['Bearer', 'bearer', 'BEARER', 'bot', undefined]) {
    test(`give a token whose type is ${type}`, async () => {
      const body = { access_token: 'a', token_type: type, expires_in: 60 };
      server.answer = () => ({ status: 200, body });
      assert.equal(tokenOf(await mint(inject(basic), secret)), 'a');
    });
  }

  const lives: Record<string, [expiresIn: unknown, lifetimeMs: number]> = {
    'a tenth less, below ten minutes': [100, 90_000],
    'a minute less, above': [3600, 3_540_000],
    'five minutes less a tenth, when nothing is said': [undefined, 270_000],
    'as a string': ['3599', 3_539_000],
    'a day at most': [31_536_000, 86_340_000],
  };
  for (const [what, [expiresIn, lifetimeMs]] of Object.entries(lives)) {
    test(`give a token that is used for ${what}`, async () => {
      server.answer = () => ({
        status: 200,
        body: { access_token: 'a', token_type: 'bEARER', expires_in: expiresIn },
      });
      assert.equal((await mint(inject(basic), secret)).lifetimeMs, lifetimeMs);
    });
  }
});

describe('an assertion (RFC 7523)', () => {
  const algorithms: Record<string, [grant: OAuth2Grant, key: string]> = {
    'RS256, PKCS#8': [assertion, rsa.pkcs8],
    'RS256, PKCS#1': [assertion, rsa.pkcs1],
    'RS256, with the line ends of Windows': [assertion, rsa.pkcs8.replaceAll('\n', '\r\n')],
    PS256: [{ ...unnamed, algorithm: 'PS256' }, rsa.pkcs8],
    'ES256, PKCS#8': [{ ...unnamed, algorithm: 'ES256' }, p256.pkcs8],
    'ES256, SEC1': [{ ...unnamed, algorithm: 'ES256' }, p256.sec1],
    EdDSA: [{ ...unnamed, algorithm: 'EdDSA' }, ed25519.pkcs8],
  };
  for (const [what, [grant, key]] of Object.entries(algorithms)) {
    test(`is signed with ${what}, and never the same`, async () => {
      const minted = await mint(inject(grant, { scopes: ['a', 'b'] }), key);
      assert.equal(provider.issued.get(tokenOf(minted)), 'a b');
      await mint(inject(grant), key);
      assertShowsNothing(minted, [tokenOf(minted)]);
    });
  }

  test('is about its issuer and for the token endpoint, where nothing else is said', async () => {
    const grant = { kind: 'jwtBearer', algorithm: 'ES256', issuer: 'self' } as const;
    assert.ok(provider.issued.has(tokenOf(await mint(inject(grant), p256.pkcs8))));
  });

  test('is for the address of an AgentDestination', async () => {
    const grant = { kind: 'jwtBearer', algorithm: 'EdDSA', issuer: 'self' } as const;
    const there = inject(grant, { tokenEndpoint: { destination: 'idp', path: '/token' } });
    assert.ok(provider.issued.has(tokenOf(await mint(there, ed25519.pkcs8))));
  });
});

describe('a refresh token', () => {
  test('of a public client goes with its id alone', async () => {
    const grant = { kind: 'refreshToken', clientId: 'public', authentication: 'Basic' } as const;
    const minted = await mint(inject(grant, { scopes: ['read'] }), provider.consent({ rotates: false }));
    assert.equal(provider.issued.get(tokenOf(minted)), 'read');
    assert.equal(server.seen[0]?.headers.authorization, undefined);
  });

  test('of a client with a secret goes with both, and can be used again', async () => {
    const grant = { kind: 'refreshToken', authentication: 'Basic' } as const;
    const refreshToken = provider.consent({ rotates: false });
    const material = materialOf({ refreshToken, clientId: 'by:basic', clientSecret: secret });
    for (let use = 0; use < 3; use += 1) await mint(inject(grant), material);
    assert.equal(provider.issued.size, 3);
  });

  test('that comes back as it was is no rotation', async () => {
    const grant = { kind: 'refreshToken', clientId: 'public', authentication: 'Post' } as const;
    server.answer = () => ({
      status: 200,
      body: { access_token: 'a', token_type: 'Bearer', refresh_token: 'same' },
    });
    assert.equal(tokenOf(await mint(inject(grant), 'same')), 'a');
  });
});
