// Where a secret lives, and what of it is used.

import { bad, credential, many, type Examples } from '../examples.ts';

const kv = { mount: 'secret', path: 'agents/github', field: 'token' };
const vault = (fields: object, name?: string) =>
  credential({ source: { vault: { role: 'agents', ...fields } } }, name);
const aws = (fields: object, name?: string) =>
  credential({ source: { awsSecretsManager: { secretId: 'agents/stripe', ...fields } } }, name);
const file = (fields: object, name?: string) =>
  credential({ source: { file: { path: 'token', ...fields } } }, name);
const kvAt = 'spec.source.vault.kv';
const awsAt = 'spec.source.awsSecretsManager';
const fileAt = 'spec.source.file';
const own = /mount of Vault's own \(auth, sys or cubbyhole\)/;

export const sources: Examples = {
  bad: {
    'a value and a dynamic secret of Vault': bad(
      vault({ kv, dynamic: { path: 'database/creds/r' } }),
      'spec.source.vault',
      /exactly one of kv, dynamic/,
    ),
    'a KV value of nothing': bad(
      vault({ kv: { ...kv, field: undefined } }),
      kvAt,
      /exactly one of field, fields/,
    ),
    'a KV value of one field and of several': bad(
      vault({ kv: { ...kv, fields: ['a'] } }),
      kvAt,
      /exactly one of field, fields/,
    ),
    'a list of no fields': bad(
      vault({ kv: { ...kv, field: undefined, fields: [] } }),
      `${kvAt}.fields`,
      /such as username/,
    ),
    'more fields than eight': bad(
      vault({ kv: { ...kv, field: undefined, fields: many(9, String) } }),
      `${kvAt}.fields`,
      /8/,
    ),
    'a part of a secret twice': bad(
      vault({ kv: { ...kv, field: undefined, fields: ['a', 'b', 'a'] } }),
      `${kvAt}.fields`,
      /has a name twice/,
    ),
    'a part of a secret without a name': bad(
      vault({ kv: { ...kv, field: undefined, fields: [''] } }),
      `${kvAt}.fields[0]`,
      /at least 1 chars|is empty/,
    ),
    "the sidecar's own token as a KV value (K-04)": bad(
      vault({ kv: { mount: 'auth/token', path: 'lookup-self', version: 1, field: 'id' } }),
      kvAt,
      own,
    ),
    'the same below a child namespace (K-04)': bad(
      vault({ kv: { mount: 'team-a', path: 'auth/token/lookup-self', version: 1, field: 'id' } }),
      kvAt,
      own,
    ),
    'a KV engine at cubbyhole (K-04)': bad(vault({ kv: { ...kv, mount: 'cubbyhole' } }), kvAt, own),
    "the sidecar's own token as a dynamic secret (K-04)": bad(
      vault({ dynamic: { path: 'auth/token/lookup-self', field: 'id' } }),
      'spec.source.vault.dynamic.path',
      own,
    ),
    'a dynamic secret of sys below a child namespace': bad(
      vault({ dynamic: { path: 'team-a/sys/wrapping/lookup' } }),
      'spec.source.vault.dynamic.path',
      own,
    ),
    'a dynamic secret whose path climbs (O-03)': bad(
      vault({ dynamic: { path: 'database/../sys/x' } }),
      'spec.source.vault.dynamic.path',
      /such as database\/creds\/reader/,
    ),
    'a dynamic secret of one field and of several': bad(
      vault({ dynamic: { path: 'database/creds/reader', field: 'a', fields: ['b'] } }),
      'spec.source.vault.dynamic',
      /at most one \(neither is the whole secret\)/,
    ),
    'an AWS secret without an id': bad(aws({ secretId: undefined }), `${awsAt}.secretId`, /[Rr]equired/),
    'an AWS secret of a wildcard': bad(
      aws({ secretId: 'agents/*' }),
      `${awsAt}.secretId`,
      /without wildcards/,
    ),
    "an AWS secret by another service's ARN": bad(
      aws({ secretId: 'arn:aws:ssm:eu-central-1:123456789012:parameter/x' }),
      `${awsAt}.secretId`,
      /neither name nor ARN/,
    ),
    'an AWS secret of two versions': bad(
      aws({ versionStage: 'AWSPREVIOUS', versionId: 'EXAMPLE1-90ab-cdef-fedc-ba987EXAMPLE' }),
      awsAt,
      /at most one \(neither is AWSCURRENT\)/,
    ),
    'an AWS secret of one field and of several': bad(
      aws({ field: 'a', fields: ['b'] }),
      awsAt,
      /at most one \(neither is the whole secret\)/,
    ),
    'an AWS secret of a version that is no id': bad(
      aws({ versionId: '1' }),
      `${awsAt}.versionId`,
      /32 to 64 letters/,
    ),
    'an AWS secret of a stage with a space': bad(
      aws({ versionStage: 'AWS CURRENT' }),
      `${awsAt}.versionStage`,
      /such as AWSCURRENT/,
    ),
    'an AWS secret in hexadecimal': bad(aws({ binary: 'Hex' }), `${awsAt}.binary`, /Utf8.*Base64/),
    'an AWS secret by the role of a user': bad(
      aws({ roleArn: 'arn:aws:iam::123456789012:user/bot' }),
      `${awsAt}.roleArn`,
      /such as arn:aws:iam::123456789012:role\/agents/,
    ),
    'an AWS secret of an unknown part': bad(
      aws({ region: 'eu-central-1' }),
      `${awsAt}.region`,
      /unknown field|not a field/,
    ),
    'a file of two volumes': bad(
      file({ volume: { secret: 'a', csi: { secretProviderClass: 'b' } } }),
      `${fileAt}.volume`,
      /exactly one of secret, csi/,
    ),
    'a file of no volume': bad(file({ volume: {} }), `${fileAt}.volume`, /exactly one of secret, csi/),
    'a file of a volume that climbs (O-03)': bad(
      file({ volume: { secret: '../operator' } }),
      `${fileAt}.volume.secret`,
      /such as github-bot/,
    ),
    'a file of a driver without a class': bad(
      file({ volume: { csi: {} } }),
      `${fileAt}.volume.csi.secretProviderClass`,
      /[Rr]equired/,
    ),
    'a file of one field and of several': bad(
      file({ field: 'a', fields: ['b'] }),
      fileAt,
      /at most one \(neither is the whole file\)/,
    ),
  },
  good: {
    'several fields of a KV value': vault(
      { kv: { mount: 'kv/team', path: 'sys/login', fields: ['username', 'password'] } },
      'several',
    ),
    'a path of version 1 that ends as a mount of Vault is called': vault(
      { kv: { ...kv, path: 'agents/auth', version: 1 } },
      'auth',
    ),
    'a dynamic secret': vault(
      { store: 'corp', dynamic: { path: 'database/creds/reader', fields: ['username', 'password'] } },
      'dynamic',
    ),
    'a whole dynamic secret': vault({ dynamic: { path: 'aws/creds/deploy' } }, 'whole'),
    'an AWS secret': aws({}, 'aws'),
    'a field of an AWS secret in a previous version': aws(
      {
        store: 'corp-aws',
        secretId: 'arn:aws-us-gov:secretsmanager:us-gov-west-1:123456789012:secret:agents/stripe-AbCdEf',
        versionStage: 'AWSPREVIOUS',
        field: 'apiKey',
        roleArn: 'arn:aws-us-gov:iam::123456789012:role/path/agents',
      },
      'aws-field',
    ),
    'a binary AWS secret of one version': aws(
      { versionId: 'EXAMPLE1-90ab-cdef-fedc-ba987EXAMPLE', binary: 'Base64' },
      'aws-binary',
    ),
    'a file of a Secret': file({ volume: { secret: 'github-bot' }, field: 'token' }, 'file-secret'),
    'a file of the CSI driver': file(
      { path: 'db/login.json', volume: { csi: { secretProviderClass: 'db' } }, fields: ['user', 'password'] },
      'file-csi',
    ),
  },
};
