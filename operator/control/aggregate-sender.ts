// Tells the leader what sidecars told this replica: soon after a change, and often enough to stay known.

import { readFile } from 'node:fs/promises';
import type { FastifyBaseLogger } from 'fastify';
import { Agent } from 'undici';
import { controlPaths } from '../../policy/contract.ts';
import { OperatorError } from '../errors.ts';
import type { Election } from '../kube/leader.ts';
import type { Authority } from '../webhook/authority.ts';
import { aggregatesOf } from './aggregates.ts';
import type { Reports } from './reports.ts';

export interface AggregateSender {
  start(): void;
  stop(): Promise<void>;
}

export interface AggregateSenderDeps {
  readonly election: Election;
  readonly reports: Reports;
  readonly authority: Authority;
  /** Name in the operator's certificate; the leader is dialled by its address. */
  readonly serverName: string;
  /** File of the token of the operator's own ServiceAccount for the operator's audience. */
  readonly tokenFile: string;
  readonly self: { readonly pod: string };
  readonly log: FastifyBaseLogger;
}

const tickMs = 1_000;
/** A third of what the leader waits before it takes a replica for gone. */
const repeatMs = 10_000;
const timeoutMs = 5_000;

export function createAggregateSender(deps: AggregateSenderDeps): AggregateSender {
  const { election, reports, authority, log } = deps;
  let agent: Agent | null = null;
  let sent: { readonly address: string; readonly atMs: number } | null = null;
  let changed = false;
  let sending = false;
  let ticker: NodeJS.Timeout | undefined;

  function connect(): Agent {
    return new Agent({
      allowH2: false,
      connect: { ca: authority.bundle(), servername: deps.serverName, timeout: timeoutMs },
    });
  }

  const forget = authority.onChange(() => {
    agent?.close().catch(() => undefined);
    agent = null;
  });
  reports.onChange(() => {
    changed = true;
  });

  async function send(address: string): Promise<void> {
    const token = (await readFile(deps.tokenFile, 'utf8')).trim();
    agent ??= connect();
    const response = await agent.request({
      origin: `https://${address}`,
      path: controlPaths.aggregates,
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify(aggregatesOf(reports.all())),
      signal: AbortSignal.timeout(timeoutMs),
    });
    await response.body.dump();
    if (response.statusCode >= 300) {
      throw new OperatorError('NOT_LEADER', { detail: `It answered ${response.statusCode}.` });
    }
  }

  async function tick(): Promise<void> {
    const leader = election.leader();
    // The leader reads its own reports where they are.
    if (sending || leader === null || leader.pod === deps.self.pod) return;
    const due = sent === null || sent.address !== leader.address || performance.now() - sent.atMs > repeatMs;
    if (!changed && !due) return;
    sending = true;
    changed = false;
    try {
      await send(leader.address);
      sent = { address: leader.address, atMs: performance.now() };
    } catch (error) {
      sent = null;
      const reason = error instanceof Error ? error.message : String(error);
      log.warn({ leader: leader.address, reason }, 'the leader did not take the reports; sending them again');
    } finally {
      sending = false;
    }
  }

  return {
    start: () => {
      ticker = setInterval(() => void tick(), tickMs);
    },
    stop: async () => {
      clearInterval(ticker);
      forget();
      await agent?.destroy();
    },
  };
}
