import { bad, credential, many, type Examples } from '../examples.ts';

const kv = { mount: 'secret', path: 'agents/github', field: 'token' };
const vault = (fields: object, name?: string) =>
  credential({ source: { vault: { role: 'agents', kv, ...fields } } }, name);
const vaultAt = 'spec.source.vault';

export const credentials: Examples = {
  bad: {
    'a credential without a source': bad(
      credential({ source: {} }),
      'spec.source',
      /exactly one of vault, awsSecretsManager, file/,
    ),
    'a credential with two sources': bad(
      credential({ source: { file: { path: 'a' }, vault: { role: 'r', kv } } }),
      'spec.source',
      /exactly one of vault, awsSecretsManager, file/,
    ),
    'a secret in the resource (K-07)': bad(
      credential({ source: { value: 'hunter2' } }),
      'spec.source.value',
      /unknown field|not a field/,
    ),
    'a credential that names a store of another namespace (O-02)': bad(
      vault({ store: 'team-b/corp' }),
      `${vaultAt}.store`,
      /such as github-bot/,
    ),
    'a Vault source without a place': bad(vault({ kv: undefined }), vaultAt, /exactly one of kv, dynamic/),
    'a Vault source without a role': bad(vault({ role: undefined }), `${vaultAt}.role`, /[Rr]equired/),
    'a Vault path that climbs (O-03)': bad(
      vault({ kv: { ...kv, path: 'agents/../../sys' } }),
      `${vaultAt}.kv.path`,
      /such as agents\/github/,
    ),
    'a Vault path with a template (O-03)': bad(
      vault({ kv: { ...kv, path: 'agents/{{x}}' } }),
      `${vaultAt}.kv.path`,
      /such as agents\/github/,
    ),
    'a Vault path that starts with a slash': bad(
      vault({ kv: { ...kv, path: '/agents' } }),
      `${vaultAt}.kv.path`,
      /none at the start or end/,
    ),
    'a KV version that does not exist': bad(
      vault({ kv: { ...kv, version: 3 } }),
      `${vaultAt}.kv.version`,
      /1.*2/,
    ),
    'an empty field of a secret': bad(
      vault({ kv: { ...kv, field: '' } }),
      `${vaultAt}.kv.field`,
      /at least 1 chars|is empty/,
    ),
    'a file that climbs': bad(
      credential({ source: { file: { path: '../etc/passwd' } } }),
      'spec.source.file.path',
      /such as github.token/,
    ),
    'an absolute file': bad(
      credential({ source: { file: { path: '/etc/passwd' } } }),
      'spec.source.file.path',
      /such as github.token/,
    ),
    'an empty ceiling': bad(credential({ allow: [] }), 'spec.allow', /list at least one/),
    'no ceiling': bad(credential({ allow: undefined }), 'spec.allow', /[Rr]equired/),
    'a ceiling with too many places': bad(
      credential({ allow: many(17, () => ({ hosts: ['a.example'] })) }),
      'spec.allow',
      /16/,
    ),
    'a ceiling without a place': bad(
      credential({ allow: [{ methods: ['GET'] }] }),
      'spec.allow[0]',
      /exactly one of hosts, destination/,
    ),
    'a ceiling with two places': bad(
      credential({ allow: [{ hosts: ['a.example'], destination: 'b' }] }),
      'spec.allow[0]',
      /exactly one of hosts, destination/,
    ),
    'a ceiling of every host': bad(
      credential({ allow: [{ hosts: ['**'] }] }),
      'spec.allow[0].hosts[0]',
      /\*\.example\.com/,
    ),
    'a ceiling over a top-level domain': bad(
      credential({ allow: [{ hosts: ['*.com'] }] }),
      'spec.allow[0].hosts[0]',
      /\*\.example\.com/,
    ),
    'a ceiling whose wildcard is a domain': bad(
      credential({ allow: [{ hosts: ['api.*.com'] }] }),
      'spec.allow[0].hosts[0]',
      /must end in a domain of your own/,
    ),
    'a ceiling with a path that climbs (H-20)': bad(
      credential({ allow: [{ hosts: ['a.example'], paths: ['/a/../b'] }] }),
      'spec.allow[0].paths[0]',
      /dot segment/,
    ),
    'a credential without a way to inject it': bad(
      credential({ inject: {} }),
      'spec.inject',
      /exactly one of bearer, basic/,
    ),
    'a placeholder for PATH': bad(
      credential({ placeholderEnv: ['PATH'] }),
      'spec.placeholderEnv[0]',
      /cannot be a placeholder/,
    ),
    'a placeholder for the proxy': bad(
      credential({ placeholderEnv: ['https_proxy'] }),
      'spec.placeholderEnv[0]',
      /cannot be a placeholder/,
    ),
    'a placeholder that loads code': bad(
      credential({ placeholderEnv: ['LD_PRELOAD'] }),
      'spec.placeholderEnv[0]',
      /cannot be a placeholder/,
    ),
    'a placeholder that is no variable': bad(
      credential({ placeholderEnv: ['A-B'] }),
      'spec.placeholderEnv[0]',
      /such as GITHUB_TOKEN/,
    ),
    'an empty list of placeholders': bad(
      credential({ placeholderEnv: [] }),
      'spec.placeholderEnv',
      /such as GITHUB_TOKEN/,
    ),
    'a refresh interval that is too short': bad(
      credential({ refreshInterval: '1s' }),
      'spec.refreshInterval',
      /from 5s to 24h/,
    ),
    'a refresh interval that is too long': bad(
      credential({ refreshInterval: '25h' }),
      'spec.refreshInterval',
      /from 5s to 24h/,
    ),
    'a refresh interval in words': bad(
      credential({ refreshInterval: 'often' }),
      'spec.refreshInterval',
      /such as 5m/,
    ),
    'a refresh interval that is a number': bad(
      credential({ refreshInterval: 300 }),
      'spec.refreshInterval',
      /must be of type string/,
    ),
  },
  good: {
    'a credential in Vault': vault({}),
    'a credential in version 1 of a KV engine': vault({ store: 'corp', kv: { ...kv, version: 1 } }, 'kv1'),
    'a credential in a file': credential(
      { refreshInterval: '1h30m', placeholderEnv: ['GITHUB_TOKEN'] },
      'file',
    ),
    'a credential under a wildcard': credential(
      {
        allow: [
          {
            hosts: ['**.acme.example', '*.s3.eu-central-1.amazonaws.com'],
            methods: ['GET'],
            paths: ['/v1/**'],
          },
        ],
      },
      'wild',
    ),
    'a credential for a destination': credential({ allow: [{ destination: 'wiki' }] }, 'wiki'),
  },
};
