// Starts the neighbours and asks them what they have received.

import { join } from 'node:path';
import type { Authority } from '../test/cluster/certificates.ts';
import { startConversation } from './conversation.ts';
import type { Received } from './neighbours/collector.ts';
import type { NeighbourOrders, NeighbourReport } from './neighbours/main.ts';
import type { Origin } from './origin.ts';

export interface Neighbours {
  readonly operatorPort: number;
  readonly operatorToken: string;
  readonly caPem: string;
  /** Rules of the ruleset. */
  readonly rules: number;
  received(): Promise<Received>;
}

export async function startNeighbours(
  authority: Authority,
  origin: Origin,
  secret: string,
): Promise<Neighbours> {
  const { certPem, keyPem } = await authority.issue({
    name: 'neighbours',
    subject: '/CN=neighbours',
    alternativeNames: ['IP:127.0.0.1'],
    usages: ['serverAuth'],
  });
  const operatorToken = 'bench-operator-token';
  const orders: NeighbourOrders = {
    tls: { cert: certPem, key: keyPem },
    caPem: authority.certPem,
    origin: { host: origin.host, port: origin.port, address: origin.address },
    operatorToken,
    secret,
  };
  const script = join(import.meta.dirname, 'neighbours/main.ts');
  const conversation = startConversation<NeighbourReport>("the sidecar's neighbours", script);
  const report = await conversation.ask({ ...orders }, 15_000);
  if (report.kind !== 'started') throw new Error('the neighbours answered out of turn');
  return {
    operatorPort: report.operatorPort,
    operatorToken,
    caPem: authority.certPem,
    rules: report.rules,
    async received() {
      const answer = await conversation.ask('received', 5000);
      if (answer.kind !== 'received') throw new Error('the neighbours answered out of turn');
      return answer.received;
    },
  };
}
