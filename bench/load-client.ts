// Starts a load process and gives it orders.

import { join } from 'node:path';
import { startConversation } from './conversation.ts';
import type { LoadOrder, LoadReport, LoadResult } from './load-messages.ts';

export interface Load {
  /** Protocol and cipher between load and proxy. */
  readonly tls: string;
  closed(least: { readonly requests: number; readonly ms: number }, timeoutMs: number): Promise<LoadResult>;
  paced(rate: { readonly perSecond: number; readonly ms: number }, timeoutMs: number): Promise<LoadResult>;
}

export type LoadOptions = Omit<Extract<LoadOrder, { kind: 'open' }>, 'kind'>;

export async function startLoad(name: string, options: LoadOptions): Promise<Load> {
  const conversation = startConversation<LoadReport>(
    `the load on ${name}`,
    join(import.meta.dirname, 'load.ts'),
  );

  async function order(message: LoadOrder, timeoutMs: number): Promise<LoadReport> {
    const report = await conversation.ask(message, timeoutMs);
    if (report.kind === 'failed') throw new Error(`the load on ${name}: ${report.message}`);
    return report;
  }

  async function run(message: LoadOrder, timeoutMs: number): Promise<LoadResult> {
    const report = await order(message, timeoutMs);
    if (report.kind !== 'done') throw new Error(`the load on ${name} answered out of turn`);
    const refusals = Object.entries(report.result.refused);
    if (refusals.length === 0) return report.result;
    const counts = refusals.map(([status, count]) => `${count} × ${status}`).join(', ');
    throw new Error(
      `${name} did not do its job: of ${report.result.completed} answers, ${counts}; 401 is the origin's word for ` +
        `another token than its own`,
    );
  }

  const opened = await order({ kind: 'open', ...options }, 30_000);
  return {
    tls: opened.kind === 'opened' ? opened.tls : '',
    closed: ({ requests, ms }, timeoutMs) =>
      run({ kind: 'closed', leastRequests: requests, leastMs: ms }, timeoutMs),
    paced: ({ perSecond, ms }, timeoutMs) => run({ kind: 'paced', perSecond, lengthMs: ms }, timeoutMs),
  };
}
