// AgentSecretStore: a Vault or an AWS account, and which namespaces may use it. Where a sidecar's identity token may be
// sent is the platform's to say, hence a cluster kind.

import { z } from 'zod';
import { constrain, exactlyOneOf, text } from './constraint.ts';
import { namespaceSelector } from './selector.ts';
import { baseStatus } from './status.ts';
import { awsStore } from './store-aws.ts';
import { vaultStore } from './store-vault.ts';

const audience = constrain(text(253), {
  cel: `self.matches(r'^outrider[.]dev/[a-z0-9]([a-z0-9.-]*[a-z0-9])?$') && self != 'outrider.dev/operator'`,
  holds: (value) =>
    /^outrider[.]dev\/[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?$/.test(value) && value !== 'outrider.dev/operator',
  message:
    "is no audience of a store: write outrider.dev/ and a name of its own, such as outrider.dev/corp-vault (outrider.dev/operator is the operator's)",
});

export const agentSecretStoreSpec = exactlyOneOf(
  z.strictObject({
    namespaceSelector: namespaceSelector(),
    audience: audience.describe('Audience of the token that sidecars log in with; register it at the store.'),
    vault: vaultStore.optional(),
    awsSecretsManager: awsStore.optional(),
  }),
  ['vault', 'awsSecretsManager'],
);

export type AgentSecretStoreSpec = z.infer<typeof agentSecretStoreSpec>;

export const agentSecretStoreStatus = baseStatus.extend({});
