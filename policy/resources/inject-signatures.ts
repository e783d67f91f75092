// Injections that sign a request with the secret, which itself does not travel.

import { z } from 'zod';
import { signingRegion } from './aws.ts';
import { listOf } from './constraint.ts';
import { partNames } from './inject-slots.ts';
import { matching } from './names.ts';

const identifier = (what: string, example: string) =>
  matching(256, '^[!-~]+$', `is no ${what}: printable ASCII without spaces, such as ${example}`);

/** It stands between slashes in the scope of a signature, and before a comma in the header. */
const accessKeyId = matching(
  128,
  '^[A-Za-z0-9._@+-]+$',
  'is no id of an access key: letters and digits, such as AKIAIOSFODNN7EXAMPLE',
);

const service = matching(
  64,
  '^[a-z0-9-]+$',
  'is no name of a service as signatures have it: lower-case letters, digits and hyphens, such as s3, execute-api or bedrock',
);

const realm = matching(
  256,
  String.raw`^[ !#-\[\]-~]*$`,
  'is no realm: printable ASCII without quotes and backslashes, such as https://api.example.com',
);

export const signatures = {
  awsSigV4: z
    .strictObject({
      service: service.describe('The one service that is signed for.'),
      regions: listOf(signingRegion(), 32, 'eu-central-1').describe('The regions that are signed for.'),
      accessKeyId: accessKeyId
        .describe('Id of the access key; absent means the part accessKeyId of the secret.')
        .optional(),
      fields: partNames('accessKeyId', 'secretAccessKey', 'sessionToken'),
    })
    .describe(
      'AWS Signature Version 4, in place of the one that the agent made with placeholder keys; of the part secretAccessKey or the only value.',
    )
    .optional(),
  oauth1: z
    .strictObject({
      signatureMethod: z
        .enum(['HmacSha1', 'HmacSha256', 'Plaintext'])
        .default('HmacSha1')
        .describe('How requests are signed (RFC 5849 section 3.4).'),
      consumerKey: identifier('consumer key', 'dpf43f3p2l4k3l03')
        .describe('Consumer key; absent means the part consumerKey of the secret.')
        .optional(),
      token: identifier('token', 'nnch734d00sl2jdk')
        .describe('Token; absent means the part token of the secret.')
        .optional(),
      realm: realm.describe('Realm of the Authorization header; not signed.').optional(),
      fields: partNames('consumerKey', 'consumerSecret', 'token', 'tokenSecret'),
    })
    .describe('OAuth 1.0a, of the part consumerSecret or the only value, and of tokenSecret.')
    .optional(),
};
