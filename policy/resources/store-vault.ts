// A Vault as an AgentSecretStore says it.

import { z } from 'zod';
import { exactlyOneOf } from './constraint.ts';
import { caBundle, httpsAddress, objectName, secretKey, storePath } from './names.ts';

const mount = (method: string) =>
  storePath(128, method).default(method).describe('Where the auth method is mounted, without auth/.');

const secretId = z
  .strictObject({
    secret: objectName().describe('Secret of the agent’s namespace, mounted in the sidecar alone.'),
    key: secretKey().default('secret-id').describe('Key of the Secret that holds it.'),
    wrapped: z
      .boolean()
      .describe('It is a response-wrapping token, which is unwrapped once. Absent means false.')
      .optional(),
  })
  .describe("Where AppRole's secret_id lies.");

const auth = exactlyOneOf(
  z.strictObject({
    kubernetes: z
      .strictObject({ mount: mount('kubernetes') })
      .describe("Vault's Kubernetes auth method, with the sidecar's own projected token.")
      .optional(),
    jwt: z
      .strictObject({ mount: mount('jwt') })
      .describe("Vault's JWT auth method, with the same token; for a Vault that cannot reach the cluster.")
      .optional(),
    appRole: z
      .strictObject({ mount: mount('approle'), secretId })
      .describe("Vault's AppRole auth method; the credential's role is its role_id.")
      .optional(),
  }),
  ['kubernetes', 'jwt', 'appRole'],
);

export const vaultStore = z
  .strictObject({
    address: httpsAddress('address of a Vault', 'https://vault.vault.svc:8200').describe(
      'Address of the Vault, as https://host:port.',
    ),
    caBundle: caBundle()
      .describe("PEM of the CAs that may sign the Vault's certificate; absent means public CAs.")
      .optional(),
    namespace: storePath(256, 'team-a').describe('Namespace of Vault Enterprise or OpenBao.').optional(),
    auth: auth.describe('How sidecars log in.'),
  })
  .describe('HashiCorp Vault or OpenBao.');
