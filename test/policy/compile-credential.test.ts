import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { CaptureSettings } from '../../policy/capture-level.ts';
import { compileRuleset } from '../../policy/compile.ts';
import type { Ruleset } from '../../policy/ruleset.ts';
import { credential, destination, policy, store, type Manifest } from './resources/examples.ts';

const allow = [{ hosts: ['api.example.com'] }];
const named = policy({
  agents: {},
  rules: [{ name: 'r', action: 'Allow', hosts: ['api.example.com'], credential: 'bot' }],
});
const idp = (fields: object = {}) =>
  destination({ service: { namespace: 'idp', name: 'idp', port: 8443 }, ...fields }, 'idp');
const awsStore = (fields: object = {}) =>
  store({ vault: undefined, awsSecretsManager: { region: 'eu-central-1', ...fields } }, 'aws');
const atIdp = { tokenEndpoint: { destination: 'idp', path: '/token' }, clientCredentials: { clientId: 'a' } };
const inVault = (fields: object) => ({ vault: { store: 's', role: 'r', ...fields } });
const kv = { mount: 'secret', path: 'a', field: 't' };
const inAws = { awsSecretsManager: { store: 'aws', secretId: 'agents/stripe' } };
const role = 'arn:aws:iam::123456789012:role/agents';

interface Others {
  readonly stores?: Manifest[];
  readonly destinations?: Manifest[];
  readonly capture?: CaptureSettings;
}

function compile(spec: object, others: Others = {}): Ruleset {
  return compileRuleset({
    agent: {
      namespace: 'default',
      serviceAccount: 'triage',
      namespaceLabels: { team: 'a' },
      podLabels: [{}],
    },
    policies: [named],
    clusterPolicies: [],
    credentials: [credential(spec, 'bot')],
    stores: others.stores ?? [store({})],
    destinations: others.destinations ?? [],
    settings: {
      clusterDomain: 'cluster.local',
      telemetry: null,
      operatorCas: '',
      clusterRanges: [],
      ...(others.capture === undefined ? {} : { capture: others.capture }),
    },
  }).ruleset;
}

describe('a credential is left out of rulesets', () => {
  const closed = { namespaceSelector: { matchLabels: { team: 'b' } } };
  const refused: Record<string, [spec: object, others: Parameters<typeof compile>[1]]> = {
    'whose Vault is an AWS account': [
      { source: { vault: { store: 'aws', role: 'r', kv } } },
      { stores: [awsStore({ roleArn: role })] },
    ],
    'whose AWS account is a Vault': [
      { source: { awsSecretsManager: { store: 's', secretId: 'a', roleArn: role } } },
      {},
    ],
    'whose AWS account has no role': [{ source: inAws }, { stores: [awsStore()] }],
    'whose AWS account logs in by Pod Identity, which any container of the pod could (K-06)': [
      { source: inAws },
      {
        stores: [awsStore({ roleArn: role, auth: { podIdentity: {} } })],
        capture: { level: 'cooperative', allowCooperative: false },
      },
    ],
    'whose token endpoint is not shipped (P-20)': [
      {
        inject: {
          oauth2: { tokenEndpoint: { url: 'https://evil.example/token' }, clientCredentials: {} },
        },
      },
      {},
    ],
    'whose token endpoint lies at no destination': [{ inject: { oauth2: atIdp } }, {}],
    'whose token endpoint is not open to the namespace (O-02)': [
      { inject: { oauth2: atIdp } },
      { destinations: [idp(closed)] },
    ],
    'whose token endpoint has no TLS (T-07)': [
      { inject: { oauth2: atIdp } },
      { destinations: [idp({ service: { namespace: 'idp', name: 'idp', port: 80, scheme: 'http' } })] },
    ],
    'whose GitHub Enterprise is not open to the namespace (O-02)': [
      {
        inject: {
          githubApp: { appId: '1', installationId: '2', endpoint: { destination: 'idp', path: '/api/v3' } },
        },
      },
      { destinations: [idp(closed)] },
    ],
    'whose refresh token rotates in a file': [
      { inject: { oauth2: { ...atIdp, clientCredentials: undefined, refreshToken: { rotating: true } } } },
      { destinations: [idp()] },
    ],
    'whose refresh token rotates in version 1 of a KV engine': [
      {
        source: inVault({ kv: { ...kv, version: 1 } }),
        inject: { oauth2: { ...atIdp, clientCredentials: undefined, refreshToken: { rotating: true } } },
      },
      { destinations: [idp()] },
    ],
  };
  for (const [what, [spec, others]] of Object.entries(refused)) {
    it(what, () => {
      const { credentials, stores, destinations } = compile(spec, others);
      assert.deepEqual([credentials, stores, destinations], [{}, {}, {}]);
    });
  }
});

describe('a source comes without what absence says', () => {
  const fields = ['user', 'password'];
  const cases: Record<string, [source: object, compiled: object]> = {
    'several fields of a KV value': [
      inVault({ kv: { mount: 'secret', path: 'a', fields } }),
      { kind: 'vault', store: 's', role: 'r', kv: { mount: 'secret', path: 'a', version: 2, fields } },
    ],
    'a dynamic secret': [
      inVault({ dynamic: { path: 'database/creds/r' } }),
      { kind: 'vault', store: 's', role: 'r', dynamic: { path: 'database/creds/r' } },
    ],
    'an AWS secret': [
      { awsSecretsManager: { store: 'aws', secretId: 'a', versionStage: 'AWSPREVIOUS', field: 'k' } },
      { kind: 'awsSecretsManager', store: 'aws', secretId: 'a', field: 'k', versionStage: 'AWSPREVIOUS' },
    ],
    'a file of a Secret': [
      { file: { path: 'token', volume: { secret: 'bot' } } },
      { kind: 'file', path: 'token', volume: { secret: 'bot' } },
    ],
    'a file of the CSI driver': [
      { file: { path: 'db.json', volume: { csi: { secretProviderClass: 'db' } }, fields } },
      { kind: 'file', path: 'db.json', fields, volume: { csi: 'db' } },
    ],
  };
  for (const [what, [source, compiled]] of Object.entries(cases)) {
    it(what, () => {
      const { credentials } = compile({ source }, { stores: [store({}), awsStore({ roleArn: role })] });
      assert.deepEqual(credentials.bot?.source, compiled);
    });
  }
});

describe('a store comes with how to log in', () => {
  const vault = (auth: object) =>
    store({ vault: { address: 'https://vault:8200/', namespace: 'team', auth } });
  const atVault = { kind: 'vault', address: 'https://vault:8200', namespace: 'team' };
  const cases: Record<string, [resource: Manifest, compiled: object]> = {
    Kubernetes: [
      vault({ kubernetes: {} }),
      { ...atVault, auth: { kind: 'kubernetes', mount: 'kubernetes' } },
    ],
    JWT: [vault({ jwt: { mount: 'k8s' } }), { ...atVault, auth: { kind: 'jwt', mount: 'k8s' } }],
    AppRole: [
      vault({ appRole: { secretId: { secret: 'approle', wrapped: false } } }),
      {
        ...atVault,
        auth: { kind: 'appRole', mount: 'approle', secretId: { secret: 'approle', key: 'secret-id' } },
      },
    ],
    'a wrapped AppRole': [
      vault({ appRole: { secretId: { secret: 'approle', key: 'token', wrapped: true } } }),
      {
        ...atVault,
        auth: {
          kind: 'appRole',
          mount: 'approle',
          secretId: { secret: 'approle', key: 'token', wrapped: true },
        },
      },
    ],
  };
  for (const [what, [resource, compiled]] of Object.entries(cases)) {
    it(what, () => {
      const { stores } = compile({ source: inVault({ kv }) }, { stores: [resource] });
      assert.deepEqual(stores.s, compiled);
    });
  }
  it('a web identity, where an AWS account does not say', () => {
    const { stores } = compile({ source: inAws }, { stores: [awsStore({ roleArn: role, fips: false })] });
    assert.deepEqual(stores.aws, {
      kind: 'awsSecretsManager',
      region: 'eu-central-1',
      roleArn: role,
      auth: { kind: 'webIdentity' },
    });
  });
  it('static keys of an AWS account, which need no role', () => {
    const resource = awsStore({ endpoint: 'https://moto:5000/', auth: { staticKeys: { secret: 'keys' } } });
    assert.deepEqual(compile({ source: inAws }, { stores: [resource] }).stores.aws, {
      kind: 'awsSecretsManager',
      region: 'eu-central-1',
      endpoint: 'https://moto:5000',
      auth: { kind: 'staticKeys', secret: 'keys' },
    });
  });
});

describe('an injection comes with its kind and its defaults', () => {
  const cases: Record<string, [inject: object, compiled: object]> = {
    basic: [{ basic: { username: 'x-access-token' } }, { kind: 'basic', username: 'x-access-token' }],
    'a header': [{ header: { name: 'x-api-key' } }, { kind: 'header', name: 'x-api-key' }],
    'a parameter': [{ query: { name: 'key' } }, { kind: 'query', name: 'key' }],
    'a path': [{ path: { prefix: '/bot' } }, { kind: 'path', prefix: '/bot' }],
    'a body': [{ body: { pointer: '/a' } }, { kind: 'body', pointer: '/a' }],
    SigV4: [
      { awsSigV4: { service: 's3', regions: ['eu-central-1'], fields: { accessKeyId: 'id' } } },
      { kind: 'awsSigV4', service: 's3', regions: ['eu-central-1'], fields: { accessKeyId: 'id' } },
    ],
    'OAuth 1': [{ oauth1: {} }, { kind: 'oauth1', signatureMethod: 'HmacSha1' }],
    'an HMAC': [
      { hmac: { canonical: '{body}', query: [{ name: 's', value: '{signature}' }] } },
      {
        kind: 'hmac',
        algorithm: 'Sha256',
        keyEncoding: 'Utf8',
        canonical: '{body}',
        digest: 'Hex',
        timestamp: 'Seconds',
        query: [{ name: 's', value: '{signature}' }],
      },
    ],
    'client credentials': [
      { oauth2: atIdp },
      {
        kind: 'oauth2',
        tokenEndpoint: { destination: 'idp', path: '/token' },
        grant: { kind: 'clientCredentials', clientId: 'a', authentication: 'Basic' },
      },
    ],
    'a refresh token that stays': [
      { oauth2: { ...atIdp, clientCredentials: undefined, refreshToken: { rotating: false } } },
      {
        kind: 'oauth2',
        tokenEndpoint: { destination: 'idp', path: '/token' },
        grant: { kind: 'refreshToken', authentication: 'Basic' },
      },
    ],
    'an assertion': [
      { oauth2: { ...atIdp, clientCredentials: undefined, jwtBearer: { issuer: 'a' } } },
      {
        kind: 'oauth2',
        tokenEndpoint: { destination: 'idp', path: '/token' },
        grant: { kind: 'jwtBearer', algorithm: 'RS256', issuer: 'a' },
      },
    ],
    'a GitHub App': [
      { githubApp: { appId: '1', installationId: '2', permissions: { contents: 'read' } } },
      { kind: 'githubApp', appId: '1', installationId: '2', permissions: { contents: 'read' } },
    ],
    'a Google service account': [
      { googleServiceAccount: { scopes: ['a'] } },
      { kind: 'googleServiceAccount', scopes: ['a'] },
    ],
  };
  for (const [what, [inject, compiled]] of Object.entries(cases)) {
    it(what, () => {
      const { credentials } = compile({ inject }, { destinations: [idp()] });
      assert.deepEqual(credentials.bot?.inject, compiled);
    });
  }
  it('brings the destination of its token endpoint along', () => {
    const { destinations } = compile({ inject: { oauth2: atIdp } }, { destinations: [idp()] });
    assert.deepEqual(Object.keys(destinations), ['idp']);
  });
  it('of an entry stands in that entry', () => {
    const entries = [...allow, { hosts: ['git.example.com'], inject: { basic: { username: 'git' } } }];
    assert.deepEqual(compile({ allow: entries }).credentials.bot?.allow, [
      { hosts: ['api.example.com'] },
      { hosts: ['git.example.com'], inject: { kind: 'basic', username: 'git' } },
    ]);
  });
});

describe('an old sidecar refuses a ruleset (O-11)', () => {
  const always = ['rules/minting', 'rules/v1'];
  const bearer = ['inject/bearer', ...always];
  const atAws = { stores: [awsStore({ roleArn: role })] };
  const kvFields = { mount: 'secret', path: 'a', fields: ['t'] };
  const cases: Record<string, [spec: object, others: Parameters<typeof compile>[1], needs: string[]]> = {
    'with a file': [{}, {}, [...bearer, 'source/file']],
    'with one field of a KV value': [{ source: inVault({ kv }) }, {}, [...bearer, 'source/vault']],
    'with several fields of a KV value': [
      { source: inVault({ kv: kvFields }) },
      {},
      [...bearer, 'source/fields', 'source/vault'],
    ],
    'with a whole dynamic secret': [
      { source: inVault({ dynamic: { path: 'a/b' } }) },
      {},
      [...bearer, 'source/vault', 'source/vault/dynamic'],
    ],
    'with one field of a dynamic secret': [
      { source: inVault({ dynamic: { path: 'a/b', field: 'c' } }) },
      {},
      [...bearer, 'source/fields', 'source/vault', 'source/vault/dynamic'],
    ],
    'with an AWS secret': [{ source: inAws }, atAws, [...bearer, 'source/awsSecretsManager']],
    'with a field of an AWS secret': [
      { source: { awsSecretsManager: { ...inAws.awsSecretsManager, field: 'k' } } },
      atAws,
      [...bearer, 'source/awsSecretsManager', 'source/fields'],
    ],
    'with a field of a file of a volume': [
      { source: { file: { path: 'a', field: 'k', volume: { secret: 's' } } } },
      {},
      [...bearer, 'source/fields', 'source/file', 'source/file/volume'],
    ],
    'with JWT at Vault': [
      { source: inVault({ kv }) },
      { stores: [store({ vault: { address: 'https://v:8200', auth: { jwt: {} } } })] },
      [...bearer, 'source/vault', 'store/vault/jwt'],
    ],
    'with AppRole at Vault': [
      { source: inVault({ kv }) },
      {
        stores: [
          store({ vault: { address: 'https://v:8200', auth: { appRole: { secretId: { secret: 'a' } } } } }),
        ],
      },
      [...bearer, 'source/vault', 'store/vault/appRole'],
    ],
    'with another way in an entry': [
      { allow: [{ hosts: ['api.example.com'], inject: { query: { name: 'k' } } }] },
      {},
      ['inject/per-entry', 'inject/query', ...bearer, 'source/file'],
    ],
    'with a placeholder file': [
      {
        inject: { googleServiceAccount: { scopes: ['a'] } },
        placeholderFile: { env: 'GOOGLE_APPLICATION_CREDENTIALS' },
      },
      {},
      ['inject/googleServiceAccount', 'placeholder-file', ...always, 'source/file'],
    ],
  };
  for (const [what, [spec, others, needs]] of Object.entries(cases)) {
    it(what, () => assert.deepEqual(compile(spec, others).requires, needs.toSorted()));
  }
});
