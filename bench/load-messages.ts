// What the bench and its load process say to each other.

import type { Way } from './tunnel.ts';

export type LoadOrder =
  | {
      readonly kind: 'open';
      readonly way: Way;
      readonly proxyPort: number;
      readonly host: string;
      readonly port: number;
      readonly ca: string;
      readonly request: string;
      readonly connections: number;
    }
  /** As fast as answers come, until both minima are reached. */
  | { readonly kind: 'closed'; readonly leastRequests: number; readonly leastMs: number }
  /** At a fixed rate, whether answers come or not; a late answer's latency counts from when it was due. */
  | { readonly kind: 'paced'; readonly perSecond: number; readonly lengthMs: number };

export interface LoadResult {
  readonly completed: number;
  readonly lengthMs: number;
  /** Answers other than 200, by status. */
  readonly refused: Readonly<Record<string, number>>;
  /** Tunnels that ended and were opened again. */
  readonly reopened: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export type LoadReport =
  | { readonly kind: 'opened'; readonly tls: string }
  | { readonly kind: 'done'; readonly result: LoadResult }
  | { readonly kind: 'failed'; readonly message: string };
