// POST /v1/limits: whoever asks is the pod that its token says, and gets only of limits that its own ruleset has. The
// leader answers; another replica passes the question on, with the token, so that the leader sees for itself who asks.

import { z } from 'zod';
import { maxLimitAsks, maxShares, type LimitsAnswer } from '../../policy/limits-contract.ts';
import { counterKey } from '../../policy/limits/charge.ts';
import type { Agents } from '../control/agents.ts';
import type { SidecarIdentity } from '../control/identity.ts';
import { parseBody } from '../control/reports.ts';
import type { CompiledRuleset, Rulesets } from '../control/rulesets.ts';
import { OperatorError } from '../errors.ts';
import type { Election } from '../kube/leader.ts';
import type { LimitsForward } from './forward.ts';
import type { LimitsLeader } from './leader.ts';
import type { LimitRule } from './shares.ts';

export interface LimitsService {
  /** @throws {OperatorError} REQUEST_INVALID, NOT_LEADER, OVERLOADED or KUBE_*. */
  answer(question: LimitsQuestion): Promise<LimitsAnswer>;
}

export interface LimitsQuestion {
  readonly identity: SidecarIdentity;
  readonly authorization: string;
  readonly body: unknown;
  /** By another replica, which took this one for the leader. */
  readonly isForwarded: boolean;
}

/** Beyond any `max`, and exact in sums. */
const amount = z.int().min(0).max(1e15);
const name = z.string().min(1).max(253);

/** Unknown fields are passed over: a newer sidecar may say more. */
const limitsRequest = z.object({
  asks: z
    .array(
      z.object({
        policy: name,
        rule: name,
        limit: name,
        need: amount,
        want: amount,
        overdrawn: amount,
        shares: z
          .array(z.object({ id: z.string().max(64), spent: amount, kept: amount, renew: amount }))
          .max(maxShares),
      }),
    )
    .max(maxLimitAsks)
    .refine((asks) => new Set(asks.map(counterKey)).size === asks.length, 'names a limit twice'),
});

export function createLimitsService(deps: {
  readonly agents: Pick<Agents, 'agentOf'>;
  readonly rulesets: Pick<Rulesets, 'compile'>;
  readonly election: Pick<Election, 'leads'>;
  readonly leader: LimitsLeader;
  readonly forward: LimitsForward;
}): LimitsService {
  const { agents, rulesets, election, leader, forward } = deps;
  return {
    answer: async ({ identity, authorization, body, isForwarded }) => {
      const request = parseBody(limitsRequest, body);
      if (!election.leads()) {
        if (isForwarded) throw new OperatorError('NOT_LEADER');
        return forward.send(authorization, request);
      }
      const { pod, uid } = identity;
      const { limits } = rulesets.compile(agents.agentOf(pod));
      const asks = request.asks.map((ask) => ({ ask, limit: sharedLimit(limits, counterKey(ask)) }));
      const agent = { uid, namespace: pod.metadata.namespace ?? '' };
      return { answers: await leader.answer(agent, asks) };
    },
  };
}

function sharedLimit(limits: CompiledRuleset['limits'], key: string): LimitRule | null {
  const limit = limits.get(key);
  if (limit === undefined || limit.windowMs === null || limit.scope !== 'Policy') return null;
  return { ...limit, windowMs: limit.windowMs };
}
