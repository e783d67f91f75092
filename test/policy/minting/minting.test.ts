// What mints credentials is granted by its path alone, written out (H-61).

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { compileDecider, decideWhole } from '../../../policy/decide.ts';
import type { Decision } from '../../../policy/decision.ts';
import type { MintingEndpoint } from '../../../policy/minting/endpoint.ts';
import { mintingEndpoints } from '../../../policy/minting/lookup.ts';
import type { CanonicalRequest } from '../../../policy/request.ts';
import { emptyRuleset, type Ruleset, type RulesetRule } from '../../../policy/ruleset.ts';
import { canonicalRequest } from '../../support/canonical-request.ts';

const nowMs = Date.parse('2026-11-23T09:00:00Z');

function decide(
  match: Partial<RulesetRule>,
  request: string | CanonicalRequest,
  more: Partial<Ruleset> = {},
): Decision {
  const asked = typeof request === 'string' ? canonicalRequest(request) : request;
  const grant: RulesetRule = { policy: 'p', name: 'r', action: 'Allow', ...match };
  const inject = { kind: 'bearer' } as const;
  const source = { kind: 'file', path: 'token' } as const;
  const ruleset: Ruleset = {
    ...emptyRuleset({ namespace: 'research', serviceAccount: 'triage' }),
    grants: [grant],
    credentials: { bot: { source, allow: [{ hosts: [asked.host] }], inject, refreshIntervalMs: 300_000 } },
    ...more,
  };
  return decideWhole(compileDecider(ruleset, 'rev'), asked, nowMs);
}

/** A host and a path that an entry means, of each pattern; globs stand for something. */
function samplesOf({ hosts, awsServices, paths = ['/'], parameter }: MintingEndpoint): readonly string[] {
  const places = awsServices?.map((service) => `${service}.eu-central-1.amazonaws.com`) ??
    hosts ?? ['any.example'];
  const query = parameter === undefined ? '' : `?${parameter}`;
  return places.flatMap((host) => paths.map((path) => `POST https://${filled(host)}${filled(path)}${query}`));
}

function filled(pattern: string): string {
  return pattern.replaceAll('**', 'x').replaceAll('*', 'x');
}

const samples = mintingEndpoints.flatMap((endpoint) =>
  samplesOf(endpoint).map((request) => ({ request: canonicalRequest(request), endpoint })),
);

/** @param name of the endpoint; absent: any. */
function assertRefused(decision: Decision, name = ''): void {
  const { action, reason, policy, rule, closest } = decision;
  assert.deepEqual(
    { action, reason, policy, rule },
    { action: 'deny', reason: 'no_grant', policy: null, rule: null },
  );
  assert.equal(closest?.field, 'paths');
  assert.match(
    closest?.message ?? '',
    /^Here credentials are minted \(.+\), which no glob grants: write the path out/,
  );
  if (name !== '') assert.match(closest?.message ?? '', new RegExp(`minted \\(${name}\\)`));
}

describe('every endpoint of the list is refused to a grant (H-61)', () => {
  const grants: Record<string, (request: CanonicalRequest) => Partial<RulesetRule>> = {
    'without paths': () => ({}),
    'without paths that names a credential': () => ({ credential: 'bot' }),
    'of all paths': () => ({ paths: ['/**'] }),
    'of a glob in the last segment': ({ path }) => ({ paths: [path.replace(/[^/]*$/, '*')] }),
    'of a glob before the path': ({ path }) => ({ paths: [`/**${path}`] }),
    'of a glob after a prefix': ({ path }) => ({ paths: [path.replace(/(?<=.)$/, '*')] }),
    'that writes out another path beside its glob': () => ({
      paths: ['/elsewhere', '/**'],
      credential: 'bot',
    }),
    'that asks for an approval': () => ({ action: 'RequireApproval' }),
  };
  for (const [how, matchOf] of Object.entries(grants)) {
    it(how, () => {
      for (const { request, endpoint } of samples) {
        const decision = decide({ hosts: [request.host], ...matchOf(request) }, request);
        const where = `${request.host}${request.path}`;
        assert.equal(decision.action, 'deny', `${endpoint.name}: ${where}`);
        // A glob over an empty last segment matches nothing, and so misses by the path itself.
        if (request.path !== '/') assertRefused(decision);
      }
    });
  }
  it('by a form', () => {
    const github = {
      operations: ['Read', 'Push', 'Merge', 'Comment'],
      hosts: { web: 'any.example', api: 'any.example' },
    } as const;
    for (const { request } of samples.filter(({ endpoint }) => endpoint.hosts === undefined)) {
      assert.equal(decide({ github }, { ...request, host: 'any.example' }).action, 'deny', request.path);
    }
  });
});

it('every endpoint of the list is granted where its path is written out', () => {
  for (const { request } of samples) {
    const { action, credential } = decide(
      { hosts: [request.host], paths: ['/another/*', request.path], credential: 'bot' },
      request,
    );
    assert.deepEqual(
      { action, credential },
      { action: 'allow', credential: 'bot' },
      `${request.host}${request.path}`,
    );
  }
});

describe('another spelling is the endpoint too (H-61, H-20)', () => {
  const opens = ['EncodedSlash', 'PathParameters'] as const;
  const cases: Record<string, string> = {
    'in another letter case': 'POST https://api.example/OAuth/Token',
    'with a slash at its end': 'POST https://api.example/oauth/token/',
    'with escapes': 'POST https://api.example/%6fauth/tok%65n',
    'with escapes of escapes': 'POST https://api.example/oauth/tok%2565n',
    'with an encoded slash': 'POST https://api.example/oauth%2Ftoken',
    'with a slash that is encoded twice': 'POST https://api.example/oauth%252Ftoken',
    'with parameters': 'POST https://api.example/oauth/token;v=1',
    'with a format': 'POST https://api.example/oauth/token.json',
    'with a format in another letter case': 'POST https://api.example/oauth/token.JSON',
    'with a query': 'GET https://api.example/oauth/token?grant_type=client_credentials',
    'by any method': 'PATCH https://api.example/oauth/token',
    'of a large file without .git': 'POST https://git.example/group/sub/docs/info/lfs/objects/batch',
    'of a large file with .git': 'POST https://git.example/acme/docs.git/info/lfs/objects/batch',
    'of a repository at the root': 'POST https://git.example/info/lfs/objects/batch',
    'of a project with an encoded slash':
      'POST https://gitlab.example/api/v4/projects/acme%2Fdocs/access_tokens',
    'of a rotation': 'POST https://gitlab.example/api/v4/groups/7/access_tokens/3/rotate',
    'of a Vault mount of several segments': 'POST https://vault.example/v1/auth/team/k8s/login',
    'of a Vault login with a name': 'POST https://vault.example/v1/auth/ldap/login/mitchellh',
    'of a Vault token of a role': 'POST https://vault.example/v1/auth/token/create/reader',
    'of an orphan token': 'POST https://vault.example/v1/auth/token/create-orphan',
    'of a custom verb':
      'POST https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/a@b.example:generateAccessToken',
    'of a tenant': 'POST https://login.microsoftonline.com/contoso.onmicrosoft.com/oauth2/v2.0/token',
  };
  for (const [how, request] of Object.entries(cases)) {
    it(how, () => {
      const { host } = canonicalRequest(request);
      assertRefused(decide({ hosts: [host], paths: ['/**'], opens }, request));
      assertRefused(decide({ hosts: [host], opens }, request));
    });
  }
  it('and is not what a rule has written out that spells it otherwise', () => {
    const match = { hosts: ['api.example'], paths: ['/oauth/token'] };
    assert.equal(decide(match, 'POST https://api.example/OAuth/token').action, 'deny');
    assert.equal(decide(match, 'POST https://api.example/oauth/token').action, 'allow');
  });
});

describe('a host of AWS mints whatever its path (H-61, H-63)', () => {
  const listed = [
    'sts.amazonaws.com',
    'sts.eu-central-1.amazonaws.com',
    'sts-fips.us-east-1.amazonaws.com',
    'sts.eu-central-1.api.aws',
    'sts-fips.us-west-2.api.aws',
    'sts.cn-north-1.amazonaws.com.cn',
    'sts.cn-north-1.api.amazonwebservices.com.cn',
    'sts.eusc-de-east-1.amazonaws.eu',
    'sts.us-iso-east-1.c2s.ic.gov',
    'vpce-0a-1b.sts.us-east-1.vpce.amazonaws.com',
    'vpce-0a-1b-us-east-1a.sts-fips.us-east-1.vpce.amazonaws.com',
    'iam.amazonaws.com',
    'iam.global.api.aws',
    'iam.us-gov.amazonaws.com',
    'iam.cn-north-1.amazonaws.com.cn',
    'cognito-identity.eu-west-1.amazonaws.com',
    'cognito-idp-fips.us-east-1.amazonaws.com',
    'api.ecr.eu-central-1.amazonaws.com',
    'ecr.eu-central-1.api.aws',
    'ecr-fips.us-east-1.amazonaws.com',
    'portal.sso.eu-west-1.amazonaws.com',
  ];
  for (const host of listed) {
    it(host, () => {
      assertRefused(decide({ hosts: [host] }, `POST https://${host}/`));
      assertRefused(
        decide({ hosts: ['**.amazonaws.com', host], paths: ['/**'] }, `GET https://${host}/a/b?Action=x`),
      );
      assert.equal(decide({ hosts: [host], paths: ['/'] }, `POST https://${host}/`).action, 'allow');
    });
  }
  const sessions = [
    'https://bucket--use1-az4--x-s3.s3express-use1-az4.us-east-1.amazonaws.com/?session',
    'https://bucket--use1-az4--x-s3.s3express-use1-az4.dualstack.us-east-1.amazonaws.com/?session=',
    'https://bucket.s3.eu-central-1.amazonaws.com/?Session',
    'https://bucket.s3.amazonaws.com/?x-id=CreateSession&session',
    'https://s3.dualstack.eu-central-1.amazonaws.com/bucket?%73ession',
    'https://s3.cn-north-1.amazonaws.com.cn/bucket?a;session',
  ];
  for (const url of sessions) {
    it(`or has a session in its query: ${url}`, () => {
      const { host } = new URL(url);
      assertRefused(decide({ hosts: [host] }, `GET ${url}`), 'S3 CreateSession');
    });
  }
});

describe('ordinary requests are granted by a glob', () => {
  const requests = [
    'GET https://bucket.s3.eu-central-1.amazonaws.com/?list-type=2',
    'GET https://bucket.s3.eu-central-1.amazonaws.com/session',
    'GET https://sts.s3.eu-central-1.amazonaws.com/object',
    'GET https://123456789012.dkr.ecr.eu-central-1.amazonaws.com/v2/app/manifests/latest',
    'GET https://api.example.execute-api.eu-central-1.amazonaws.com/?session=7',
    'GET https://sts.example/v1/items',
    'GET https://sts.amazonaws.com.evil.example/',
    'GET https://api.github.com/app/installations',
    'GET https://api.github.com/repos/acme/docs/actions/runners',
    'POST https://github.com/acme/docs.git/git-upload-pack',
    'GET https://github.com/acme/docs/blob/main/oauth/token.md',
    'GET https://gitlab.com/api/v4/projects/7/issues',
    'GET https://gitlab.com/api/v4/runners',
    'POST https://slack.com/api/chat.postMessage',
    'POST https://api.stripe.com/v1/tokens',
    'POST https://api.openai.com/v1/chat/completions',
    'POST https://api.anthropic.com/v1/messages/count_tokens',
    'GET https://vault.example/v1/secret/data/auth/login',
    'GET https://api.example/token',
    'GET https://api.example/v1/tokens',
    'GET https://api.example/login',
    'POST https://api.example/v1/sessions',
    'GET https://api.example/docs/oauth/token/overview',
    'GET https://www.googleapis.com/calendar/v3/calendars/primary/events',
    'GET https://graph.microsoft.com/v1.0/applications',
    'GET https://management.azure.com/subscriptions/1/resourceGroups/2',
    'GET https://registry.npmjs.org/@acme%2fdocs',
  ];
  for (const request of requests) {
    it(request, () => {
      const { host } = canonicalRequest(request);
      const match = { hosts: [host], opens: ['EncodedSlash'] } as const;
      assert.equal(decide({ ...match, paths: ['/**'] }, request).action, 'allow');
      assert.equal(decide(match, request).action, 'allow');
    });
  }
});

describe('of a refused request', () => {
  const request = 'POST https://api.example/oauth/token';
  it('the rule that came nearest says that it is an endpoint that mints, whatever its methods', () => {
    const { closest } = decide({ hosts: ['api.example'], methods: ['GET'] }, request);
    const message =
      'Here credentials are minted (an OAuth token endpoint), which no glob grants: write the path out in paths.';
    assert.deepEqual(closest, { policy: 'p', rule: 'r', field: 'paths', message });
  });
  it('a rule that writes the path out came nearer', () => {
    const grants: RulesetRule[] = [
      { policy: 'p', name: 'all', action: 'Allow', hosts: ['api.example'] },
      {
        policy: 'p',
        name: 'out',
        action: 'Allow',
        hosts: ['api.example'],
        paths: ['/oauth/token'],
        methods: ['PUT'],
      },
    ];
    const { closest } = decide({}, request, { grants });
    assert.deepEqual([closest?.rule, closest?.field], ['out', 'methods']);
  });
  it('every rule is explained', () => {
    const ruleset: Ruleset = {
      ...emptyRuleset({ namespace: 'research', serviceAccount: 'triage' }),
      grants: [{ policy: 'p', name: 'r', action: 'Allow', hosts: ['api.example'] }],
    };
    const [account] = compileDecider(ruleset, 'rev').explain(canonicalRequest(request), nowMs);
    assert.equal(account?.matches, false);
    assert.equal(account?.miss?.field, 'paths');
    assert.match(account?.miss?.message ?? '', /minted/);
  });
});

describe('the list concerns no more than grants', () => {
  const request = 'POST https://api.example/oauth/token';
  it('a guard with a glob stops what a rule has written out', () => {
    const guards: RulesetRule[] = [{ policy: 'p', name: 'no', action: 'Deny', paths: ['/oauth/**'] }];
    const match = { hosts: ['api.example'], paths: ['/oauth/token'] };
    assert.equal(decide(match, request, { guards }).reason, 'denied_by_rule');
  });
  it('a request that is only observed goes as the agent sent it, since nothing of ours is on it', () => {
    const { action, observed, credential } = decide({ hosts: ['api.example'] }, request, {
      observeUntilMs: nowMs + 1,
    });
    assert.deepEqual({ action, observed, credential }, { action: 'allow', observed: true, credential: null });
  });
  it('a ceiling may be a glob', () => {
    const match = { hosts: ['api.example'], paths: ['/oauth/token'], credential: 'bot' };
    assert.equal(decide(match, request).credential, 'bot');
  });
});

it('no rule whose paths all have a wildcard ever grants a listed request (H-61)', () => {
  const segment = fc.constantFrom('*', '**', 'o*', '*n', 'oauth', 'token', 'v1', 'api');
  const glob = fc
    .array(segment, { minLength: 1, maxLength: 4 })
    .map((parts) => `/${parts.join('/')}`)
    .filter((path) => path.includes('*'));
  const match = fc.record(
    {
      paths: fc.uniqueArray(glob, { minLength: 1, maxLength: 4 }),
      credential: fc.constant('bot'),
      opens: fc.constant(['EncodedSlash', 'PathParameters'] as const),
      action: fc.constantFrom('Allow', 'RequireApproval'),
    },
    { requiredKeys: ['action'] },
  );
  const hosts = fc.constantFrom('exact', '**');
  const respell = fc.constantFrom<(path: string) => string>(
    (path) => path,
    (path) => path.toUpperCase(),
    (path) => `${path}/`,
    (path) => `${path}.json`,
    (path) => `${path};a=b`,
    (path) => path.replaceAll(/[a-z]/g, (letter) => `%${letter.charCodeAt(0).toString(16)}`),
  );
  fc.assert(
    fc.property(fc.constantFrom(...samples), match, hosts, respell, ({ request }, rule, reach, spell) => {
      const path = request.path === '/' ? '/' : spell(request.path);
      const query = request.query === null ? '' : `?${request.query}`;
      const asked = canonicalRequest(`POST https://${request.host}${path}${query}`);
      const host = reach === '**' ? `**.${request.host.split('.').slice(1).join('.')}` : request.host;
      assert.equal(decide({ hosts: [host], ...rule }, asked).action, 'deny');
    }),
    { numRuns: 10_000 },
  );
});
