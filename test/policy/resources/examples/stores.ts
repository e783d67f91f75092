// Stores: how sidecars log in to a Vault, and an AWS account.

import { bad, pem, store, type Examples } from '../examples.ts';

const login = (auth: object, name?: string) =>
  store({ vault: { address: 'https://vault.vault.svc:8200', auth } }, name);
const aws = (fields: object, name?: string) =>
  store({ vault: undefined, awsSecretsManager: { region: 'eu-central-1', ...fields } }, name);
const secretId = { secret: 'approle' };
const awsAt = 'spec.awsSecretsManager';

export const stores: Examples = {
  bad: {
    'a store of two kinds': bad(
      store({ awsSecretsManager: { region: 'eu-central-1' } }),
      'spec',
      /exactly one of vault, awsSecretsManager/,
    ),
    'a store with two ways to log in': bad(
      login({ kubernetes: {}, jwt: {} }),
      'spec.vault.auth',
      /exactly one of kubernetes, jwt, appRole/,
    ),
    'a JWT mount that climbs': bad(
      login({ jwt: { mount: 'a/../b' } }),
      'spec.vault.auth.jwt.mount',
      /such as jwt/,
    ),
    'an AppRole without a secret_id': bad(
      login({ appRole: {} }),
      'spec.vault.auth.appRole.secretId',
      /[Rr]equired/,
    ),
    'an AppRole with its secret_id in the resource': bad(
      login({ appRole: { secretId: 'abc' } }),
      'spec.vault.auth.appRole.secretId',
      /must be of type object/,
    ),
    'an AppRole whose key climbs': bad(
      login({ appRole: { secretId: { ...secretId, key: '../token' } } }),
      'spec.vault.auth.appRole.secretId.key',
      /such as secret-id/,
    ),
    'an AWS account without a region': bad(aws({ region: undefined }), `${awsAt}.region`, /[Rr]equired/),
    'an AWS account of a zone': bad(
      aws({ region: 'eu-central-1a' }),
      `${awsAt}.region`,
      /such as eu-central-1/,
    ),
    'an AWS account everywhere': bad(
      aws({ region: 'aws-global' }),
      `${awsAt}.region`,
      /such as eu-central-1/,
    ),
    'an endpoint of AWS over plain HTTP (T-07)': bad(
      aws({ endpoint: 'http://localhost:5000' }),
      `${awsAt}.endpoint`,
      /https:\/\/host:port/,
    ),
    'an endpoint of STS with a path (T-07)': bad(
      aws({ stsEndpoint: 'https://sts.example/v1' }),
      `${awsAt}.stsEndpoint`,
      /without path, query or user/,
    ),
    'FIPS beside an endpoint': bad(
      aws({ fips: true, endpoint: 'https://vpce.example' }),
      awsAt,
      /write the FIPS endpoints out/,
    ),
    'a role of an account that is none': bad(
      aws({ roleArn: 'arn:aws:iam::1234:role/agents' }),
      `${awsAt}.roleArn`,
      /123456789012/,
    ),
    'an AWS account with two ways to log in': bad(
      aws({ auth: { webIdentity: {}, podIdentity: {} } }),
      `${awsAt}.auth`,
      /exactly one of webIdentity, podIdentity, staticKeys/,
    ),
    'an AWS account with no way to log in': bad(
      aws({ auth: {} }),
      `${awsAt}.auth`,
      /exactly one of webIdentity, podIdentity, staticKeys/,
    ),
    'static keys in the resource (K-07)': bad(
      aws({ auth: { staticKeys: { accessKeyId: 'AKIAIOSFODNN7EXAMPLE' } } }),
      `${awsAt}.auth.staticKeys.accessKeyId`,
      /unknown field|not a field/,
    ),
    'static keys of nowhere': bad(
      aws({ auth: { staticKeys: {} } }),
      `${awsAt}.auth.staticKeys.secret`,
      /[Rr]equired/,
    ),
    'a CA bundle of AWS with a key in it': bad(
      aws({ caBundle: `${pem}-----BEGIN PRIVATE KEY-----` }),
      `${awsAt}.caBundle`,
      /no key/,
    ),
  },
  good: {
    'a Vault with JWT': login({ jwt: {} }, 'jwt'),
    'a Vault with AppRole': login({ appRole: { secretId } }, 'approle'),
    'a Vault with a wrapped secret_id': login(
      { appRole: { mount: 'roles/agents', secretId: { ...secretId, key: 'wrapping.token', wrapped: true } } },
      'wrapped',
    ),
    'an AWS account in one region': aws({}, 'aws'),
    'an AWS account of the sovereign cloud with everything': aws(
      {
        region: 'eusc-de-east-1',
        endpoint: 'https://vpce-0123.secretsmanager.eusc-de-east-1.vpce.amazonaws.eu',
        stsEndpoint: 'https://[fd00::1]:443/',
        caBundle: pem,
        fips: false,
        roleArn: 'arn:aws-eusc:iam::123456789012:role/agents',
        auth: { webIdentity: {} },
      },
      'aws-whole',
    ),
    'an AWS account with FIPS': aws(
      { region: 'us-gov-west-1', fips: true, auth: { podIdentity: {} } },
      'fips',
    ),
    'an AWS account with static keys': aws({ auth: { staticKeys: { secret: 'aws-keys' } } }, 'static'),
  },
};
