import assert from 'node:assert/strict';
import { createPrivateKey } from 'node:crypto';
import { before, describe, test } from 'node:test';
import { decodeJwt, SignJWT } from 'jose';
import {
  answerTokenRequest,
  createPlaceholderKey,
  credentialOfToken,
  googleKeyFile,
  isTokenRequest,
} from '../../../sidecar/credentials/google-placeholder.ts';
import { canonicalRequest } from '../../support/canonical-request.ts';

const held = { namespace: 'research', credentials: ['calendar', 'drive.v2'] };
const email = 'calendar.research@outrider-placeholder.iam.gserviceaccount.com';
const grantType = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
const formType = 'application/x-www-form-urlencoded';
const nowMs = 1_800_000_000_000;

let key = '';
before(async () => {
  key = await createPlaceholderKey();
});

function sign(claims: Record<string, unknown>): Promise<string> {
  return new SignJWT({ iss: email, aud: 'https://oauth2.googleapis.com/token', scope: 'a', ...claims })
    .setProtectedHeader({ alg: 'RS256' })
    .sign(createPrivateKey(key));
}

function form(assertion: string, more: Record<string, string> = {}): string {
  return new URLSearchParams({ grant_type: grantType, assertion, ...more }).toString();
}

function answer(body: string, contentType: string | null = formType): Record<string, unknown> | null {
  const given = answerTokenRequest(Buffer.from(body), contentType, held, nowMs);
  if (given === null) return null;
  assert.equal(given.status, 200);
  return JSON.parse(given.body) as Record<string, unknown>;
}

describe('not answered, but a request like any other', () => {
  const bodies: Record<string, () => Promise<string> | string> = {
    'an assertion of a real account': async () =>
      form(await sign({ iss: 'robot@acme.iam.gserviceaccount.com' })),
    'an assertion of another namespace': async () =>
      form(await sign({ iss: email.replace('research', 'support') })),
    'an assertion of a credential without such a file': async () =>
      form(await sign({ iss: email.replace('calendar', 'mail') })),
    'an assertion of an address that begins alike': async () =>
      form(await sign({ iss: `${email}.evil.example` })),
    'an assertion without an issuer': async () => form(await sign({ iss: undefined })),
    'an assertion with two issuers': async () => form(await sign({ iss: [email, email] })),
    'no assertion': () => new URLSearchParams({ grant_type: grantType }).toString(),
    'an assertion that is no token': () => form('a.b'),
    'an assertion whose claims are a list': () => form(`e30.${Buffer.from('[]').toString('base64url')}.x`),
    'another grant': async () => form(await sign({})).replace('jwt-bearer', 'other'),
    'a form that says more': async () => form(await sign({}), { client_id: 'x' }),
    'a form with two assertions': async () => `${form(await sign({}))}&assertion=${await sign({})}`,
    JSON: async () => JSON.stringify({ grant_type: grantType, assertion: await sign({}) }),
    nothing: () => '',
    'bytes that are no text': () => '%ff%fe',
  };
  for (const [what, make] of Object.entries(bodies)) {
    test(what, async () => assert.equal(answer(await make()), null));
  }

  for (const contentType of [null, 'application/json', 'text/plain', `${formType}; charset=utf-16`]) {
    test(`a good body as ${contentType}`, async () =>
      assert.equal(answer(form(await sign({})), contentType), null));
  }

  const requests = [
    'GET https://oauth2.googleapis.com/token',
    'post https://oauth2.googleapis.com/token',
    'POST http://oauth2.googleapis.com/token',
    'POST https://oauth2.googleapis.com:8443/token',
    'POST https://oauth2.googleapis.com/token/',
    'POST https://oauth2.googleapis.com/token?x=y',
    'POST https://oauth2.googleapis.com/token?',
    'POST https://oauth2.googleapis.com/revoke',
    'POST https://oauth2.googleapis.com/tokeninfo',
    'POST https://oauth2.googleapis.com.evil.example/token',
    'POST https://www.googleapis.com/token',
    'POST https://sts.googleapis.com/v1/token',
  ];
  for (const line of requests) {
    test(line, () => assert.equal(isTokenRequest(canonicalRequest(line)), false));
  }
});

describe('a token request', () => {
  for (const line of [
    'POST https://oauth2.googleapis.com/token',
    'POST https://OAuth2.googleapis.com.:443/token',
    'POST https://www.googleapis.com/oauth2/v4/token',
  ]) {
    test(line, () => assert.equal(isTokenRequest(canonicalRequest(line)), true));
  }

  test('is answered with the placeholder of the credential', async () => {
    const expected = { token_type: 'Bearer', expires_in: 3599 };
    for (const type of [formType, `${formType}; charset=UTF-8`]) {
      assert.deepEqual(answer(form(await sign({})), type), {
        access_token: 'outrider-placeholder.research.calendar',
        ...expected,
      });
    }
    assert.deepEqual(answer(form(await sign({ iss: email.replace('calendar', 'drive.v2') }))), {
      access_token: 'outrider-placeholder.research.drive.v2',
      ...expected,
    });
  });

  test('for an audience is answered with an ID token that says when it ends, and whose it is', async () => {
    const given = answer(form(await sign({ scope: undefined, target_audience: 'https://run.example' })));
    assert.deepEqual(Object.keys(given ?? {}), ['id_token']);
    const token = String(given?.['id_token']);
    assert.deepEqual(decodeJwt(token), {
      iss: 'https://accounts.google.com',
      aud: 'https://run.example',
      azp: email,
      email,
      email_verified: true,
      sub: '0',
      iat: nowMs / 1000,
      exp: nowMs / 1000 + 3599,
    });
    assert.equal(credentialOfToken(token), 'research.calendar');
  });
});

describe('a token in a request', () => {
  test('that an SDK signed itself says which credential is meant', async () => {
    const token = await sign({ sub: email, aud: 'https://storage.googleapis.com/' });
    assert.equal(credentialOfToken(token), 'research.calendar');
  });

  test('of anybody else says nothing', async () => {
    assert.equal(credentialOfToken(await sign({ iss: 'robot@acme.iam.gserviceaccount.com' })), null);
    for (const other of ['', 'ya29.abc', 'a.b.c', `e30.${Buffer.from('null').toString('base64url')}.x`]) {
      assert.equal(credentialOfToken(other), null);
    }
  });
});

describe('a placeholder file', () => {
  test('has all fields of Google’s, and nothing that works', () => {
    const text = googleKeyFile('research', 'calendar', key);
    const file = JSON.parse(text) as Record<string, string>;
    assert.deepEqual(
      { ...file, private_key: '' },
      {
        type: 'service_account',
        project_id: 'outrider-placeholder',
        private_key_id: 'outrider-placeholder',
        private_key: '',
        client_email: email,
        client_id: '0',
        auth_uri: 'https://accounts.google.com/o/oauth2/auth',
        token_uri: 'https://oauth2.googleapis.com/token',
        auth_provider_x509_cert_url: 'https://www.googleapis.com/oauth2/v1/certs',
        client_x509_cert_url: `https://www.googleapis.com/robot/v1/metadata/x509/${encodeURIComponent(email)}`,
        universe_domain: 'googleapis.com',
      },
    );
    assert.equal(createPrivateKey(file['private_key'] ?? '').asymmetricKeyDetails?.modulusLength, 2048);
  });

  test('of each process has another key', async () => assert.notEqual(await createPlaceholderKey(), key));
});
