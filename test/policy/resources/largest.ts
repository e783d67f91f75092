// Objects at the bounds of their schemas: every list and map full, every rule different, and strings as long as etcd's
// limit on an object (1.5 MiB) leaves room for.

import {
  clusterPolicy,
  credential,
  destination,
  many,
  manyNamed,
  pem,
  policy,
  store,
  type Manifest,
} from './examples.ts';

/** Room for what the API server adds: managedFields and defaults. */
const maxObjectBytes = 1.5 * 1024 * 1024 - 32 * 1024;

const sized = (text: string, length: number): string =>
  text.padEnd(length, 'x').slice(0, Math.max(length, text.length));

/** Every bound of a rule at once but those of strings, which are `length` characters or their own bound. */
function fullRule(index: number, length: number, isGrant: boolean, reads: 'mcp' | 'body'): object {
  const id = (kind: string, item: number): string => `${kind}${index}-${item}`;
  const upTo = (max: number): number => Math.min(max, length);
  const matchers = (kind: string, prefix: string, nameMax: number) =>
    manyNamed(16, (item) => {
      const name = sized(`${prefix}${id(kind, item)}`, upTo(nameMax));
      const long = { pattern: sized(`${id('p', item)}[a-z]+`, upTo(512)) };
      return [name, item % 2 === 0 ? long : { min: item, max: index + item }] as const;
    });
  const grant = {
    opens: ['EncodedSlash', 'PathParameters'],
    credential: sized(id('c', 0), upTo(253)),
    response: { return: 'StatusOnly' },
    limits: many(8, (item) => ({
      name: id('l', item),
      max: 1 + item,
      per: '24h',
      exceeded: 'RequireApproval',
    })),
    approval: { groups: many(16, (item) => sized(id('g', item), upTo(253))) },
  };
  return {
    name: id('rule', 0),
    action: isGrant ? 'Allow' : 'Deny',
    message: sized(id('m', 0), upTo(512)),
    hosts: many(16, (item) => `${'h'.repeat(upTo(63))}.${id('h', item)}.example.com`),
    methods: many(16, (item) => `M-${String.fromCodePoint(65 + item)}`),
    paths: many(16, (item) => sized(`/v${id('p', item)}/**/models/*:generateContent/`, upTo(512))),
    query: { fields: matchers('q', '', 128) },
    headers: { fields: matchers('x', '', 128) },
    when: sized(`request.path == "${id('w', 0)}" || `, upTo(1000)),
    during: {
      timeZone: 'America/Argentina/Buenos_Aires',
      windows: many(16, (item) => ({
        days: ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'],
        from: `0${item % 10}:00`,
        to: '18:00',
      })),
    },
    ...(reads === 'body'
      ? { body: { types: ['Json', 'Form'], maxBytes: '16Mi', fields: matchers('b', '/', 256) } }
      : {
          mcp: {
            tools: many(16, (tool) => ({
              name: id('t', tool),
              arguments: {
                fields: manyNamed(
                  16,
                  (item) => [`/${tool}-${item}`, { min: item, max: index + item }] as const,
                ),
              },
            })),
            methods: many(16, (item) => `m${String.fromCodePoint(97 + item)}/read`),
          },
        }),
    ...(isGrant ? grant : {}),
  };
}

/** Of all lengths of strings the largest that etcd takes. */
function largestOf(build: (length: number) => Manifest): Manifest {
  let largest: Manifest | undefined;
  for (let low = 1, high = 1024; low <= high;) {
    const length = (low + high) >> 1;
    const candidate = build(length);
    if (Buffer.byteLength(JSON.stringify(candidate)) <= maxObjectBytes) {
      largest = candidate;
      low = length + 1;
    } else high = length - 1;
  }
  if (largest === undefined) throw new Error('the lists alone are larger than etcd takes');
  return largest;
}

const selector = {
  matchLabels: manyNamed(16, (item) => [sized(`example.com/l${item}-`, 75), `v${'x'.repeat(62)}`] as const),
  matchExpressions: many(16, (item) => ({
    key: `k${item}`,
    operator: 'In',
    values: many(16, (value) => `v${value}`),
  })),
};
const serviceAccounts = many(16, (item) => `sa-${item}`);

const longRole = sized('arn:aws:iam::123456789012:role/', 512);
const fullFields = many(8, (item) => sized(`f${item}`, 256));
const fullKv = { mount: 'm'.repeat(128), path: 'p'.repeat(512) };
const fullHmac = {
  canonical: sized('{timestamp}{body}', 1024),
  headers: manyNamed(8, (item) => [sized(`x-${item}`, 128), sized('{signature}', 512)] as const),
  query: many(8, (item) => ({ name: sized(`q${item}`, 128), value: sized('{signature}', 512) })),
  fields: manyNamed(8, (item) => [sized(`f${item}`, 64), 'v'.repeat(256)] as const),
};
const fullSigV4 = {
  service: 's'.repeat(64),
  regions: many(32, (item) => `us-gov-${'w'.repeat(20)}-${item}`),
  accessKeyId: 'A'.repeat(128),
  fields: { accessKeyId: 'a'.repeat(256), secretAccessKey: 'b'.repeat(256), sessionToken: 'c'.repeat(256) },
};

/** A ceiling at every bound, each entry with a way of its own. */
function fullCeiling(inject: object): object[] {
  return many(16, (index) => ({
    hosts: many(16, (item) => `${'h'.repeat(63)}.h${index}-${item}.example.com`),
    methods: many(16, (item) => `M-${String.fromCodePoint(65 + item)}`),
    paths: many(16, (item) => sized(`/v${index}-${item}/**/x/`, 512)),
    inject,
  }));
}

/** Titles to objects. */
export function largestObjects(): Record<string, Manifest> {
  const agents = { podSelector: selector, serviceAccounts };
  const clusterAgents = { namespaceSelector: selector, serviceAccounts };
  const rules = (length: number, isGrant: boolean, reads: 'mcp' | 'body') =>
    many(64, (index) => fullRule(index, length, isGrant, reads));
  const github = many(64, (index) => ({
    name: `r${index}`,
    action: 'Deny',
    github: {
      repositories: many(16, (item) => `${'o'.repeat(39)}${index}/${sized(`r${item}`, 90)}`),
      operations: ['Read', 'Comment', 'OpenPullRequest', 'Push', 'Merge', 'DeleteRepository'],
      branches: many(16, (item) => `agent/${sized(`b${index}-${item}`, 249)}`),
      nodeIds: many(16, (item) => sized(`R_${index}-${item}`, 128)),
    },
  }));
  return {
    'an AgentPolicy of 16,384 arguments': largestOf((length) =>
      policy({ agents, rules: rules(length, true, 'mcp') }, 'mcp'),
    ),
    'an AgentPolicy of the longest strings': largestOf((length) =>
      policy({ agents, rules: rules(length, true, 'body') }, 'body'),
    ),
    'a ClusterAgentPolicy of 16,384 arguments': largestOf((length) =>
      clusterPolicy({ agents: clusterAgents, rules: rules(length, false, 'mcp') }, 'mcp'),
    ),
    'a ClusterAgentPolicy of the longest strings': largestOf((length) =>
      clusterPolicy({ agents: clusterAgents, rules: rules(length, false, 'body') }, 'body'),
    ),
    'an AgentPolicy of GitHub forms': policy({ agents, rules: github }, 'github'),
    'an AgentCredential of signatures': credential(
      {
        source: { vault: { role: 'r'.repeat(256), kv: { ...fullKv, fields: fullFields } } },
        allow: fullCeiling({ hmac: fullHmac }),
        inject: { hmac: fullHmac },
        placeholderEnv: many(8, (item) => sized(`TOKEN_${item}`, 128)),
      },
      'signatures',
    ),
    'an AgentCredential of regions': credential(
      {
        allow: fullCeiling({ awsSigV4: fullSigV4 }),
        inject: { awsSigV4: fullSigV4 },
      },
      'regions',
    ),
    'an AgentCredential of OAuth': credential(
      {
        source: {
          awsSecretsManager: { secretId: 'a'.repeat(519), roleArn: longRole, fields: fullFields },
        },
        allow: fullCeiling({ basic: { username: 'u'.repeat(256) } }),
        inject: {
          oauth2: {
            tokenEndpoint: { url: sized('https://idp.example/', 512) },
            jwtBearer: { issuer: 'i'.repeat(512), subject: 's'.repeat(512), audience: 'a'.repeat(512) },
            scopes: many(32, (item) => sized(`s${item}:`, 256)),
            parameters: manyNamed(8, (item) => [sized(`p${item}`, 64), 'v'.repeat(512)] as const),
          },
        },
      },
      'oauth',
    ),
    'an AgentCredential of a GitHub App': credential(
      {
        source: { file: { path: 'f'.repeat(256), fields: fullFields, volume: { secret: 's'.repeat(253) } } },
        allow: fullCeiling({ header: { name: 'h'.repeat(128), prefix: 'p'.repeat(64) } }),
        inject: {
          githubApp: {
            appId: 'a'.repeat(64),
            installationId: '1'.repeat(20),
            repositories: many(64, (item) => sized(`r${item}`, 100)),
            permissions: manyNamed(
              32,
              (item) =>
                [
                  sized(`p_${String.fromCodePoint(97 + (item % 26))}_${'x'.repeat(item)}`, 64),
                  'write',
                ] as const,
            ),
            endpoint: { destination: 'd'.repeat(253), path: sized('/api/', 256) },
          },
        },
      },
      'github',
    ),
    'an AgentSecretStore of AWS': store(
      {
        namespaceSelector: selector,
        vault: undefined,
        awsSecretsManager: {
          region: 'us-gov-west-1',
          endpoint: `https://${'v'.repeat(500)}:1`,
          stsEndpoint: `https://${'v'.repeat(500)}:1`,
          caBundle: pem.padEnd(65_536, '\n'),
          roleArn: longRole,
        },
      },
      'largest-aws',
    ),
    'an AgentSecretStore': store(
      {
        namespaceSelector: selector,
        vault: {
          address: `https://${'v'.repeat(500)}:1`,
          caBundle: pem.padEnd(65_536, '\n'),
          auth: { kubernetes: {} },
        },
      },
      'largest',
    ),
    'an AgentDestination': destination(
      {
        namespaceSelector: selector,
        host: { name: 'a.example', port: 443, cidrs: many(16, (item) => `2001:db8:${item}::/48`) },
        caBundle: pem.padEnd(65_536, '\n'),
      },
      'largest',
    ),
  };
}
