import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { createReading } from '../../policy/reading.ts';
import { isShippedTokenEndpoint, microsoftHosts, tokenEndpoints } from '../../policy/token-endpoints.ts';
import { canonicalRequest } from '../support/canonical-request.ts';
import { linesOf } from './minting/page.ts';

describe('a URL is no shipped token endpoint', () => {
  const urls: Record<string, string> = {
    'of another host': 'https://oauth2.googleapis.com.evil.example/token',
    'of a host before it': 'https://evil.example/https://oauth2.googleapis.com/token',
    'over plain HTTP': 'http://oauth2.googleapis.com/token',
    'on another port': 'https://oauth2.googleapis.com:8443/token',
    'even on its own port': 'https://oauth2.googleapis.com:443/token',
    'with a user': 'https://oauth2.googleapis.com@evil.example/token',
    'with a query': 'https://oauth2.googleapis.com/token?x=y',
    'with a fragment': 'https://oauth2.googleapis.com/token#x',
    'with a slash at its end': 'https://oauth2.googleapis.com/token/',
    'in another letter case': 'https://OAuth2.googleapis.com/token',
    'with a dot segment': 'https://oauth2.googleapis.com/x/../token',
    'with a line end': 'https://oauth2.googleapis.com/token\n',
    'with a space before it': ' https://oauth2.googleapis.com/token',
    'of a tenant that a stranger can have at Auth0': 'https://acme.eu.auth0.com/oauth/token',
    'of a tenant that a stranger can have at Okta': 'https://acme.okta.com/oauth2/v1/token',
    'of an org of Salesforce': 'https://acme.my.salesforce.com/services/oauth2/token',
    'of a shop': 'https://acme.myshopify.com/admin/oauth/access_token',
    'of no tenant of Microsoft': 'https://login.microsoftonline.com/oauth2/v2.0/token',
    'of every tenant of Microsoft': 'https://login.microsoftonline.com/common/oauth2/v2.0/token',
    'of two segments for a tenant': 'https://login.microsoftonline.com/a.example/b.example/oauth2/v2.0/token',
    'of a tenant with a dot segment': 'https://login.microsoftonline.com/../oauth2/v2.0/token',
    'of a tenant with an escape': 'https://login.microsoftonline.com/a%2fb.example/oauth2/v2.0/token',
    'of another path of Microsoft': 'https://login.microsoftonline.com/acme.example/oauth2/v2.0/authorize',
    'of another host with a path of Microsoft': 'https://evil.example/acme.example/oauth2/v2.0/token',
    'of a tenant and more lines':
      'https://login.microsoftonline.com/acme.example/oauth2/v2.0/token\nhttps://evil.example',
    empty: '',
  };
  for (const [how, url] of Object.entries(urls)) {
    it(how, () => assert.equal(isShippedTokenEndpoint(url), false));
  }
});

describe('a URL is a shipped token endpoint', () => {
  const urls = [
    'https://oauth2.googleapis.com/token',
    'https://github.com/login/oauth/access_token',
    'https://gitlab.com/oauth/token',
    'https://login.microsoftonline.com/72f988bf-86f1-41af-91ab-2d7cd011db47/oauth2/v2.0/token',
    'https://login.microsoftonline.com/acme.onmicrosoft.com/oauth2/v2.0/token',
    'https://login.microsoftonline.us/acme.example/oauth2/v2.0/token',
    ...tokenEndpoints.map(({ url }) => url),
  ];
  it('when it is one of the list, to the letter', () => {
    for (const url of urls) assert.ok(isShippedTokenEndpoint(url), url);
  });
});

describe('every shipped token endpoint', () => {
  it('is written as URLs are normalised, over TLS, at a name, with a path and nothing else', () => {
    for (const { url } of tokenEndpoints) {
      const { href, protocol, port, search, hash, username, pathname, hostname } = new URL(url);
      assert.deepEqual([href, protocol, port, search, hash, username], [url, 'https:', '', '', '', ''], url);
      assert.notEqual(pathname, '/', url);
      assert.match(hostname, /[a-z]$/, url);
    }
    assert.equal(new Set(tokenEndpoints.map(({ url }) => url)).size, tokenEndpoints.length);
  });
  it('is one that mints, so that no glob lets an agent ask it itself (H-61)', () => {
    const microsoft = microsoftHosts.map((host) => `https://${host}/acme.example/oauth2/v2.0/token`);
    for (const url of [...tokenEndpoints.map((endpoint) => endpoint.url), ...microsoft]) {
      const reading = createReading(canonicalRequest(`POST ${url}`), null);
      assert.notEqual(reading.minting(), null, url);
    }
  });
});

it('docs/credentials/token-endpoints.md has every endpoint, and no other', () => {
  const page = readFileSync(new URL('../../docs/credentials/token-endpoints.md', import.meta.url), 'utf8');
  const microsoft = microsoftHosts.map((host) => `- Microsoft: \`https://${host}/TENANT/oauth2/v2.0/token\``);
  assert.deepEqual(linesOf(page, 'The list'), [
    ...tokenEndpoints.map(({ provider, url }) => `- ${provider}: \`${url}\``),
    ...microsoft,
  ]);
});
