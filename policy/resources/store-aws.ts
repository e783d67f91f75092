// An AWS account as an AgentSecretStore says it.

import { z } from 'zod';
import { awsRegion, roleArn } from './aws.ts';
import { constrain, exactlyOneOf } from './constraint.ts';
import { caBundle, httpsAddress, objectName } from './names.ts';

const auth = exactlyOneOf(
  z.strictObject({
    webIdentity: z
      .strictObject({})
      .describe("The sidecar's own projected token, as IAM roles for service accounts take it.")
      .optional(),
    podIdentity: z.strictObject({}).describe('EKS Pod Identity; for captured agents only.').optional(),
    staticKeys: z
      .strictObject({
        secret: objectName().describe(
          'Secret of the agent’s namespace with the keys access-key-id, secret-access-key and perhaps session-token.',
        ),
      })
      .describe('Keys that do not change; for tests.')
      .optional(),
  }),
  ['webIdentity', 'podIdentity', 'staticKeys'],
);

const endpoint = (example: string) => httpsAddress('endpoint of AWS', example);

const account = z.strictObject({
  region: awsRegion().describe('Region of the secrets.'),
  endpoint: endpoint('https://secretsmanager.eu-central-1.amazonaws.com')
    .describe("Endpoint of Secrets Manager in place of the region's own, such as that of a VPC.")
    .optional(),
  stsEndpoint: endpoint('https://sts.eu-central-1.amazonaws.com')
    .describe("Endpoint of STS in place of the region's own.")
    .optional(),
  caBundle: caBundle()
    .describe("PEM of the CAs that may sign the endpoints' certificates; absent means public CAs.")
    .optional(),
  fips: z.boolean().describe('Use the FIPS endpoints of the region. Absent means false.').optional(),
  roleArn: roleArn().describe("Role that is assumed with the pod's token.").optional(),
  auth: auth.describe('How sidecars log in; absent means webIdentity.').optional(),
});

/** The SDK knows of no FIPS variant of an endpoint that is written out. */
export const awsStore = constrain(account, {
  cel: '!(has(self.fips) && self.fips) || !(has(self.endpoint) || has(self.stsEndpoint))',
  holds: ({ fips, endpoint: own, stsEndpoint }) =>
    fips !== true || (own === undefined && stsEndpoint === undefined),
  message:
    'has fips beside endpoint or stsEndpoint: write the FIPS endpoints out, such as https://secretsmanager-fips.us-east-1.amazonaws.com, or fips alone',
}).describe('AWS Secrets Manager.');
