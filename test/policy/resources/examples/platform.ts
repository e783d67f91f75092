// What the platform writes: stores, destinations and the rules of cluster policies.

import { bad, clusterDeny, clusterPolicy, destination, pem, store, type Examples } from '../examples.ts';

const auth = { kubernetes: {} };
const vault = (fields: object) =>
  store({ vault: { address: 'https://vault.vault.svc:8200', auth, ...fields } });
const host = (fields: object) =>
  destination({ host: { name: 'wiki.corp', port: 443, cidrs: ['10.0.0.0/8'], ...fields } });
const service = (fields: object) =>
  destination({ service: { namespace: 'tools', name: 'wiki', port: 80, ...fields } });
const ruleAt = 'spec.rules[0]';

export const platform: Examples = {
  bad: {
    'a store over plain HTTP (T-07)': bad(
      vault({ address: 'http://vault:8200' }),
      'spec.vault.address',
      /https:\/\/host:port/,
    ),
    'a store with a user in its address': bad(
      vault({ address: 'https://u:p@vault:8200' }),
      'spec.vault.address',
      /https:\/\/host:port/,
    ),
    'a store with a path in its address': bad(
      vault({ address: 'https://vault:8200/v1' }),
      'spec.vault.address',
      /without path, query or user/,
    ),
    'a store without an address': bad(vault({ address: undefined }), 'spec.vault.address', /[Rr]equired/),
    'a store without a way to log in': bad(
      vault({ auth: {} }),
      'spec.vault.auth',
      /exactly one of kubernetes, jwt, appRole/,
    ),
    'a store with a mount that climbs': bad(
      vault({ auth: { kubernetes: { mount: '../sys' } } }),
      'spec.vault.auth.kubernetes.mount',
      /such as kubernetes/,
    ),
    'a store with a namespace that is no path': bad(
      vault({ namespace: 'team a' }),
      'spec.vault.namespace',
      /such as team-a/,
    ),
    'a store with the audience of another (K-02)': bad(
      store({ audience: 'vault' }),
      'spec.audience',
      /such as outrider.dev\/corp-vault/,
    ),
    "a store with the operator's audience (K-02)": bad(
      store({ audience: 'outrider.dev/operator' }),
      'spec.audience',
      /the operator's/,
    ),
    'a store without a kind of store': bad(
      store({ vault: undefined }),
      'spec',
      /exactly one of vault, awsSecretsManager/,
    ),
    'a store for nobody in particular': bad(
      store({ namespaceSelector: undefined }),
      'spec.namespaceSelector',
      /[Rr]equired/,
    ),
    'a CA bundle that is no PEM': bad(vault({ caBundle: 'MIIB' }), 'spec.vault.caBundle', /PEM text/),
    'a CA bundle with a key in it': bad(
      vault({ caBundle: `${pem}-----BEGIN PRIVATE KEY-----` }),
      'spec.vault.caBundle',
      /no key/,
    ),
    'a destination without a place': bad(destination({}), 'spec', /exactly one of service, host/),
    'a destination with two places': bad(
      destination({
        service: { namespace: 'tools', name: 'wiki', port: 80 },
        host: { name: 'wiki.corp', port: 443, cidrs: ['10.0.0.0/8'] },
      }),
      'spec',
      /exactly one of service, host/,
    ),
    'a destination without ranges': bad(host({ cidrs: undefined }), 'spec.host.cidrs', /[Rr]equired/),
    'a destination with a wildcard': bad(
      host({ name: '*.corp' }),
      'spec.host.name',
      /without scheme, port or wildcard/,
    ),
    'a range that is none': bad(host({ cidrs: ['10.0.0.1'] }), 'spec.host.cidrs[0]', /such as 10.20.0.0\/16/),
    'a range that is too long': bad(host({ cidrs: ['10.0.0.0/33'] }), 'spec.host.cidrs[0]', /CIDR notation/),
    'an empty list of ranges': bad(host({ cidrs: [] }), 'spec.host.cidrs', /such as 10.20.0.0\/16/),
    'a port that is none': bad(service({ port: 70_000 }), 'spec.service.port', /65535/),
    'a port of zero': bad(service({ port: 0 }), 'spec.service.port', /greater than or equal to 1|>=1/),
    'a port by name': bad(service({ port: 'http' }), 'spec.service.port', /must be of type (integer|number)/),
    'a Service with dots in its name': bad(
      service({ name: 'wiki.tools' }),
      'spec.service.name',
      /such as read-issues/,
    ),
    'a scheme that does not exist': bad(
      service({ scheme: 'ftp' }),
      'spec.service.scheme',
      /https.*http.*tcp/,
    ),
    'a CA bundle without TLS': bad(
      destination({ service: { namespace: 'tools', name: 'wiki', port: 80, scheme: 'http' }, caBundle: pem }),
      'spec',
      /write scheme: https, or leave caBundle out/,
    ),
    'a cluster policy that allows': bad(
      clusterDeny({ action: 'Allow', hosts: ['a.example'] }),
      `${ruleAt}.action`,
      /Deny.*RequireApproval/,
    ),
    'a cluster policy with a credential': bad(
      clusterDeny({ credential: 'bot' }),
      `${ruleAt}.credential`,
      /unknown field|not a field/,
    ),
    'a cluster policy with limits': bad(
      clusterDeny({ limits: [{ name: 'l', max: 1, per: '1m' }] }),
      `${ruleAt}.limits`,
      /unknown field|not a field/,
    ),
    'a cluster approval that others: Deny could be escaped from': bad(
      clusterDeny({ action: 'RequireApproval', query: { others: 'Deny' } }),
      ruleAt,
      /could be escaped by sending one field more/,
    ),
    'a cluster Deny with two places': bad(
      clusterDeny({ hosts: ['a.example'], destination: 'w' }),
      ruleAt,
      /at most one/,
    ),
    'a cluster Deny with an approval': bad(
      clusterDeny({ approval: {} }),
      ruleAt,
      /nothing in it asks for one/,
    ),
    'a cluster policy of an empty list': bad(
      clusterPolicy({ agents: {}, rules: [] }),
      'spec.rules',
      /list at least one rule/,
    ),
  },
  good: {
    'a store': store({}),
    'a store of one team in a namespace of Vault': store(
      {
        audience: 'outrider.dev/team-a.vault',
        vault: {
          address: 'https://[fd00::1]:8200/',
          caBundle: pem,
          namespace: 'teams/a',
          auth: { kubernetes: { mount: 'k8s/prod' } },
        },
      },
      'team-vault',
    ),
    'a destination of a Service': destination(
      { service: { namespace: 'tools', name: 'wiki', port: 8443 }, caBundle: pem },
      'service',
    ),
    'a destination in the clear': destination(
      { service: { namespace: 'tools', name: 'wiki', port: 8080, scheme: 'http' } },
      'clear',
    ),
    'a destination that nobody reads': destination(
      { host: { name: 'db.corp.example', port: 5432, scheme: 'tcp', cidrs: ['10.20.0.0/16'] } },
      'database',
    ),
    'a destination of a host': destination(
      { host: { name: '10.1.2.3', port: 8443, scheme: 'https', cidrs: ['10.1.2.3/32', 'fd00::/8'] } },
      'host',
    ),
    'a cluster approval': clusterDeny(
      {
        action: 'RequireApproval',
        hosts: ['**.prod.example'],
        methods: ['POST'],
        approval: { groups: ['sre'] },
      },
      'approval',
    ),
    'a cluster Deny with every condition': clusterDeny(
      {
        destination: 'wiki',
        methods: ['POST'],
        paths: ['/admin/**'],
        query: { fields: { force: { type: 'Boolean', equals: 'true' } } },
        headers: { fields: { 'x-admin': {} } },
        body: { fields: { '/role': { oneOf: ['admin', 'owner'] } } },
        when: 'true',
        during: { timeZone: 'UTC', windows: [{ from: '22:00', to: '06:00' }] },
        message: 'Ask the platform team.',
      },
      'conditions',
    ),
  },
};
