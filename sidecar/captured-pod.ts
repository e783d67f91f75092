// What a captured pod has besides: the listeners that netfilter redirects to, and its agents' name server. A cooperative
// pod does without, in memory too, so this is imported where it is needed.

import type { CapturePlan, CaptureReport } from '../policy/capture-plan.ts';
import type { Diagnostics } from './diagnostics.ts';
import { createAgentNames, type AgentNamesOptions } from './dns/agent-names.ts';
import { createRefusedNames } from './dns/refused-names.ts';
import { createDnsServer } from './dns/server.ts';
import type { Proxy } from './proxy/server.ts';

export interface CapturedPodOptions extends AgentNamesOptions {
  readonly plan: CapturePlan;
  readonly report: CaptureReport;
  /** Listening already. */
  readonly proxy: Pick<Proxy, 'capture'>;
  readonly diagnostics: Diagnostics;
  readonly ownPorts: Set<number>;
}

export interface CapturePorts {
  readonly tls: number;
  readonly http: number;
  readonly dns: number;
}

export interface CapturedPod {
  /** @throws SidecarError PORT_TAKEN */
  listen(ports: CapturePorts, hosts: readonly string[]): Promise<CapturePorts>;
  close(): Promise<void>;
}

export function createCapturedPod(options: CapturedPodOptions): CapturedPod {
  const { plan, report, proxy, diagnostics, ownPorts } = options;
  const refused = createRefusedNames({ diagnostics });
  const names = createDnsServer({
    ...createAgentNames(options),
    families: report.families,
    onRefused: (name) => refused.note(name),
  });
  return {
    listen: async (ports, hosts) => {
      const { tls, http } = await proxy.capture(plan, ports, hosts);
      const { port: dns } = await names.listen(ports.dns, hosts);
      ownPorts.add(dns);
      return { tls, http, dns };
    },
    close: async () => {
      refused.close();
      await names.close();
    },
  };
}
