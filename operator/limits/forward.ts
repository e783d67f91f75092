// Passes a sidecar's question for limits on to the leader, whose address is in the Lease.

import { Agent } from 'undici';
import { controlHeaders, controlPaths } from '../../policy/contract.ts';
import { type LimitsAnswer, type LimitsRequest } from '../../policy/limits-contract.ts';
import { OperatorError } from '../errors.ts';
import type { Election } from '../kube/leader.ts';
import type { Authority } from '../webhook/authority.ts';

export interface LimitsForward {
  /** @throws {OperatorError} NOT_LEADER when no leader answers. */
  send(authorization: string, request: LimitsRequest): Promise<LimitsAnswer>;
  close(): Promise<void>;
}

/** A sidecar waits 4 s, and the leader answers within 3. */
const timeoutMs = 3500;

export function createLimitsForward(deps: {
  readonly election: Pick<Election, 'leader'>;
  readonly authority: Pick<Authority, 'bundle' | 'onChange'>;
  /** Name in the operator's certificate; the leader is dialled by its address. */
  readonly serverName: string;
}): LimitsForward {
  const { election, authority, serverName } = deps;
  let agent: Agent | null = null;
  const forget = authority.onChange(() => {
    agent?.close().catch(() => undefined);
    agent = null;
  });

  return {
    send: async (authorization, request) => {
      const leader = election.leader();
      if (leader === null) throw new OperatorError('NOT_LEADER', { detail: 'Nobody leads.' });
      agent ??= new Agent({
        allowH2: false,
        connect: { ca: authority.bundle(), servername: serverName, timeout: timeoutMs },
      });
      try {
        const { statusCode, body } = await agent.request({
          origin: `https://${leader.address}`,
          path: controlPaths.limits,
          method: 'POST',
          headers: {
            authorization,
            'content-type': 'application/json',
            [controlHeaders.forwarded]: '1',
          },
          body: JSON.stringify(request),
          signal: AbortSignal.timeout(timeoutMs),
        });
        if (statusCode === 200) return (await body.json()) as LimitsAnswer;
        await body.dump();
        throw new OperatorError('NOT_LEADER', { detail: `The leader answered ${statusCode}.` });
      } catch (error) {
        if (error instanceof OperatorError) throw error;
        throw new OperatorError('NOT_LEADER', { detail: 'The leader did not answer.', cause: error });
      }
    },
    close: async () => {
      forget();
      await agent?.destroy();
    },
  };
}
