// The beginning of a request's body, read before the decision: as much as its rules need, and no more.

import { mediaKind } from '../../policy/content/media-type.ts';
import type { BodyNeed } from '../../policy/reading.ts';
import { isRefusal, refuse, type Refusal } from '../../policy/refusal.ts';
import { letContinue, type Agent } from './agent.ts';
import type { BodyClaim } from './body-memory.ts';
import type { Head } from './head.ts';
import type { AgentHeaders } from './headers.ts';
import type { Trail } from './trail.ts';

export interface BodyPrefix {
  readonly bytes: Buffer;
  readonly isWhole: boolean;
}

export type PrefixOutcome = BodyPrefix | Refusal | 'gone';

/** How long an agent may take for what rules need to see: a slow one holds memory meanwhile. */
const defaultMaxReadMs = 60_000;
/** Of a body that is signed or filled as a whole; as much as a rule can ask for. */
const maxSignedBytes = 16 * 1024 * 1024;

export interface BodyReader {
  /** As much as a decision needs; what was read before counts. */
  readNeeded(
    head: Pick<Head, 'headers'>,
    agent: Agent,
    need: BodyNeed,
    before: BodyPrefix | null,
    claim: BodyClaim,
    trail: Trail,
  ): Promise<PrefixOutcome>;
  /** All of it; absent `maxBytes`: as much as a rule can ask for. */
  readWhole(
    agent: Agent,
    before: BodyPrefix | null,
    claim: BodyClaim,
    trail: Trail,
    maxBytes?: number,
  ): Promise<PrefixOutcome>;
  /** What a decision may see of more than it needs. */
  asNeeded(prefix: BodyPrefix, need: BodyNeed): BodyPrefix;
}

export function createBodyReader({
  maxReadMs = defaultMaxReadMs,
}: {
  readonly maxReadMs?: number;
}): BodyReader {
  /** What the head alone can refuse has been, so the agent may now send what it held back. */
  async function read(
    agent: Agent,
    need: BodyNeed,
    before: BodyPrefix | null,
    claim: BodyClaim,
    trail: Trail,
  ): Promise<PrefixOutcome> {
    letContinue(agent);
    const outcome = await readPrefix(agent, need, before, claim, maxReadMs);
    // Whoever left half of a body must not be told that all is well.
    if (outcome === 'gone') agent.response.destroy();
    else if (!isRefusal(outcome)) trail.requestBytes = outcome.bytes.length;
    return outcome;
  }

  return {
    readNeeded: async ({ headers }, agent, need, before, claim, trail) => {
      // Held for a signature under a ruleset that asked for less.
      if (before?.isWhole === true) return before;
      return prefixByLength(headers, need) ?? read(agent, need, null, claim, trail);
    },
    readWhole: async (agent, before, claim, trail, maxBytes = maxSignedBytes) => {
      const need: BodyNeed = { until: 'end', maxBytes };
      const outcome = before?.isWhole === true ? before : await read(agent, need, before, claim, trail);
      if (outcome === 'gone' || isRefusal(outcome)) return outcome;
      if (outcome.isWhole && outcome.bytes.length <= maxBytes) return outcome;
      return refuse(
        'body_too_large',
        `The whole body must be looked at here, and it is longer than ${maxBytes} bytes.`,
      );
    },
    asNeeded: (prefix, { until, maxBytes }) =>
      until === 'flush' || prefix.bytes.length <= maxBytes
        ? prefix
        : { bytes: prefix.bytes.subarray(0, maxBytes), isWhole: false },
  };
}

const full: Refusal = {
  ...refuse(
    'overloaded',
    'Other requests of this pod hold all memory for bodies; try again when they have ended.',
  ),
  retryAfter: 1,
};

/** Most bodies that rules look into fit; those that do not double it. */
const firstCapacityBytes = 16 * 1024;

/**
 * What is read of a body whose length says already that it is too long: nothing. Of JSON and forms alone, since what is
 * not whole is the same to every rule there, however much of it was read.
 */
function prefixByLength(
  { contentLength, forwarded }: AgentHeaders,
  { maxBytes }: BodyNeed,
): BodyPrefix | null {
  if (contentLength === null || contentLength <= maxBytes) return null;
  const kind = mediaKind(forwarded);
  return kind === 'Json' || kind === 'Form' ? { bytes: Buffer.alloc(0), isWhole: false } : null;
}

/**
 * Reads until the body ends, until what is needed is there, or until it is certain to be too long. What was read
 * beyond that stays in the prefix, and the rest in the message, paused.
 */
function readPrefix(
  agent: Agent,
  need: BodyNeed,
  before: BodyPrefix | null,
  claim: BodyClaim,
  maxReadMs: number,
): Promise<PrefixOutcome> {
  const { message } = agent;
  if (message.destroyed) return Promise.resolve('gone');
  if (agent.broken !== undefined) return Promise.resolve(agent.broken);
  return new Promise((resolve) => {
    // One buffer that grows: chunks are slices of what came from the socket, and a byte each would keep all of that.
    let held = before?.bytes ?? Buffer.alloc(0);
    let { length } = held;
    const hasEnough = need.until === 'flush' ? createFlushSearch() : () => false;

    function finish(outcome: PrefixOutcome): void {
      clearTimeout(deadline);
      message.off('data', onData).off('end', onEnd).off('close', onClose).pause();
      delete agent.cut;
      resolve(outcome);
    }
    function onData(chunk: Buffer): void {
      const end = length + chunk.length;
      if (end > held.length) {
        // Never more ahead than the longest body that is still of use.
        const ahead = Math.min(2 * held.length, need.maxBytes + 1);
        const capacity = Math.max(end, ahead, firstCapacityBytes);
        if (!claim.hold(capacity)) {
          finish(full);
          return;
        }
        const grown = Buffer.alloc(capacity);
        held.copy(grown, 0, 0, length);
        held = grown;
      }
      chunk.copy(held, length);
      length = end;
      if (length > need.maxBytes || hasEnough(held.subarray(0, length))) finish(prefix(false));
    }
    function prefix(isWhole: boolean): BodyPrefix {
      return { bytes: held.subarray(0, length), isWhole };
    }
    function onEnd(): void {
      finish(prefix(true));
    }
    function onClose(): void {
      finish('gone');
    }

    const deadline = setTimeout(() => {
      finish(refuse('request_timeout', 'The body did not arrive in time; send it faster.'));
    }, maxReadMs);
    agent.cut = finish;
    message.on('data', onData).on('end', onEnd).on('close', onClose).resume();
  });
}

/**
 * Looks for git's flush packet, or for a length that is none: no more bytes would make that readable. Goes on where it
 * stopped, so that a body in many small chunks is gone through once (gitprotocol-common(5), "pkt-line Format").
 */
function createFlushSearch(): (bytes: Buffer) => boolean {
  let at = 0;
  return (bytes) => {
    while (at + 4 <= bytes.length) {
      const digits = bytes.toString('latin1', at, at + 4);
      const length = /^[0-9a-fA-F]{4}$/.test(digits) ? Number.parseInt(digits, 16) : 0;
      if (length <= 4) return true;
      at += length;
    }
    return false;
  };
}
