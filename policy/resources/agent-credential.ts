// AgentCredential: one secret as source × allow × inject. The secret itself is never here.

import { z } from 'zod';
import { constrain, exactlyOneOf, listOf, text } from './constraint.ts';
import { ceilingHostPattern, duration, objectName, storePath } from './names.ts';
import { destination, hosts, methods, paths } from './rule-match.ts';
import { baseStatus } from './status.ts';

const kv = z
  .strictObject({
    mount: storePath(128, 'secret').describe('Where the KV engine is mounted.'),
    path: storePath(512, 'agents/github').describe(
      'Path of the secret below the mount, without data/ or metadata/.',
    ),
    version: z.literal([1, 2]).default(2).describe("The engine's version, not the secret's."),
    field: text(256, 1).describe('Key of the value inside the secret.'),
  })
  .describe('A value in a KV engine.');

const vault = exactlyOneOf(
  z.strictObject({
    store: objectName()
      .default('default')
      .describe('AgentSecretStore that says which Vault and who may use it.'),
    role: text(256, 1).describe(
      "Role of Vault's Kubernetes auth method; its bound_service_account_names must have the agent's.",
    ),
    kv: kv.optional(),
  }),
  ['kv'],
).describe('HashiCorp Vault or OpenBao.');

const file = z
  .strictObject({
    path: storePath(256, 'github.token').describe(
      'Path below the one directory that holds files of secrets.',
    ),
  })
  .describe('A file: local mode, and volumes that another operator fills.');

/** Names that steer the process, or that the injector itself sets. */
const forbiddenEnv =
  '^(PATH|HOME|LD_.*|.*_PROXY|NODE_.*|OUTRIDER_.*|SSL_CERT_FILE|SSL_CERT_DIR|CURL_CA_BUNDLE|REQUESTS_CA_BUNDLE|AWS_CA_BUNDLE|PIP_CERT|GIT_SSL_CAINFO|DENO_CERT|JAVA_TOOL_OPTIONS)$';

const environmentName = constrain(
  constrain(text(128), {
    cel: `self.matches(r'^[A-Za-z_][A-Za-z0-9_]*$')`,
    holds: (value) => /^[A-Za-z_][A-Za-z0-9_]*$/.test(value),
    message: 'is no variable name: letters, digits and underscores, such as GITHUB_TOKEN',
  }),
  {
    cel: `!self.upperAscii().matches(r'${forbiddenEnv}')`,
    holds: (value) => !new RegExp(forbiddenEnv).test(value.toUpperCase()),
    message:
      'steers the process or the proxy and cannot be a placeholder: PATH, HOME, LD_*, NODE_*, *_PROXY, OUTRIDER_* and trust stores are taken',
  },
);

const allowEntry = exactlyOneOf(
  z.strictObject({
    hosts: hosts(ceilingHostPattern()),
    destination: destination(),
    methods: methods(),
    paths: paths(),
  }),
  ['hosts', 'destination'],
);

export const inject = exactlyOneOf(
  z.strictObject({
    bearer: z.strictObject({}).describe('Authorization: Bearer <value>').optional(),
  }),
  ['bearer'],
).describe('How the secret is put on a request.');

export const agentCredentialSpec = z.strictObject({
  source: exactlyOneOf(z.strictObject({ vault: vault.optional(), file: file.optional() }), [
    'vault',
    'file',
  ]).describe('Where the secret lives.'),
  allow: listOf(allowEntry, 16, '{ hosts: [api.github.com] }').describe(
    'The ceiling: the secret is never sent anywhere else, whatever a policy says.',
  ),
  inject,
  placeholderEnv: listOf(environmentName, 8, 'GITHUB_TOKEN')
    .describe('Variables that agent containers get a harmless placeholder in, so that SDKs start.')
    .optional(),
  refreshInterval: duration('5s', '24h')
    .default('5m')
    .describe('How long a value is used before it is read again.'),
});

export type AgentCredentialSpec = z.infer<typeof agentCredentialSpec>;

export const agentCredentialStatus = baseStatus.extend({
  agents: z
    .strictObject({
      bound: z.int().min(0).describe('Agents whose policies name the credential.'),
      resolved: z.int().min(0).describe('Of these, how many hold the secret.'),
      failing: z.int().min(0).describe('Of these, how many cannot get it.'),
    })
    .describe('How many agents use the credential.')
    .optional(),
  lastRotationTime: z
    .string()
    .meta({ format: 'date-time' })
    .describe('When an agent last saw the value change.')
    .optional(),
});
