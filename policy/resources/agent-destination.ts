// AgentDestination: a private place that agents may be allowed to reach. A cluster kind: which inner addresses
// are opened is the platform's to say.

import { z } from 'zod';
import { constrain, exactlyOneOf, listOf } from './constraint.ts';
import { caBundle, cidr, hostName, labelName, port } from './names.ts';
import { namespaceSelector } from './selector.ts';
import { baseStatus } from './status.ts';

const scheme = z
  .enum(['https', 'http', 'tcp'])
  .default('https')
  .describe(
    'https: TLS that is verified. http: in the clear, and so never with a credential. tcp: bytes that nobody reads, and so without a credential too.',
  );

const spec = exactlyOneOf(
  z.strictObject({
    namespaceSelector: namespaceSelector(),
    service: z
      .strictObject({
        namespace: labelName().describe('Namespace of the Service.'),
        name: labelName().describe('Name of the Service.'),
        port: port().describe('Port of the Service.'),
        scheme,
      })
      .describe('A Service of this cluster; agents may use any spelling of its name.')
      .optional(),
    host: z
      .strictObject({
        name: hostName().describe('DNS name, or an IPv4 address.'),
        port: port().describe('Port that it listens on.'),
        scheme,
        cidrs: listOf(cidr(), 16, '10.20.0.0/16').describe(
          'Address ranges that the name may lead to; others are refused. Loopback, link-local and metadata addresses are opened by ranges of nothing else: 169.254.169.254/32, never 0.0.0.0/0.',
        ),
      })
      .describe('A host that is not public, or not on port 443.')
      .optional(),
    caBundle: caBundle()
      .describe('PEM of the CAs that may sign its certificate, besides public ones.')
      .optional(),
  }),
  ['service', 'host'],
);

/** What does not speak TLS verifies nothing. */
export const agentDestinationSpec = constrain(spec, {
  cel: `!has(self.caBundle) || (has(self.service) ? self.service.scheme : self.host.scheme) == 'https'`,
  holds: ({ caBundle: bundle, service, host }) =>
    bundle === undefined || (service ?? host)?.scheme === 'https',
  message: 'has caBundle without TLS: write scheme: https, or leave caBundle out',
});

export type AgentDestinationSpec = z.infer<typeof agentDestinationSpec>;

export const agentDestinationStatus = baseStatus.extend({});
