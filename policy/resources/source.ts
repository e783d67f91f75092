// Where a secret lives, and what of it is used.

import { z } from 'zod';
import { roleArn, secretId, versionId, versionStage } from './aws.ts';
import { atMostOneOf, constrain, exactlyOneOf, listOf, text } from './constraint.ts';
import { objectName, storePath } from './names.ts';

const fieldNames = constrain(listOf(text(256, 1), 8, 'username'), {
  cel: 'self.all(name, self.exists_one(other, other == name))',
  holds: (names) => new Set(names).size === names.length,
  message: 'has a name twice: each part of a secret has a name of its own, such as username and password',
});

const fields = (example: string) => ({
  field: text(256, 1).describe(`The one field of the secret that is used, such as ${example}.`).optional(),
  fields: fieldNames
    .describe('The fields of the secret that are used, for injections of several parts.')
    .optional(),
});

/**
 * Mounts of Vault's own answer with tokens, the sidecar's among them. In Vault Enterprise they can also be reached below
 * the name of a child namespace.
 */
const ownMounts = '(^|/)(auth|sys|cubbyhole)/';
const ownMountsMessage =
  "leads to a mount of Vault's own (auth, sys or cubbyhole), which holds tokens: write the path of a secret, such as agents/github";

const kvFields = exactlyOneOf(
  z.strictObject({
    mount: storePath(128, 'secret').describe('Where the KV engine is mounted.'),
    path: storePath(512, 'agents/github').describe(
      'Path of the secret below the mount, without data/ or metadata/.',
    ),
    version: z.literal([1, 2]).default(2).describe("The engine's version, not the secret's."),
    ...fields('token'),
  }),
  ['field', 'fields'],
);

// A path of version 2 stands behind data/, where nothing of Vault's own is.
const kv = constrain(kvFields, {
  cel: `!(self.mount + '/' + (self.version == 1.0 ? self.path : '')).matches(r'${ownMounts}')`,
  holds: ({ mount, path, version }) => !new RegExp(ownMounts).test(`${mount}/${version === 1 ? path : ''}`),
  message: ownMountsMessage,
}).describe('A value in a KV engine.');

const dynamicPath = constrain(storePath(512, 'database/creds/reader'), {
  cel: `!self.matches(r'${ownMounts}')`,
  holds: (value) => !new RegExp(ownMounts).test(value),
  message: ownMountsMessage,
});

const dynamic = atMostOneOf(
  z.strictObject({
    path: dynamicPath.describe('Mount and path that make the secret when they are read.'),
    ...fields('password'),
  }),
  ['field', 'fields'],
  'neither is the whole secret',
).describe('A secret that Vault makes when it is read, under a lease.');

const vault = exactlyOneOf(
  z.strictObject({
    store: objectName()
      .default('default')
      .describe('AgentSecretStore that says which Vault and who may use it.'),
    role: text(256, 1).describe(
      "Role of Vault's Kubernetes or JWT auth method, whose bounds must have the agent's ServiceAccount; for AppRole its role_id.",
    ),
    kv: kv.optional(),
    dynamic: dynamic.optional(),
  }),
  ['kv', 'dynamic'],
).describe('HashiCorp Vault or OpenBao.');

const oneOfSecret = atMostOneOf(
  z.strictObject({
    store: objectName()
      .default('default')
      .describe('AgentSecretStore that says which AWS account and who may use it.'),
    secretId: secretId().describe('Name or ARN of the secret.'),
    versionStage: versionStage()
      .describe('Staging label of the version; absent means AWSCURRENT.')
      .optional(),
    versionId: versionId().describe('Id of one version, which never changes.').optional(),
    binary: z
      .enum(['Utf8', 'Base64'])
      .describe('How a binary secret is read: as the text that it is, or as its Base64. Absent means Utf8.')
      .optional(),
    ...fields('apiKey'),
    roleArn: roleArn()
      .describe(
        "Role that is assumed with the store's role, or with the pod's token where the store has none.",
      )
      .optional(),
  }),
  ['versionStage', 'versionId'],
  'neither is AWSCURRENT',
);

const awsSecretsManager = atMostOneOf(oneOfSecret, ['field', 'fields'], 'neither is the whole secret')
  .meta({ 'x-kubernetes-map-type': 'atomic' })
  .describe('AWS Secrets Manager.');

const volume = exactlyOneOf(
  z.strictObject({
    secret: objectName()
      .describe('Secret of the same namespace that another operator fills, such as External Secrets.')
      .optional(),
    csi: z
      .strictObject({
        secretProviderClass: objectName().describe('SecretProviderClass of the same namespace.'),
      })
      .describe('What the Secrets Store CSI driver mounts.')
      .optional(),
  }),
  ['secret', 'csi'],
).describe(
  'What is mounted in the sidecar alone. Required in a cluster; local mode has a directory instead.',
);

const file = atMostOneOf(
  z.strictObject({
    path: storePath(256, 'github.token').describe('Path of the file below the volume.'),
    volume: volume.optional(),
    ...fields('token'),
  }),
  ['field', 'fields'],
  'neither is the whole file',
)
  .meta({ 'x-kubernetes-map-type': 'atomic' })
  .describe('A file: of a volume that another operator fills, or of local mode.');

export const source = exactlyOneOf(
  z.strictObject({
    vault: vault.optional(),
    awsSecretsManager: awsSecretsManager.optional(),
    file: file.optional(),
  }),
  ['vault', 'awsSecretsManager', 'file'],
).describe('Where the secret lives.');
