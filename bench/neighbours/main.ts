// All that a sidecar speaks to, but the agent and the origin, in one process on the load's core: operator, Vault,
// collector, name server. Run by `startNeighbours`, never by hand.

import { startCollector, type Collector, type Received } from './collector.ts';
import { startNameServer } from './names.ts';
import { startOperator } from './operator.ts';
import { compilePolicies, secretPath } from './policies.ts';
import { startVault } from './vault.ts';

export interface NeighbourOrders {
  readonly tls: { readonly cert: string; readonly key: string };
  readonly caPem: string;
  readonly origin: { readonly host: string; readonly port: number; readonly address: string };
  readonly operatorToken: string;
  /** The value of the credential. */
  readonly secret: string;
}

export type NeighbourReport =
  | { readonly kind: 'started'; readonly operatorPort: number; readonly rules: number }
  | { readonly kind: 'received'; readonly received: Received };

let collector: Collector | null = null;

async function start({ tls, caPem, origin, operatorToken, secret }: NeighbourOrders): Promise<void> {
  await startNameServer(origin.host, origin.address);
  const { mount, path, field } = secretPath;
  const vaultPort = await startVault({ tls, path: `${mount}/data/${path}`, field, value: secret });
  collector = await startCollector(tls);
  const telemetry = { endpoint: `https://127.0.0.1:${collector.port}`, caBundle: caPem };
  const compiled = compilePolicies({ origin, caPem, vaultPort, telemetry });
  const operatorPort = await startOperator({ tls, token: operatorToken, compiled });
  const rules = compiled.ruleset.grants.length + compiled.ruleset.guards.length;
  report({ kind: 'started', operatorPort, rules });
}

function report(message: NeighbourReport): void {
  process.send?.(message);
}

process.on('message', (order: NeighbourOrders | 'received') => {
  if (order === 'received') {
    report({ kind: 'received', received: collector?.received() ?? { spans: 0, bytes: 0, posts: 0 } });
  } else {
    // A failure ends the process, and its end is what the bench waits for too.
    void start(order);
  }
});
process.on('disconnect', () => process.exit());
