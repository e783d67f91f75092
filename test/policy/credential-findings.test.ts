import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { checkCredential } from '../../policy/check.ts';
import type { CheckContext } from '../../policy/check-context.ts';
import type { Finding } from '../../policy/parse.ts';
import { tokenEndpoints } from '../../policy/token-endpoints.ts';
import { credential, destination, store, type Manifest } from './resources/examples.ts';

const statusPage = new URL('../../docs/credentials/status.md', import.meta.url);
const role = 'arn:aws:iam::123456789012:role/agents';
const aws = (fields: object, name: string) =>
  store({ vault: undefined, awsSecretsManager: { region: 'eu-central-1', ...fields } }, name);
const at = (name: string, scheme: string) =>
  destination({ service: { namespace: 'idp', name: 'idp', port: 8443, scheme } }, name);

const context: CheckContext = {
  namespaceLabels: { team: 'a' },
  credentials: [],
  policies: [],
  clusterPolicies: [],
  stores: [
    store({}, 'corp-vault'),
    aws({ roleArn: role }, 'corp-aws'),
    aws({}, 'no-role'),
    aws({ auth: { podIdentity: {} } }, 'pod'),
    store({ namespaceSelector: { matchLabels: { team: 'b' } } }, 'closed'),
  ],
  destinations: [at('idp', 'https'), at('plain', 'http')],
};

const kv = { mount: 'secret', path: 'a', field: 't' };
const vault = (fields: object = { kv }, named = 'corp-vault') => ({
  vault: { store: named, role: 'r', ...fields },
});
const ofAws = (named: string, fields: object = {}) => ({
  awsSecretsManager: { store: named, secretId: 'agents/a', ...fields },
});
const fields = (...names: string[]) => vault({ kv: { mount: 'secret', path: 'a', fields: names } });
const oauth2 = (way: object) => ({
  oauth2: { tokenEndpoint: { destination: 'idp', path: '/token' }, ...way },
});
const github = (endpoint?: object) => ({ githubApp: { appId: '1', installationId: '2', endpoint } });
const entry = (hosts: string[], inject?: object, more: object = {}) => ({ hosts, inject, ...more });
const hmac = {
  canonical: '{timestamp}{body}',
  headers: { 'x-time': '{timestamp}', 'x-sign': '{signature}' },
};

function check(spec: object, about: Partial<CheckContext> = {}): readonly Finding[] {
  const raw = JSON.parse(JSON.stringify(credential({ source: vault(), ...spec }))) as Manifest;
  return checkCredential(raw, { ...context, ...about });
}

interface Expected {
  readonly about?: Partial<CheckContext>;
  readonly spec: object;
  readonly reason: string;
  readonly field: string;
  readonly allowed: RegExp;
  readonly blocking?: false;
}

const cases: Record<string, Expected> = {
  'of a Vault that is an AWS account': {
    spec: { source: vault({ kv }, 'corp-aws') },
    reason: 'StoreKindWrong',
    field: 'spec.source.vault.store',
    allowed: /is not a Vault; of those there is corp-vault$/,
  },
  'of an AWS account that is a Vault': {
    spec: { source: ofAws('corp-vault', { roleArn: role }) },
    reason: 'StoreKindWrong',
    field: 'spec.source.awsSecretsManager.store',
    allowed: /is not an AWS account; of those there is corp-aws, no-role, pod$/,
  },
  'of an AWS account that does not exist': {
    spec: { source: ofAws('gone') },
    reason: 'StoreNotFound',
    field: 'spec.source.awsSecretsManager.store',
    allowed: /there is corp-aws/,
  },
  'of a Vault that is closed to the namespace (O-02)': {
    spec: { source: vault({ kv }, 'closed') },
    reason: 'StoreNotFound',
    field: 'spec.source.vault.store',
    allowed: /there is corp-vault$/,
  },
  'by EKS Pod Identity, in local mode (K-06)': {
    about: { isLocal: true },
    spec: { source: ofAws('pod', { roleArn: role }) },
    reason: 'CaptureRequired',
    field: 'spec.source.awsSecretsManager.store',
    allowed: /the level of this namespace is cooperative/,
  },
  'of an AWS account without a role': {
    spec: { source: ofAws('no-role') },
    reason: 'RoleMissing',
    field: 'spec.source.awsSecretsManager.roleArn',
    allowed: /such as arn:aws:iam::123456789012:role\/agents/,
  },
  'by EKS Pod Identity, which is for captured agents only (K-06)': {
    about: { capture: { level: 'cooperative', allowCooperative: false } },
    spec: { source: ofAws('pod', { roleArn: role }) },
    reason: 'CaptureRequired',
    field: 'spec.source.awsSecretsManager.store',
    allowed: /auth: \{ webIdentity: \{\} \}/,
  },
  'in a file of no volume': {
    spec: { source: { file: { path: 'token' } } },
    reason: 'VolumeMissing',
    field: 'spec.source.file.volume',
    allowed: /volume: \{ secret: github-bot \}/,
  },
  'whose refresh token rotates in AWS': {
    spec: {
      source: ofAws('corp-aws'),
      inject: oauth2({ refreshToken: { clientId: 'a', rotating: true } }),
    },
    reason: 'NeedsCompareAndSet',
    field: 'spec.inject.oauth2.refreshToken.rotating',
    allowed: /source.vault.kv with version: 2/,
  },
  'whose token endpoint is nobody’s (P-20)': {
    spec: {
      inject: {
        oauth2: {
          tokenEndpoint: { url: 'https://evil.example/token' },
          clientCredentials: { clientId: 'a' },
        },
      },
    },
    reason: 'TokenEndpointUnknown',
    field: 'spec.inject.oauth2.tokenEndpoint.url',
    allowed: /ask the platform for an AgentDestination/,
  },
  'whose token endpoint does not exist': {
    spec: { inject: github({ destination: 'gone', path: '/api/v3' }) },
    reason: 'DestinationNotFound',
    field: 'spec.inject.githubApp.endpoint.destination',
    allowed: /there is idp, plain$/,
  },
  'whose token endpoint has no TLS (T-07)': {
    spec: {
      inject: {
        googleServiceAccount: { scopes: ['a'], tokenEndpoint: { destination: 'plain', path: '/token' } },
      },
    },
    reason: 'DestinationNotHttps',
    field: 'spec.inject.googleServiceAccount.tokenEndpoint.destination',
    allowed: /its scheme must be https/,
  },
  'with basic and no user name': {
    spec: { inject: { basic: {} } },
    reason: 'PartMissing',
    field: 'spec.inject.basic',
    allowed: /write username, or list the fields .* such as fields: \[username\]/,
  },
  'with basic and no password': {
    spec: { source: fields('username', 'pass'), inject: { basic: {} } },
    reason: 'PartMissing',
    field: 'spec.inject.basic',
    allowed: /has no password: add it there, or say under fields how it is called/,
  },
  'with a part that is called what the source does not have': {
    spec: {
      source: fields('id', 'secret'),
      inject: oauth2({
        clientCredentials: { clientId: 'a' },
        fields: { clientSecret: 'client_secret' },
      }),
    },
    reason: 'PartMissing',
    field: 'spec.inject.oauth2',
    allowed: /has no client_secret: add it there/,
  },
  'with a bearer token of several fields': {
    spec: { source: fields('username', 'token') },
    reason: 'PartMissing',
    field: 'spec.inject.bearer',
    allowed: /write field with the one that is used/,
  },
  'with SigV4 and no id of a key': {
    spec: { inject: { awsSigV4: { service: 's3', regions: ['eu-central-1'] } } },
    reason: 'PartMissing',
    field: 'spec.inject.awsSigV4',
    allowed: /write accessKeyId/,
  },
  'with a field in a template that the source does not have': {
    spec: { inject: { hmac: { ...hmac, canonical: '{timestamp}{field.passphrase}' } } },
    reason: 'PartMissing',
    field: 'spec.inject.hmac',
    allowed: /needs the part passphrase/,
  },
  'with basic and no user name for a minted token': {
    spec: { inject: github(), allow: [entry(['github.com'], { basic: {} })] },
    reason: 'PartMissing',
    field: 'spec.allow[0].inject.basic',
    allowed: /write username/,
  },
  'with a variable that does not exist': {
    spec: { inject: { hmac: { ...hmac, canonical: '{timestamp}{nothing}' } } },
    reason: 'TemplateInvalid',
    field: 'spec.inject.hmac.canonical',
    allowed: /write one of \{timestamp\}/,
  },
  'with a template of an entry that signs what is sent': {
    spec: {
      allow: [entry(['api.example.com'], { hmac: { ...hmac, headers: { 'x-sign': '{body}{signature}' } } })],
    },
    reason: 'TemplateInvalid',
    field: 'spec.allow[0].inject.hmac.headers[x-sign]',
    allowed: /write it in canonical/,
  },
  'with entries that overlap and differ': {
    spec: {
      allow: [
        entry(['*.example.com'], { query: { name: 'k' } }, { methods: ['GET', 'POST'] }),
        entry(['api.example.com'], undefined, { methods: ['POST'], paths: ['/v1/**'] }),
      ],
    },
    reason: 'InjectAmbiguous',
    field: 'spec.allow[1]',
    allowed: /overlaps spec.allow\[0\].*credential_ambiguous/,
    blocking: false,
  },
  'with entries that overlap and place a minted token differently': {
    spec: {
      inject: github(),
      allow: [entry(['github.com'], { basic: { username: 'a' } }), entry(['github.com'])],
    },
    reason: 'InjectAmbiguous',
    field: 'spec.allow[1]',
    allowed: /give both the same inject/,
    blocking: false,
  },
};

describe('a credential', () => {
  for (const [what, { about, spec, reason, field, allowed, blocking = true }] of Object.entries(cases)) {
    it(what, () => {
      const found = check(spec, about);
      assert.deepEqual(
        found.map((finding) => [finding.reason, finding.field, finding.blocking]),
        [[reason, field, blocking]],
      );
      assert.match(found[0]?.message ?? '', allowed);
    });
  }

  it('whose entries are as many and as long as they can be is checked within a second (O-06)', () => {
    const entries = Array.from({ length: 16 }, (_, index) => ({
      hosts: [...Array.from({ length: 15 }, (__, at) => `**.h${index}-${at}.example.com`), 'api.example.com'],
      paths: Array.from({ length: 16 }, (__, at) => `${'/**/a'.repeat(98)}/x${index}-${at}`),
      inject: { query: { name: `q${index}` } },
    }));
    const startedAt = performance.now();
    check({ allow: entries });
    assert.ok(performance.now() - startedAt < 1000);
  });

  it('in a file of no volume is usable in local mode, with advice', () => {
    const [found, ...more] = check({ source: { file: { path: 'token' } } }, { isLocal: true });
    assert.deepEqual([found?.reason, found?.blocking, more], ['Advice', false, []]);
  });

  const usable: Record<string, object> = {
    'in a Vault': {},
    'in AWS by the store’s role': { source: ofAws('corp-aws') },
    'by EKS Pod Identity, where agents are captured': { source: ofAws('pod') },
    'in AWS by a role of its own': { source: ofAws('no-role', { roleArn: role }) },
    'in a file of a volume': { source: { file: { path: 'token', volume: { secret: 'bot' } } } },
    'with basic of a user name and one value': { inject: { basic: { username: 'a' } } },
    'with basic of two fields by other names': {
      source: fields('user', 'pass'),
      inject: { basic: { fields: { username: 'user', password: 'pass' } } },
    },
    'with SigV4 of two fields': {
      source: fields('accessKeyId', 'secretAccessKey'),
      inject: { awsSigV4: { service: 's3', regions: ['eu-central-1'] } },
    },
    'with an HMAC': { inject: { hmac } },
    'that rotates in version 2 of a KV engine': {
      inject: oauth2({ refreshToken: { clientId: 'a', rotating: true } }),
    },
    'with entries that differ and do not overlap': {
      allow: [
        entry(['api.example.com'], { query: { name: 'k' } }, { methods: ['GET'] }),
        entry(['api.example.com'], undefined, { methods: ['POST'] }),
      ],
    },
    'with entries that overlap and say the same': {
      inject: github(),
      allow: [entry(['**.github.com'], { bearer: {} }), entry(['api.github.com'])],
    },
  };
  for (const [what, spec] of Object.entries(usable)) {
    it(`${what} has nothing wrong with it`, () => assert.deepEqual(check(spec), []));
  }
});

it('every shipped token endpoint can be written in a credential', () => {
  for (const { url } of tokenEndpoints) {
    const inject = { oauth2: { tokenEndpoint: { url }, refreshToken: { clientId: 'a' } } };
    assert.deepEqual(check({ inject }), [], url);
  }
});

it('docs/credentials/status.md has every reason of a finding', () => {
  const [, page = ''] = readFileSync(statusPage, 'utf8').split('## Reasons that need no agent');
  const [table = ''] = page.split('\n## ');
  const listed = [...table.matchAll(/^\| `(\w+)`/gm)].map(([, reason]) => reason);
  const reasons = new Set([
    ...Object.values(cases).map(({ reason }) => reason),
    'CaBundleUnreadable',
    'CeilingTooWide',
    'Invalid',
  ]);
  assert.deepEqual(listed, [...reasons].toSorted());
});
