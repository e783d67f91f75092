// An agent that goes on asking at a steady rate whatever becomes of its secret's source, and what it was told.

import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { ProxyAgent, request } from 'undici';
import type { RulesetCredential, RulesetStore } from '../../../policy/ruleset-credential.ts';
import { createCredentials, type CredentialsOptions } from '../../../sidecar/credentials/credentials.ts';
import type { Providers } from '../../../sidecar/credentials/provider.ts';
import { waitFor } from '../../cluster/deadline.ts';
import { startFixture, type Fixture } from '../proxy/fixture.ts';
import { originName, type Origin, type TestCa } from '../proxy/origin.ts';

export interface Outcome {
  /** When it was asked, monotonic, and how long the answer took. */
  readonly atMs: number;
  readonly tookMs: number;
  /** `good`, the error code behind `secret_unavailable`, the status and reason of another refusal, or what was seen. */
  readonly verdict: string;
}

export interface SteadyAgent {
  readonly fixture: Fixture;
  readonly outcomes: readonly Outcome[];
  /** Waits for answers to questions from now on. @param verdict of that many in a row. */
  until(verdict: string | RegExp, inRow?: number): Promise<void>;
  /** Nothing but good answers and refusals by these codes. */
  assertSound(codes: readonly string[]): void;
  /** Nothing that was asked in this time was answered otherwise. */
  assertGood(fromMs?: number, toMs?: number): void;
  figures(): string;
}

export interface SceneOptions {
  readonly ca: TestCa;
  readonly origin: Origin;
  readonly stores: Readonly<Record<string, RulesetStore>>;
  readonly credential: Omit<RulesetCredential, 'allow'>;
  readonly providers: Partial<Providers>;
  readonly clocks?: Pick<CredentialsOptions, 'now' | 'wallMs'>;
  readonly perSecond?: number;
}

/** Nothing of a store: its address, its paths, its accounts, what it says. */
const ofStores = /canary|secret\/data|database\/|agents\/|spec\.|127\.0\.0\.1|arn:aws|ASIA|AKIA|hvs\.|eyJ/;
const refusal = /^The secret of token could not be had \(([A-Z0-9_]+)\)\.$/;
const deadlineMs = 25_000;

export const unused = { read: () => Promise.reject(new Error('unused')), forget: async () => {} };

/** Runs beside `work`, from its first good answers on, and ends with it. The process and its ruleset stay the same throughout. */
export async function withSteadyAgent(
  options: SceneOptions,
  work: (agent: SteadyAgent) => Promise<void>,
): Promise<void> {
  const { ca, origin, stores, credential, providers, clocks, perSecond = 20 } = options;
  const fixture = await startFixture({
    ca,
    origin,
    ruleset: {
      stores,
      credentials: { token: { ...credential, allow: [{ destination: 'origin' }] } },
    },
    credentials: ({ snapshots, egress }) =>
      createCredentials({
        snapshots,
        providers: { vault: unused, awsSecretsManager: unused, file: unused, ...providers },
        dial: egress.dial,
        ...clocks,
      }),
  });
  const dispatcher = new ProxyAgent({
    uri: `http://127.0.0.1:${fixture.port}`,
    requestTls: { ca: fixture.caPem },
    connections: 256,
  });
  const outcomes: Outcome[] = [];
  const ending = new AbortController();

  async function ask(): Promise<void> {
    const atMs = performance.now();
    const verdict = await verdictOf(dispatcher, `https://${originName}:${origin.port}/token/x`);
    outcomes.push({ atMs, tookMs: performance.now() - atMs, verdict });
  }

  async function askSteadily(): Promise<void> {
    const asked: Promise<void>[] = [];
    const startedAtMs = performance.now();
    for (let next = startedAtMs; !ending.signal.aborted; next += 1000 / perSecond) {
      await sleep(Math.max(0, next - performance.now()));
      asked.push(ask());
    }
    await Promise.all(asked);
  }

  const agent: SteadyAgent = {
    fixture,
    outcomes,
    async until(verdict, inRow = 5) {
      const fromMs = performance.now();
      const isWanted = (each: Outcome | undefined): boolean =>
        each !== undefined &&
        (typeof verdict === 'string' ? each.verdict === verdict : verdict.test(each.verdict));
      const what = `${String(verdict)}, ${inRow} times in a row`;
      await waitFor(
        { what, timeoutMs: deadlineMs, everyMs: 20, evidence: () => agent.figures() },
        async () => {
          const last = outcomes.filter(({ atMs }) => atMs >= fromMs).slice(-inRow);
          return last.length === inRow && last.every(isWanted);
        },
      );
    },
    assertSound(codes) {
      const seen = new Set(outcomes.map(({ verdict }) => verdict));
      const unexpected = [...seen].filter((verdict) => verdict !== 'good' && !codes.includes(verdict));
      assert.deepEqual(unexpected, [], agent.figures());
      assert.ok(seen.has('good'), agent.figures());
    },
    assertGood(fromMs = 0, toMs = Infinity) {
      const asked = outcomes.filter(({ atMs }) => atMs >= fromMs && atMs < toMs);
      const others = asked.filter(({ verdict }) => verdict !== 'good');
      assert.ok(asked.length > 0, 'nothing was asked');
      assert.deepEqual(others, [], agent.figures());
    },
    figures() {
      const counts = Map.groupBy(outcomes, ({ verdict }) => verdict);
      const slowest = Math.max(...outcomes.map(({ tookMs }) => tookMs));
      const each = [...counts].map(([verdict, { length }]) => `${length} ${verdict}`);
      return `${outcomes.length} requests: ${each.join(', ')}; slowest ${Math.round(slowest)} ms`;
    },
  };
  const asking = askSteadily();
  try {
    await agent.until('good');
    outcomes.length = 0;
    await work(agent);
  } finally {
    ending.abort();
    await asking;
    await dispatcher.close();
    await fixture.close();
  }
}

async function verdictOf(dispatcher: ProxyAgent, url: string): Promise<string> {
  try {
    const { statusCode, headers, body } = await request(url, { dispatcher });
    const text = await body.text();
    if (statusCode === 200) return 'good';
    if (headers['content-type'] !== 'application/problem+json' || ofStores.test(text))
      return `${statusCode} ${text}`;
    const { code, message } = JSON.parse(text) as { readonly code: string; readonly message: string };
    const named = refusal.exec(message)?.[1];
    return statusCode === 503 && code === 'secret_unavailable' && named !== undefined
      ? named
      : `${statusCode} ${code}`;
  } catch (error) {
    return String(error);
  }
}
