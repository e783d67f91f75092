// AgentCredential: one secret as source × allow × inject. The secret itself is never here.

import { z } from 'zod';
import { constrain, exactlyOneOf, listOf, text } from './constraint.ts';
import { entryInject, inject, tokensInSlots } from './inject.ts';
import { ceilingHostPattern, duration } from './names.ts';
import { destination, hosts, methods, paths } from './rule-match.ts';
import { source } from './source.ts';
import { baseStatus } from './status.ts';

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
    inject: entryInject(),
  }),
  ['hosts', 'destination'],
);

const spec = z.strictObject({
  source,
  allow: listOf(allowEntry, 16, '{ hosts: [api.github.com] }').describe(
    'The ceiling: the secret is never sent anywhere else, whatever a policy says.',
  ),
  inject,
  placeholderEnv: listOf(environmentName, 8, 'GITHUB_TOKEN')
    .describe('Variables that agent containers get a harmless placeholder in, so that SDKs start.')
    .optional(),
  placeholderFile: z
    .strictObject({
      env: environmentName.describe(
        'Variable that says where the file is, such as GOOGLE_APPLICATION_CREDENTIALS.',
      ),
    })
    .describe(
      "A harmless key file in place of Google's, for SDKs that insist on one; its token requests end in the sidecar.",
    )
    .optional(),
  refreshInterval: duration('5s', '24h')
    .default('5m')
    .describe('How long a value is used before it is read again.'),
});

const placeholders = constrain(tokensInSlots(spec), {
  cel: '!has(self.placeholderFile) || has(self.inject.googleServiceAccount)',
  holds: ({ placeholderFile, inject: way }) =>
    placeholderFile === undefined || way.googleServiceAccount !== undefined,
  message:
    'has placeholderFile without inject.googleServiceAccount, whose key file it stands for: write placeholderEnv, such as [GITHUB_TOKEN]',
});

export const agentCredentialSpec = constrain(placeholders, {
  cel: '!has(self.placeholderFile) || !has(self.placeholderEnv) || !(self.placeholderFile.env in self.placeholderEnv)',
  holds: ({ placeholderFile, placeholderEnv }) =>
    placeholderFile === undefined || placeholderEnv?.includes(placeholderFile.env) !== true,
  message:
    'has one variable under placeholderEnv and under placeholderFile: name it once, such as placeholderFile: { env: GOOGLE_APPLICATION_CREDENTIALS }',
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
