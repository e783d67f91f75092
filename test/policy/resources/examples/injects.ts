// How a secret is put on a request, without a token in between.

import { bad, credential, many, manyNamed, type Examples } from '../examples.ts';

const inject = (way: object, name?: string) => credential({ inject: way }, name);
const entry = (way: unknown, fields: object = {}, name?: string) =>
  credential({ allow: [{ hosts: ['api.example.com'], inject: way }], ...fields }, name);
const sigV4 = (fields: object) =>
  inject({ awsSigV4: { service: 's3', regions: ['eu-central-1'], ...fields } });
const hmac = (fields: object) =>
  inject({ hmac: { canonical: '{body}', headers: { 'x-signature': '{signature}' }, ...fields } });
const hmacAt = 'spec.inject.hmac';
const framing = /frames the request or that the sidecar writes itself/;

/** Headers that no credential may be; the same for a header of its own and for a signature's. */
const reserved = [
  'host',
  'content-length',
  'transfer-encoding',
  'connection',
  'te',
  'upgrade',
  'trailer',
  'expect',
  'traceparent',
  'tracestate',
  'proxy-authorization',
  'outrider-decision',
];

export const injects: Examples = {
  bad: {
    'a secret in two places': bad(
      inject({ bearer: {}, query: { name: 'key' } }),
      'spec.inject',
      /exactly one of bearer, basic/,
    ),
    'a way to inject that does not exist': bad(
      inject({ cookie: {} }),
      'spec.inject.cookie',
      /unknown field|not a field/,
    ),
    'a user name with a colon': bad(
      inject({ basic: { username: 'a:b' } }),
      'spec.inject.basic.username',
      /without a colon/,
    ),
    'a part of basic that does not exist': bad(
      inject({ basic: { fields: { user: 'login' } } }),
      'spec.inject.basic.fields[user]',
      /unknown field|not a field/,
    ),
    'a part of basic that is called nothing': bad(
      inject({ basic: { fields: { username: '' } } }),
      'spec.inject.basic.fields[username]',
      /at least 1 chars|is empty/,
    ),
    'a header in capitals': bad(
      inject({ header: { name: 'X-Api-Key' } }),
      'spec.inject.header.name',
      /such as x-api-key/,
    ),
    'a header with a colon (H-40)': bad(
      inject({ header: { name: 'x-api-key:' } }),
      'spec.inject.header.name',
      /such as x-api-key/,
    ),
    ...Object.fromEntries(
      reserved.map((name) => [
        `the header ${name} as a credential (H-30)`,
        bad(inject({ header: { name } }), 'spec.inject.header.name', framing),
      ]),
    ),
    'a prefix with a line end (H-40)': bad(
      inject({ header: { name: 'x-api-key', prefix: 'a\nb' } }),
      'spec.inject.header.prefix',
      /printable ASCII/,
    ),
    'a parameter with an equals sign': bad(
      inject({ query: { name: 'key=' } }),
      'spec.inject.query.name',
      /such as api_key/,
    ),
    'a parameter without a name': bad(inject({ query: {} }), 'spec.inject.query.name', /[Rr]equired/),
    'a path without its slash': bad(
      inject({ path: { prefix: 'bot' } }),
      'spec.inject.path.prefix',
      /such as \/bot/,
    ),
    'a path that climbs (H-20)': bad(
      inject({ path: { prefix: '/a/../bot' } }),
      'spec.inject.path.prefix',
      /dot segment/,
    ),
    'a path with an escape (H-20)': bad(
      inject({ path: { prefix: '/a%2fb' } }),
      'spec.inject.path.prefix',
      /such as \/bot/,
    ),
    'a value of every element': bad(
      inject({ body: { pointer: '/items/*/token' } }),
      'spec.inject.body.pointer',
      /without \*/,
    ),
    'a value that is the whole body': bad(
      inject({ body: { pointer: '' } }),
      'spec.inject.body.pointer',
      /such as \/auth\/token/,
    ),
    'a value at a broken escape': bad(
      inject({ body: { pointer: '/a~2' } }),
      'spec.inject.body.pointer',
      /such as \/auth\/token/,
    ),
    'SigV4 without regions': bad(
      sigV4({ regions: undefined }),
      'spec.inject.awsSigV4.regions',
      /[Rr]equired/,
    ),
    'SigV4 of no region': bad(sigV4({ regions: [] }), 'spec.inject.awsSigV4.regions', /such as eu-central-1/),
    'SigV4 of every region': bad(
      sigV4({ regions: ['*'] }),
      'spec.inject.awsSigV4.regions[0]',
      /such as eu-central-1/,
    ),
    'SigV4 of more regions than there are': bad(
      sigV4({ regions: many(33, (at) => `eu-north-${at}`) }),
      'spec.inject.awsSigV4.regions',
      /32/,
    ),
    'SigV4 of a service in capitals': bad(
      sigV4({ service: 'S3' }),
      'spec.inject.awsSigV4.service',
      /such as s3, execute-api or bedrock/,
    ),
    'SigV4 of an access key with a slash': bad(
      sigV4({ accessKeyId: 'AKIA/x' }),
      'spec.inject.awsSigV4.accessKeyId',
      /such as AKIAIOSFODNN7EXAMPLE/,
    ),
    'a secret key in the resource (K-07)': bad(
      sigV4({ secretAccessKey: 'wJalrXUtnFEMI' }),
      'spec.inject.awsSigV4.secretAccessKey',
      /unknown field|not a field/,
    ),
    'OAuth 1 with RSA': bad(
      inject({ oauth1: { signatureMethod: 'RsaSha1' } }),
      'spec.inject.oauth1.signatureMethod',
      /HmacSha1.*HmacSha256.*Plaintext/,
    ),
    'an OAuth 1 token with a space': bad(
      inject({ oauth1: { token: 'a b' } }),
      'spec.inject.oauth1.token',
      /without spaces/,
    ),
    'an OAuth 1 realm with a quote (H-40)': bad(
      inject({ oauth1: { realm: 'a"b' } }),
      'spec.inject.oauth1.realm',
      /without quotes/,
    ),
    'an HMAC of nothing': bad(hmac({ canonical: undefined }), `${hmacAt}.canonical`, /[Rr]equired/),
    'an HMAC of MD5': bad(hmac({ algorithm: 'Md5' }), `${hmacAt}.algorithm`, /Sha1.*Sha256.*Sha512/),
    'an HMAC with a brace that does not end': bad(
      hmac({ canonical: '{timestamp' }),
      `${hmacAt}.canonical`,
      /variables in braces/,
    ),
    'an HMAC that goes nowhere': bad(
      hmac({ headers: { 'x-signature': '{timestamp}' } }),
      hmacAt,
      /puts \{signature\} nowhere/,
    ),
    'an HMAC without a place': bad(hmac({ headers: undefined }), hmacAt, /puts \{signature\} nowhere/),
    'an HMAC into no header': bad(hmac({ headers: {} }), `${hmacAt}.headers`, /is empty/),
    'an HMAC into a header that frames (H-30)': bad(
      hmac({ headers: { host: '{signature}' } }),
      `${hmacAt}.headers`,
      framing,
    ),
    'an HMAC into a header in capitals': bad(
      hmac({ headers: { 'X-Signature': '{signature}' } }),
      `${hmacAt}.headers`,
      /lower-case letters/,
    ),
    'an HMAC into too many headers': bad(
      hmac({ headers: manyNamed(9, (at) => [`x-${at}`, '{signature}']) }),
      `${hmacAt}.headers`,
      /more than 8|at most 8/,
    ),
    'an HMAC with a line end in a header (H-40)': bad(
      hmac({ headers: { 'x-signature': '{signature}\nx: y' } }),
      `${hmacAt}.headers[x-signature]`,
      /one line/,
    ),
    'an HMAC into a parameter that is none': bad(
      hmac({ query: [{ name: 'a&b', value: '{signature}' }] }),
      `${hmacAt}.query[0].name`,
      /such as api_key/,
    ),
    'an HMAC of a part that no template can name': bad(
      hmac({ fields: { 'a b': 'x' } }),
      `${hmacAt}.fields`,
      /no template can name/,
    ),
    'an entry with two ways': bad(
      entry({ bearer: {}, basic: {} }),
      'spec.allow[0].inject',
      /exactly one of bearer, basic/,
    ),
    'an entry that mints': bad(
      entry({ githubApp: { appId: '1', installationId: '1' } }),
      'spec.allow[0].inject.githubApp',
      /unknown field|not a field/,
    ),
    'an entry that signs with a minted token': bad(
      entry(
        { awsSigV4: { service: 's3', regions: ['eu-central-1'] } },
        { inject: { githubApp: { appId: '1', installationId: '1' } } },
      ),
      'spec',
      /an entry may say bearer, basic, header, query/,
    ),
  },
  good: {
    'basic with a user name': inject({ basic: { username: 'x-access-token' } }, 'basic'),
    'basic without one': inject({ basic: { username: '' } }, 'basic-empty'),
    'basic of two fields': inject(
      { basic: { fields: { username: 'user', password: 'pass' } } },
      'basic-fields',
    ),
    'a header of its own': inject({ header: { name: 'x-api-key' } }, 'header'),
    'a header with a prefix': inject({ header: { name: 'authorization', prefix: 'GenieKey ' } }, 'prefix'),
    'a parameter': inject({ query: { name: 'api_key' } }, 'query'),
    'a path': inject({ path: { prefix: '/bot' } }, 'path'),
    'a value of the body': inject({ body: { pointer: '/auth/a~1b' } }, 'body'),
    'SigV4 of any service of two partitions': inject(
      {
        awsSigV4: {
          service: 'execute-api',
          regions: ['us-gov-east-1', 'aws-global', 'auto', 'eusc-de-east-1'],
          accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
          fields: { secretAccessKey: 'secret', sessionToken: 'token' },
        },
      },
      'sigv4',
    ),
    'OAuth 1 with defaults': inject({ oauth1: {} }, 'oauth1'),
    'OAuth 1 with everything': inject(
      {
        oauth1: {
          signatureMethod: 'Plaintext',
          consumerKey: 'dpf43f3p2l4k3l03',
          token: 'nnch734d00sl2jdk',
          realm: 'https://api.example.com/a b',
          fields: { consumerSecret: 'a', tokenSecret: 'b' },
        },
      },
      'oauth1-whole',
    ),
    'an HMAC with defaults': hmac({}),
    'an HMAC with everything': inject(
      {
        hmac: {
          algorithm: 'Sha512',
          keyEncoding: 'Base64',
          canonical: '{timestamp}\n{method}\n{target}\n{header.x-date}\n{field.account} ü',
          digest: 'Base64Url',
          timestamp: 'Iso8601',
          headers: manyNamed(8, (at) => [`x-${at}`, 't={timestamp},v1={signature}']),
          query: many(8, (at) => ({ name: `p${at}`, value: '{signature}' })),
          fields: manyNamed(8, (at) => [`part.${at}`, `field ${at}`]),
        },
      },
      'hmac-whole',
    ),
    'an entry with a way of its own': entry({ basic: { username: 'x-access-token' } }, {}, 'entry'),
    'entries that place a minted token': credential(
      {
        inject: { githubApp: { appId: '123', installationId: '456' } },
        allow: [
          { hosts: ['github.com'], inject: { basic: { username: 'x-access-token' } } },
          { hosts: ['api.github.com'] },
          { hosts: ['uploads.github.com'], inject: { header: { name: 'authorization', prefix: 'token ' } } },
        ],
      },
      'minted-entries',
    ),
  },
};
