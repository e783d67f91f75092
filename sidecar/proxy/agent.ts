// The agent's side of one exchange: its request as it arrives, a refusal, and the end of the answer.

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Decision } from '../../policy/decision.ts';
import type { Refusal } from '../../policy/refusal.ts';
import type { Entry } from './entry.ts';
import { discardBody } from './request-body.ts';
import { createProblem, writeOwn, writeProblem, type OwnAnswer } from './respond.ts';
import type { Trail } from './trail.ts';

export interface Agent {
  readonly message: IncomingMessage;
  readonly response: ServerResponse;
  readonly entry: Entry;
  /** Whether it was told to send the body that it announced with `Expect`. */
  hasContinued?: boolean;
  /** Why the rest of the body can never be read; the message alone would be waited for in vain. */
  broken?: Refusal;
  /** Set while something waits for the body or for the answer: ends that. */
  cut?: (refusal: Refusal) => void;
}

/** To an agent that waits for it before it sends its body (RFC 9110 section 10.1.1). */
export function letContinue(agent: Agent): void {
  if (agent.message.headers.expect === undefined || agent.hasContinued === true) return;
  agent.response.writeContinue();
  agent.hasContinued = true;
}

/** Writes the whole answer; it ends as any other. */
export function answerRefusal({ message, response }: Agent, trail: Trail, refusal: Refusal): void {
  const problem = createProblem(trail.id, refusal, trail.decision);
  if (trail.decision?.reason !== refusal.reason) trail.refusal = refusal;
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  // Where a request could not be read for certain, neither can the start of the next one (H-06).
  writeProblem(response, problem, trail.request === null || !message.complete);
  trail.status = problem.status;
}

/** An answer in place of the upstream's. It counts as allowed: nothing was sent, and nothing was refused. */
export function answerOwn({ response }: Agent, trail: Trail, decision: Decision, answer: OwnAnswer): null {
  trail.decision = { ...decision, action: 'allow', reason: null, closest: null };
  if (!response.destroyed) writeOwn(response, answer);
  trail.status = answer.status;
  return null;
}

/** Ends the answer, after what is left of the body: closing before would take the answer away with it. */
export async function endAnswer({ message, response, hasContinued = false }: Agent): Promise<void> {
  if (response.destroyed) return;
  const isUnderWay = message.headers.expect === undefined || hasContinued;
  if (!message.complete && isUnderWay) await discardBody(message);
  response.end();
}
