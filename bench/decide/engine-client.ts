// Starts an engine's process and gives it orders.

import { join } from 'node:path';
import { startConversation } from '../conversation.ts';
import { loadSidecarImage } from '../sidecar-image.ts';
import type { EngineOrder, EngineReport } from './messages.ts';

export interface EngineClient {
  /** @throws Error with what the engine says, or when it says nothing in time. */
  ask<K extends EngineOrder['kind']>(order: Extract<EngineOrder, { kind: K }>): Promise<Reply[K]>;
  end(): void;
}

interface Reply {
  readonly open: Extract<EngineReport, { kind: 'opened' }>;
  readonly time: Extract<EngineReport, { kind: 'timed' }>;
  readonly compile: Extract<EngineReport, { kind: 'compiled' }>;
  readonly slowest: Extract<EngineReport, { kind: 'slow' }>;
}

/** The first time, OPA's compiler is built within `open`. */
const timeoutMs = 10 * 60_000;

export function startEngine(name: string): EngineClient {
  const script = join(import.meta.dirname, 'engine-process.ts');
  const conversation = startConversation<EngineReport>(
    name,
    script,
    loadSidecarImage().nodeFlags.filter(isOfNursery),
  );
  return {
    async ask<K extends EngineOrder['kind']>(order: Extract<EngineOrder, { kind: K }>): Promise<Reply[K]> {
      const report = await conversation.ask({ ...order }, timeoutMs);
      if (report.kind === 'failed') throw new Error(`${name}: ${report.message}`);
      return report as Reply[K];
    },
    end: () => conversation.end(),
  };
}

/** As in a sidecar, new objects stay in the processor's cache. Its limit on old ones would end a peer with many rules. */
function isOfNursery(flag: string): boolean {
  return flag.startsWith('--max-semi-space-size=');
}
