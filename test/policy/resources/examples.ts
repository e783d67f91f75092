// Good and bad resources, one table for both validators: the real API server and local mode's zod.

export type Manifest = Record<string, unknown>;

interface BadExample {
  readonly resource: Manifest;
  /** The field as both name it. */
  readonly field: string;
  /** Part of the sentence that says what is allowed. */
  readonly allowed: RegExp;
}

const pem = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n';

export function policy(spec: unknown, name = 'p'): Manifest {
  return {
    apiVersion: 'outrider.dev/v1alpha1',
    kind: 'AgentPolicy',
    metadata: { name, namespace: 'default' },
    spec,
  };
}

export function credential(spec: object, name = 'c'): Manifest {
  const whole = {
    source: { file: { path: 'token' } },
    allow: [{ hosts: ['api.example.com'] }],
    inject: { bearer: {} },
    ...spec,
  };
  return {
    apiVersion: 'outrider.dev/v1alpha1',
    kind: 'AgentCredential',
    metadata: { name, namespace: 'default' },
    spec: whole,
  };
}

export function store(spec: object, name = 's'): Manifest {
  const whole = {
    namespaceSelector: {},
    audience: 'outrider.dev/corp',
    vault: { address: 'https://vault.vault.svc:8200', auth: { kubernetes: {} } },
    ...spec,
  };
  return { apiVersion: 'outrider.dev/v1alpha1', kind: 'AgentSecretStore', metadata: { name }, spec: whole };
}

export function destination(spec: object, name = 'd'): Manifest {
  return {
    apiVersion: 'outrider.dev/v1alpha1',
    kind: 'AgentDestination',
    metadata: { name },
    spec: { namespaceSelector: {}, ...spec },
  };
}

function rule(fields: object): Manifest {
  return policy({
    agents: {},
    rules: [{ name: 'r', action: 'Allow', hosts: ['api.example.com'], ...fields }],
  });
}

function deny(fields: object): Manifest {
  return policy({ agents: {}, rules: [{ name: 'r', action: 'Deny', ...fields }] });
}

function vault(fields: object): Manifest {
  const kv = { mount: 'secret', path: 'agents/github', field: 'token' };
  return credential({ source: { vault: { role: 'agents', kv, ...fields } } });
}

export const bad: Record<string, BadExample> = {
  'a policy without agents': {
    resource: policy({ rules: [] }),
    field: 'spec.agents',
    allowed: /[Rr]equired/,
  },
  'a policy without a spec': { resource: policy(undefined), field: 'spec', allowed: /[Rr]equired/ },
  'an unknown field': {
    resource: policy({ agents: {}, ruels: [] }),
    field: 'spec.ruels',
    allowed: /unknown field|not a field/,
  },
  'an unknown field of a rule': {
    resource: rule({ host: ['a.example'] }),
    field: 'spec.rules[0].host',
    allowed: /unknown field|not a field/,
  },
  'an empty matchLabels': {
    resource: policy({ agents: { podSelector: { matchLabels: {} } } }),
    field: 'spec.agents.podSelector.matchLabels',
    allowed: /list at least one, or leave the field out/,
  },
  'an empty list of service accounts': {
    resource: policy({ agents: { serviceAccounts: [] } }),
    field: 'spec.agents.serviceAccounts',
    allowed: /list at least one, such as default/,
  },
  'a selector operator without values': {
    resource: policy({ agents: { podSelector: { matchExpressions: [{ key: 'app', operator: 'In' }] } } }),
    field: 'spec.agents.podSelector.matchExpressions[0]',
    allowed: /In and NotIn need at least one/,
  },
  'an action that does not exist': {
    resource: rule({ action: 'Permit' }),
    field: 'spec.rules[0].action',
    allowed: /Allow.*Deny/,
  },
  'a rule without a name': {
    resource: policy({ agents: {}, rules: [{ action: 'Deny' }] }),
    field: 'spec.rules[0].name',
    allowed: /[Rr]equired/,
  },
  'a rule whose name has spaces': {
    resource: rule({ name: 'Read issues' }),
    field: 'spec.rules[0].name',
    allowed: /such as read-issues/,
  },
  'an Allow without a place': {
    resource: policy({ agents: {}, rules: [{ name: 'r', action: 'Allow' }] }),
    field: 'spec.rules[0]',
    allowed: /exactly one of hosts and destination/,
  },
  'an Allow with two places': {
    resource: rule({ destination: 'wiki' }),
    field: 'spec.rules[0]',
    allowed: /exactly one of hosts and destination/,
  },
  'a Deny with two places': {
    resource: deny({ hosts: ['a.example'], destination: 'w' }),
    field: 'spec.rules[0]',
    allowed: /at most one/,
  },
  'a Deny with a credential': {
    resource: deny({ credential: 'bot' }),
    field: 'spec.rules[0]',
    allowed: /leave credential out/,
  },
  'an empty list of hosts': {
    resource: rule({ hosts: [] }),
    field: 'spec.rules[0].hosts',
    allowed: /such as api.github.com/,
  },
  'a URL as host': {
    resource: rule({ hosts: ['https://api.example.com'] }),
    field: 'spec.rules[0].hosts[0]',
    allowed: /without scheme, port or path/,
  },
  'a host with a port': {
    resource: rule({ hosts: ['api.example.com:443'] }),
    field: 'spec.rules[0].hosts[0]',
    allowed: /without scheme, port or path/,
  },
  'a host in upper case': {
    resource: rule({ hosts: ['API.example.com'] }),
    field: 'spec.rules[0].hosts[0]',
    allowed: /lower-case/,
  },
  'a host in Unicode (H-10)': {
    resource: rule({ hosts: ['b\u00fccher.example'] }),
    field: 'spec.rules[0].hosts[0]',
    allowed: /DNS name/,
  },
  'a method in lower case': {
    resource: rule({ methods: ['get'] }),
    field: 'spec.rules[0].methods[0]',
    allowed: /such as GET/,
  },
  'an empty list of methods': {
    resource: rule({ methods: [] }),
    field: 'spec.rules[0].methods',
    allowed: /such as GET/,
  },
  'a path without a slash': {
    resource: rule({ paths: ['v1/x'] }),
    field: 'spec.rules[0].paths[0]',
    allowed: /start with \//,
  },
  'a path with a query': {
    resource: rule({ paths: ['/v1?x=y'] }),
    field: 'spec.rules[0].paths[0]',
    allowed: /without query/,
  },
  'a path with an escape': {
    resource: rule({ paths: ['/a%2fb'] }),
    field: 'spec.rules[0].paths[0]',
    allowed: /decoded characters/,
  },
  'a path with a dot segment (H-20)': {
    resource: rule({ paths: ['/a/../b'] }),
    field: 'spec.rules[0].paths[0]',
    allowed: /dot segment/,
  },
  'a path with an empty segment (H-20)': {
    resource: rule({ paths: ['/a//b'] }),
    field: 'spec.rules[0].paths[0]',
    allowed: /empty or dot segment/,
  },
  'a path with ** inside a segment': {
    resource: rule({ paths: ['/a**'] }),
    field: 'spec.rules[0].paths[0]',
    allowed: /whole segment/,
  },
  'two rules of one name': {
    resource: policy({
      agents: {},
      rules: [
        { name: 'r', action: 'Deny' },
        { name: 'r', action: 'Deny' },
      ],
    }),
    field: 'spec.rules',
    allowed: /[Dd]uplicate|unique/,
  },
  'too many rules (O-06)': {
    resource: policy({
      agents: {},
      rules: Array.from({ length: 65 }, (_, index) => ({ name: `r${index}`, action: 'Deny' })),
    }),
    field: 'spec.rules',
    allowed: /64/,
  },
  'a credential without a source': {
    resource: credential({ source: {} }),
    field: 'spec.source',
    allowed: /exactly one of vault, file/,
  },
  'a credential with two sources': {
    resource: credential({
      source: { file: { path: 'a' }, vault: { role: 'r', kv: { mount: 'm', path: 'p', field: 'f' } } },
    }),
    field: 'spec.source',
    allowed: /exactly one of vault, file/,
  },
  'a credential that names a store of another namespace (O-02)': {
    resource: vault({ store: 'team-b/corp' }),
    field: 'spec.source.vault.store',
    allowed: /such as github-bot/,
  },
  'a Vault source without a place': {
    resource: vault({ kv: undefined }),
    field: 'spec.source.vault',
    allowed: /write kv/,
  },
  'a Vault source without a role': {
    resource: vault({ role: undefined }),
    field: 'spec.source.vault.role',
    allowed: /[Rr]equired/,
  },
  'a Vault path that climbs (O-03)': {
    resource: vault({ kv: { mount: 'secret', path: 'agents/../../sys', field: 'token' } }),
    field: 'spec.source.vault.kv.path',
    allowed: /such as agents\/github/,
  },
  'a Vault path with a template (O-03)': {
    resource: vault({ kv: { mount: 'secret', path: 'agents/{{x}}', field: 'token' } }),
    field: 'spec.source.vault.kv.path',
    allowed: /such as agents\/github/,
  },
  'a KV version that does not exist': {
    resource: vault({ kv: { mount: 'secret', path: 'a', field: 'f', version: 3 } }),
    field: 'spec.source.vault.kv.version',
    allowed: /1.*2/,
  },
  'a file that climbs': {
    resource: credential({ source: { file: { path: '../etc/passwd' } } }),
    field: 'spec.source.file.path',
    allowed: /such as github.token/,
  },
  'an absolute file': {
    resource: credential({ source: { file: { path: '/etc/passwd' } } }),
    field: 'spec.source.file.path',
    allowed: /such as github.token/,
  },
  'an empty ceiling': {
    resource: credential({ allow: [] }),
    field: 'spec.allow',
    allowed: /list at least one/,
  },
  'a ceiling without a place': {
    resource: credential({ allow: [{ methods: ['GET'] }] }),
    field: 'spec.allow[0]',
    allowed: /exactly one of hosts, destination/,
  },
  'a ceiling of every host': {
    resource: credential({ allow: [{ hosts: ['**'] }] }),
    field: 'spec.allow[0].hosts[0]',
    allowed: /\*\.example\.com/,
  },
  'a ceiling over a top-level domain': {
    resource: credential({ allow: [{ hosts: ['*.com'] }] }),
    field: 'spec.allow[0].hosts[0]',
    allowed: /\*\.example\.com/,
  },
  'a credential without a way to inject it': {
    resource: credential({ inject: {} }),
    field: 'spec.inject',
    allowed: /write bearer/,
  },
  'a placeholder for PATH': {
    resource: credential({ placeholderEnv: ['PATH'] }),
    field: 'spec.placeholderEnv[0]',
    allowed: /cannot be a placeholder/,
  },
  'a placeholder for the proxy': {
    resource: credential({ placeholderEnv: ['https_proxy'] }),
    field: 'spec.placeholderEnv[0]',
    allowed: /cannot be a placeholder/,
  },
  'a placeholder that is no variable': {
    resource: credential({ placeholderEnv: ['A-B'] }),
    field: 'spec.placeholderEnv[0]',
    allowed: /such as GITHUB_TOKEN/,
  },
  'a refresh interval that is too short': {
    resource: credential({ refreshInterval: '1s' }),
    field: 'spec.refreshInterval',
    allowed: /from 5s to 24h/,
  },
  'a refresh interval in words': {
    resource: credential({ refreshInterval: 'often' }),
    field: 'spec.refreshInterval',
    allowed: /such as 5m/,
  },
  'a store over plain HTTP (T-07)': {
    resource: store({ vault: { address: 'http://vault:8200', auth: { kubernetes: {} } } }),
    field: 'spec.vault.address',
    allowed: /https:\/\/host:port/,
  },
  'a store with a user in its address': {
    resource: store({ vault: { address: 'https://u:p@vault:8200', auth: { kubernetes: {} } } }),
    field: 'spec.vault.address',
    allowed: /https:\/\/host:port/,
  },
  'a store with the audience of another (K-02)': {
    resource: store({ audience: 'vault' }),
    field: 'spec.audience',
    allowed: /such as outrider.dev\/corp-vault/,
  },
  "a store with the operator's audience": {
    resource: store({ audience: 'outrider.dev/operator' }),
    field: 'spec.audience',
    allowed: /the operator's/,
  },
  'a store without a kind of store': {
    resource: store({ vault: undefined }),
    field: 'spec',
    allowed: /write vault/,
  },
  'a CA bundle that is no PEM': {
    resource: store({ vault: { address: 'https://v:8200', caBundle: 'MIIB', auth: { kubernetes: {} } } }),
    field: 'spec.vault.caBundle',
    allowed: /PEM text/,
  },
  'a CA bundle with a key in it': {
    resource: store({
      vault: {
        address: 'https://v:8200',
        caBundle: `${pem}-----BEGIN PRIVATE KEY-----`,
        auth: { kubernetes: {} },
      },
    }),
    field: 'spec.vault.caBundle',
    allowed: /no key/,
  },
  'a destination without a place': {
    resource: destination({}),
    field: 'spec',
    allowed: /exactly one of service, host/,
  },
  'a destination without ranges': {
    resource: destination({ host: { name: 'wiki.corp', port: 443 } }),
    field: 'spec.host.cidrs',
    allowed: /[Rr]equired/,
  },
  'a destination with a wildcard': {
    resource: destination({ host: { name: '*.corp', port: 443, cidrs: ['10.0.0.0/8'] } }),
    field: 'spec.host.name',
    allowed: /without scheme, port or wildcard/,
  },
  'a range that is none': {
    resource: destination({ host: { name: 'wiki.corp', port: 443, cidrs: ['10.0.0.1'] } }),
    field: 'spec.host.cidrs[0]',
    allowed: /such as 10.20.0.0\/16/,
  },
  'a port that is none': {
    resource: destination({ service: { namespace: 'tools', name: 'wiki', port: 70_000 } }),
    field: 'spec.service.port',
    allowed: /65535/,
  },
  'a scheme that is not governed yet': {
    resource: destination({ service: { namespace: 'tools', name: 'wiki', port: 80, scheme: 'http' } }),
    field: 'spec.service.scheme',
    allowed: /https/,
  },
};

const many = (count: number, item: (index: number) => string) =>
  Array.from({ length: count }, (_, index) => item(index));

export const good: Record<string, Manifest> = {
  'the kill switch': policy({ agents: { serviceAccounts: ['triage'] }, haltAgents: true }, 'kill'),
  'a policy for all agents': policy({ agents: {}, rules: [{ name: 'r', action: 'Deny' }] }, 'all'),
  'a policy at every limit': policy(
    {
      agents: {
        podSelector: {
          matchLabels: { app: 'a' },
          matchExpressions: [{ key: 'team', operator: 'In', values: ['a'] }],
        },
      },
      rules: many(64, (index) => `rule-${index}`).map((name) => ({
        name,
        action: 'Allow',
        message: 'm'.repeat(512),
        hosts: many(16, (index) => `${'h'.repeat(60)}.h${index}.example.com`),
        methods: ['GET', 'M-SEARCH'],
        paths: many(
          16,
          (index) => `/v${index}/**/models/*:generateContent/team@acme.example/${'p'.repeat(150)}`,
        ),
        credential: 'bot',
      })),
    },
    'limits',
  ),
  'a credential in Vault': vault({}),
  'a credential in a file': credential(
    { refreshInterval: '1h30m', placeholderEnv: ['GITHUB_TOKEN'] },
    'file',
  ),
  'a credential under a wildcard': credential(
    { allow: [{ hosts: ['**.acme.example'], methods: ['GET'], paths: ['/v1/**'] }] },
    'wild',
  ),
  'a store': store({}),
  'a store of one team': store({ namespaceSelector: { matchLabels: { team: 'a' } } }, 'team'),
  'a destination of a Service': destination(
    { service: { namespace: 'tools', name: 'wiki', port: 8443 }, caBundle: pem },
    'service',
  ),
  'a destination of a host': destination(
    { host: { name: '10.1.2.3', port: 8443, scheme: 'https', cidrs: ['10.1.2.3/32', 'fd00::/8'] } },
    'host',
  ),
};
