// Pods and replicas of the operator that share one limit, in simulated time: the pods' purses and the leader are the real
// ones; what lies between them, storage and network, does what a test says and when it says it.

import { setImmediate } from 'node:timers/promises';
import fastify from 'fastify';
import type { LimitAnswer, LimitAsk } from '../../../policy/limits-contract.ts';
import { shareLifetimeMs } from '../../../policy/limits/window.ts';
import { OperatorError } from '../../../operator/errors.ts';
import { createLimitsLeader, type LimitsLeader } from '../../../operator/limits/leader.ts';
import type { LimitStore, StoredLimits } from '../../../operator/limits/store.ts';
import {
  canSpend,
  composeAsk,
  createPurse,
  forgetAsk,
  freeUnits,
  giveBack,
  reserve,
  settleClaim,
  spendUnits,
  takeAnswer,
  unreserve,
  type Asked,
  type Purse,
  type TokenClaim,
} from '../../../sidecar/limits/purse.ts';

export interface Spend {
  readonly atMs: number;
  amount: number;
}

/** What becomes of an operation on storage; `late` is applied, if it still can be, after the caller gave up. */
export type Fate = 'done' | 'unheard' | 'failed' | 'late';

const namespace = 'team';
const name = { policy: 'p', rule: 'r', limit: 'l' };
const { log } = fastify({ logger: false });

interface Process {
  /** Of this process's clock: each has an origin of its own. */
  originMs: number;
}

interface Replica extends Process {
  leads: boolean;
  leader: LimitsLeader;
  term: AbortController;
}

interface Pod extends Process {
  readonly uid: string;
  purse: Purse;
  asked: Asked | null;
  readonly held: number[];
  readonly claims: { readonly claim: TokenClaim; readonly spend: Spend }[];
}

interface Message {
  readonly pod: Pod;
  readonly purse: Purse;
  readonly asked: Asked;
  readonly ask: LimitAsk;
  answer: LimitAnswer | null;
}

export function createSimulatedCluster(options: {
  readonly pods: number;
  readonly replicas: number;
  readonly max: number;
  readonly windowMs: number;
}) {
  const { windowMs } = options;
  const periodMs = shareLifetimeMs(windowMs);
  let nowMs = 0;
  let max = options.max;
  /** Each value of `max`, and until when a unit that was granted under it can be spent. */
  const maxima: { readonly max: number; untilMs: number }[] = [{ max, untilMs: Infinity }];
  const spends: Spend[] = [];
  const messages: Message[] = [];
  let content: { readonly version: number; readonly text: string } | null = null;
  let versions = 0;
  const operations: ((fate: Fate) => void)[] = [];
  const late: (() => void)[] = [];

  function describe(): StoredLimits | null {
    if (content === null) return null;
    const metadata = { name: 'limits', resourceVersion: String(content.version) };
    return { namespace, text: content.text, configMap: { metadata } };
  }

  const store: LimitStore = {
    list: () => Promise.resolve([]),
    read: () =>
      new Promise((resolve, reject) => {
        operations.push((fate) => {
          if (fate === 'done') resolve(describe());
          else reject(new OperatorError('KUBE_UNREACHABLE'));
        });
      }),
    write: (_, text, previous) =>
      new Promise((resolve, reject) => {
        const apply = (): StoredLimits => {
          const base = previous?.configMap.metadata.resourceVersion;
          if (base !== (content === null ? undefined : String(content.version))) {
            throw new OperatorError('KUBE_CONFLICT');
          }
          content = { version: ++versions, text };
          return describe() as StoredLimits;
        };
        operations.push((fate) => {
          try {
            if (fate === 'done') return resolve(apply());
            if (fate === 'unheard') apply();
            if (fate === 'late') late.push(apply);
            reject(new OperatorError('KUBE_UNREACHABLE'));
          } catch (error) {
            reject(error instanceof Error ? error : new Error('thrown'));
          }
        });
      }),
  };

  function startReplica(originMs: number): Replica {
    const term = new AbortController();
    const replica: Replica = {
      originMs,
      leads: true,
      term,
      leader: createLimitsLeader({
        store,
        leads: () => replica.leads,
        now: () => nowMs + replica.originMs,
        log,
      }),
    };
    return replica;
  }

  const replicas = Array.from({ length: options.replicas }, (_, index) => startReplica(index * 1_000_003));
  const pods = Array.from({ length: options.pods }, (_, index): Pod => {
    const originMs = index * 777_777 - 5_000_000;
    const purse = createPurse(max, windowMs);
    return { uid: `pod-${index}`, originMs, purse, asked: null, held: [], claims: [] };
  });

  const clockOf = ({ originMs }: Process): number => nowMs + originMs;

  function compose(pod: Pod, waiting: readonly number[]): void {
    if (pod.asked !== null) return;
    const waits = waiting.map((amount) => ({ amount }));
    for (const wait of waits) pod.purse.waiting.add(wait);
    const asked = composeAsk(pod.purse, name, clockOf(pod), periodMs);
    for (const wait of waits) pod.purse.waiting.delete(wait);
    pod.asked = asked;
    messages.push({ pod, purse: pod.purse, asked, ask: asked.ask, answer: null });
  }

  return {
    pods,
    replicas,
    messages,
    operations,
    late,
    spends,
    now: () => nowMs,
    advance: (ms: number) => {
      nowMs += ms;
    },
    setMax: (next: number) => {
      const last = maxima.at(-1);
      if (last !== undefined) last.untilMs = nowMs + periodMs;
      max = next;
      maxima.push({ max, untilMs: Infinity });
    },
    reserve: (pod: Pod, amount: number): boolean => {
      if (amount > freeUnits(pod.purse, clockOf(pod))) return false;
      reserve(pod.purse, amount, clockOf(pod), periodMs);
      pod.held.push(amount);
      return true;
    },
    release: (pod: Pod) => unreserve(pod.purse, pod.held.shift() ?? 0),
    commit: (pod: Pod, isTokens: boolean): boolean => {
      const amount = pod.held.shift();
      if (amount === undefined) return false;
      if (!canSpend(pod.purse, amount, clockOf(pod))) {
        unreserve(pod.purse, amount);
        return false;
      }
      const claim = spendUnits(pod.purse, amount, isTokens, clockOf(pod));
      const spend = { atMs: nowMs, amount };
      spends.push(spend);
      if (isTokens) pod.claims.push({ claim, spend });
      return true;
    },
    spendAll: (pod: Pod, isTokens: boolean): void => {
      const free = freeUnits(pod.purse, clockOf(pod));
      if (free <= 0) return;
      reserve(pod.purse, free, clockOf(pod), periodMs);
      const claim = spendUnits(pod.purse, free, isTokens, clockOf(pod));
      const spend = { atMs: nowMs, amount: free };
      spends.push(spend);
      if (isTokens) pod.claims.push({ claim, spend });
    },
    settle: (pod: Pod, part: number) => {
      const settled = pod.claims.shift();
      if (settled === undefined) return;
      const amount = Math.floor(settled.spend.amount * part);
      settleClaim(pod.purse, settled.claim, amount);
      settled.spend.amount = amount;
    },
    giveBackAll: (pod: Pod) => {
      if (giveBack(pod.purse, pod.purse.reserved) > 0) pod.purse.isDirty = true;
    },
    ask: compose,
    /** A message may be delivered more than once, to any replica, and late. */
    deliver: async (message: Message, replica: Replica) => {
      const rule = { name: 'l', max, windowMs, scope: 'Policy', exceeded: 'Deny' } as const;
      void (async () => {
        const asks = [{ ask: message.ask, limit: rule }];
        const [answer] = await replica.leader.answer({ uid: message.pod.uid, namespace }, asks);
        message.answer ??= answer ?? null;
      })().catch(() => undefined);
      await setImmediate();
    },
    /** The pod hears the answer, or gives up waiting for it. */
    hear: (message: Message, isHeard: boolean) => {
      const { pod, purse, asked, answer } = message;
      if (pod.asked !== asked) return;
      pod.asked = null;
      if (isHeard && answer !== null) takeAnswer(purse, asked, answer);
      else forgetAsk(purse, asked);
    },
    crash: (pod: Pod) => {
      pod.purse = createPurse(max, windowMs);
      pod.originMs += 12_345;
      pod.asked = null;
      pod.held.length = 0;
      pod.claims.length = 0;
    },
    restart: (index: number) => {
      const replica = replicas[index];
      if (replica === undefined) return;
      replica.leads = false;
      replicas[index] = startReplica(replica.originMs - 333_333);
    },
    finish: async (fate: Fate) => {
      operations.shift()?.(fate);
      await setImmediate();
    },
    applyLate: () => {
      try {
        late.shift()?.();
      } catch {
        // A conflict that nobody hears of.
      }
    },
    /** What was spent in the window that ends now, and what may have been. */
    window: () => {
      const inWindow = spends.filter(({ atMs }) => atMs > nowMs - windowMs);
      const allowed = maxima.filter(({ untilMs }) => untilMs > nowMs - windowMs).map((each) => each.max);
      return { spent: inWindow.reduce((sum, { amount }) => sum + amount, 0), max: Math.max(...allowed) };
    },
    /** Ends whatever waits. */
    stop: async () => {
      for (const replica of replicas) replica.leads = false;
      while (operations.length > 0) {
        operations.shift()?.('failed');
        await setImmediate();
      }
    },
  };
}
