import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import type { GoogleServiceAccountInject } from '../../../../policy/ruleset-credential.ts';
import { googleServiceAccount } from '../../../../sidecar/credentials/inject/google-service-account.ts';
import type { MintContext, Minted } from '../../../../sidecar/credentials/inject/injector.ts';
import { createGoogleTokens, type GoogleTokens } from '../../../support/google-tokens.ts';
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
const email = 'agent@acme-project.iam.gserviceaccount.com';
const file = {
  type: 'service_account',
  project_id: 'acme-project',
  private_key_id: 'f3c4d5',
  private_key: key.pkcs8,
  client_email: email,
  client_id: '1234',
  auth_uri: 'https://accounts.google.com/o/oauth2/auth',
  token_uri: 'https://oauth2.googleapis.com/token',
  universe_domain: 'googleapis.com',
};
const shown = [key.pkcs8.slice(40, 80)];
const field = 'spec.inject.googleServiceAccount';
const scopes = ['https://www.googleapis.com/auth/calendar', 'https://www.googleapis.com/auth/drive.readonly'];
const audience = 'https://service-abc.a.run.app';

let google: GoogleTokens;
let server: TokenServer;
let caller: Pick<MintContext, 'call' | 'urlOf'>;

before(async () => {
  const { caPem, certificate } = await createTestTrust();
  server = await startTokenServer(certificate, () => ({ status: 500, body: '' }));
  caller = createTestCaller({ 'https://oauth2.googleapis.com/token': server, private: server }, caPem);
  google = await createGoogleTokens([
    { email, keyId: file.private_key_id, publicKey: key.publicKey, delegates: ['ceo@acme.example'] },
  ]);
});
after(() => server.close());
beforeEach(() => {
  server.seen.length = 0;
  server.answer = google.answer;
});

function inject(more: Partial<GoogleServiceAccountInject>): GoogleServiceAccountInject {
  return { kind: 'googleServiceAccount', ...more };
}

function mint(
  from: GoogleServiceAccountInject,
  stored: object | string = file,
  nowMs = Date.now,
): Promise<Minted> {
  const material = materialOf(typeof stored === 'string' ? stored : JSON.stringify(stored));
  googleServiceAccount.check(from, material);
  return googleServiceAccount.mint(from, { ...caller, material, nowMs, versioned: null });
}

describe('refused', () => {
  const files: Record<string, [stored: object | string, code: string, message: RegExp]> = {
    'a key without its file': [key.pkcs8, 'SECRET_KEY_FILE_INVALID', /not a JSON object/],
    'a list': ['[]', 'SECRET_KEY_FILE_INVALID', /not a JSON object/],
    'a file with a key twice': [
      JSON.stringify(file).replace('{', '{"client_email":"canary@x",'),
      'SECRET_KEY_FILE_INVALID',
      /not a JSON object/,
    ],
    'a file of a user': [{ ...file, type: 'authorized_user' }, 'SECRET_KEY_FILE_INVALID', /type/],
    'a file without a type': [{ ...file, type: undefined }, 'SECRET_KEY_FILE_INVALID', /type/],
    'a file without an address': [{ ...file, client_email: '' }, 'SECRET_KEY_FILE_INVALID', /client_email/],
    'a file without a key': [{ ...file, private_key: undefined }, 'SECRET_KEY_FILE_INVALID', /private_key/],
    'H-60: a file that sends assertions elsewhere': [
      { ...file, token_uri: 'https://canary.example/token' },
      'SECRET_KEY_FILE_INVALID',
      /token_uri/,
    ],
    'H-60: a file that sends assertions nowhere': [
      { ...file, token_uri: null },
      'SECRET_KEY_FILE_INVALID',
      /token_uri/,
    ],
    'a file of another universe': [
      { ...file, universe_domain: 'canary.example' },
      'SECRET_KEY_FILE_INVALID',
      /universe_domain/,
    ],
    'a file with half a key': [
      { ...file, private_key: key.pkcs8.slice(0, 900) },
      'SECRET_KEY_INVALID',
      /PEM/,
    ],
    'a file with a key of another kind': [
      { ...file, private_key: createEcKey().pkcs8 },
      'SECRET_KEY_INVALID',
      /RSA/,
    ],
  };
  for (const [what, [stored, code, message]] of Object.entries(files)) {
    test(`${what}, before anything is sent`, async () => {
      await assertFails(() => mint(inject({ scopes }), stored), { code, field, message }, shown);
      assert.deepEqual(server.seen, []);
    });
  }

  const accounts: Record<
    string,
    [change: object, more: Partial<GoogleServiceAccountInject>, message: RegExp]
  > = {
    'an account that is gone': [{ client_email: 'gone@x.iam' }, { scopes }, /invalid_grant/],
    'a key that was deleted': [{ private_key_id: 'other' }, { scopes }, /invalid_grant/],
    'a key of another account': [{ private_key: createRsaKey().pkcs8 }, { scopes }, /invalid_grant/],
    'a user that it may not act for': [{}, { scopes, subject: 'cfo@acme.example' }, /unauthorized_client/],
    'no scope at all': [{}, { scopes: [] }, /invalid_scope/],
  };
  for (const [what, [change, more, message]] of Object.entries(accounts)) {
    test(`${what}, as MINT_REFUSED`, async () => {
      const expected = { code: 'MINT_REFUSED', field, message };
      await assertFails(mint(inject(more), { ...file, ...change }), expected, shown);
    });
  }

  test('an assertion of a clock that is an hour behind', async () => {
    const lateMs = (): number => Date.now() - 3_600_000;
    await assertFails(mint(inject({ scopes }), file, lateMs), { code: 'MINT_REFUSED', field }, shown);
  });

  const encode = (claims: object): string =>
    ['{}', JSON.stringify(claims), 'x'].map((part) => Buffer.from(part).toString('base64url')).join('.');
  const hourFromNow = Math.floor(Date.now() / 1000) + 3600;
  const answers: Record<string, [body: object, code: string, field: string]> = {
    'an access token in place of an ID token': [
      { access_token: 'ya29.canary', token_type: 'Bearer', expires_in: 3599 },
      'TOKEN_ENDPOINT_UNREADABLE',
      field,
    ],
    'an ID token that is none': [{ id_token: 'canary' }, 'TOKEN_ENDPOINT_UNREADABLE', field],
    'an ID token of something else': [{ id_token: 'eyJ.W10.x' }, 'TOKEN_ENDPOINT_UNREADABLE', field],
    'an ID token without an end': [
      { id_token: encode({ aud: audience }) },
      'TOKEN_ENDPOINT_UNREADABLE',
      field,
    ],
    'an ID token that has ended': [
      { id_token: encode({ aud: audience, exp: 1 }) },
      'TOKEN_ENDPOINT_UNREADABLE',
      field,
    ],
    'H-61: an ID token for somebody else': [
      { id_token: encode({ aud: 'https://other.example', exp: hourFromNow }) },
      'TOKEN_TOO_WIDE',
      `${field}.audience`,
    ],
    'H-61: an ID token for several': [
      { id_token: encode({ aud: [audience, 'https://other.example'], exp: hourFromNow }) },
      'TOKEN_TOO_WIDE',
      `${field}.audience`,
    ],
  };
  for (const [what, [body, code, at]] of Object.entries(answers)) {
    test(`${what}, as ${code}`, async () => {
      server.answer = () => ({ status: 200, body });
      await assertFails(mint(inject({ audience })), { code, field: at }, shown);
    });
  }
});

describe('an access token', () => {
  test('is for the scopes', async () => {
    const minted = await mint(inject({ scopes }));
    assert.deepEqual(google.issued.get(tokenOf(minted)), { scope: scopes.join(' '), subject: email });
    assert.equal(minted.lifetimeMs, 3_539_000);
    assertShowsNothing(minted, [tokenOf(minted)]);
  });

  test('is asked for with no claim but these, and the key’s id', async () => {
    await mint(inject({ scopes }), file, () => Date.now());
    const assertion = new URLSearchParams(server.seen[0]?.body).get('assertion') ?? '';
    assert.deepEqual(decodeProtectedHeader(assertion), {
      alg: 'RS256',
      typ: 'JWT',
      kid: file.private_key_id,
    });
    const { iat = 0, exp = 0, ...claims } = decodeJwt(assertion);
    assert.deepEqual(claims, {
      iss: email,
      scope: scopes.join(' '),
      aud: 'https://oauth2.googleapis.com/token',
    });
    assert.equal(exp - iat, 300);
  });

  test('is for a user, where the domain delegates', async () => {
    const minted = await mint(inject({ scopes, subject: 'ceo@acme.example' }));
    assert.equal(google.issued.get(tokenOf(minted))?.subject, 'ceo@acme.example');
  });

  test('is had through an AgentDestination, and still from Google', async () => {
    const tokenEndpoint = { destination: 'private', path: '/token' };
    assert.ok(google.issued.has(tokenOf(await mint(inject({ scopes, tokenEndpoint })))));
  });

  test('is had with a file of the older kind', async () => {
    const { universe_domain: _, ...older } = file;
    const tokenUri = 'https://accounts.google.com/o/oauth2/token';
    assert.ok(google.issued.has(tokenOf(await mint(inject({ scopes }), { ...older, token_uri: tokenUri }))));
  });
});

describe('an ID token', () => {
  test('is for the audience, and lasts as long as it says', async () => {
    const minted = await mint(inject({ audience }));
    assert.deepEqual(google.issued.get(tokenOf(minted)), { audience, subject: email });
    assert.ok(minted.lifetimeMs > 3_530_000 && minted.lifetimeMs <= 3_540_000, String(minted.lifetimeMs));
  });
});
