// AgentSecretStore: a Vault, and which namespaces may use it. Where a sidecar's identity token may be sent is
// the platform's to say, hence a cluster kind.

import { z } from 'zod';
import { constrain, exactlyOneOf, text } from './constraint.ts';
import { caBundle, storePath } from './names.ts';
import { namespaceSelector } from './selector.ts';
import { baseStatus } from './status.ts';

const address = constrain(text(512), {
  cel: `isURL(self) && url(self).getScheme() == 'https' && self.matches(r'^https://[A-Za-z0-9.:\\[\\]-]+/?$')`,
  holds: (value) => URL.canParse(value) && /^https:\/\/[A-Za-z0-9.:[\]-]+\/?$/.test(value),
  message:
    'is no address of a Vault: write https://host:port without path, query or user, such as https://vault.vault.svc:8200',
});

const audience = constrain(text(253), {
  cel: `self.matches(r'^outrider[.]dev/[a-z0-9]([a-z0-9.-]*[a-z0-9])?$') && self != 'outrider.dev/operator'`,
  holds: (value) =>
    /^outrider[.]dev\/[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?$/.test(value) && value !== 'outrider.dev/operator',
  message:
    "is no audience of a store: write outrider.dev/ and a name of its own, such as outrider.dev/corp-vault (outrider.dev/operator is the operator's)",
});

const auth = exactlyOneOf(
  z.strictObject({
    kubernetes: z
      .strictObject({
        mount: storePath(128, 'kubernetes')
          .default('kubernetes')
          .describe('Where the Kubernetes auth method is mounted, without auth/.'),
      })
      .describe("Vault's Kubernetes auth method, with the sidecar's own projected token.")
      .optional(),
  }),
  ['kubernetes'],
);

export const agentSecretStoreSpec = exactlyOneOf(
  z.strictObject({
    namespaceSelector: namespaceSelector(),
    audience: audience.describe('Audience of the token that sidecars log in with; register it at the store.'),
    vault: z
      .strictObject({
        address: address.describe('Address of the Vault, as https://host:port.'),
        caBundle: caBundle()
          .describe("PEM of the CAs that may sign the Vault's certificate; absent means public CAs.")
          .optional(),
        namespace: storePath(256, 'team-a').describe('Namespace of Vault Enterprise or OpenBao.').optional(),
        auth: auth.describe('How sidecars log in.'),
      })
      .describe('HashiCorp Vault or OpenBao.')
      .optional(),
  }),
  ['vault'],
);

export type AgentSecretStoreSpec = z.infer<typeof agentSecretStoreSpec>;

export const agentSecretStoreStatus = baseStatus.extend({});
