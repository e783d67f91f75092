// The outcome for one request, as a value. What each reason means stands in `reasons.ts`.

import type { Reason } from './reasons.ts';

export interface Decision {
  readonly action: 'allow' | 'deny';
  /** Why not; null for an allow. */
  readonly reason: Reason | null;
  readonly policy: string | null;
  readonly rule: string | null;
  /** The rule's own words for the agent, when it has any. */
  readonly message: string | null;
  readonly revision: string;
  /** The credential to inject, of an allow. */
  readonly credential: string | null;
  /** The AgentDestination that the request goes to, of an allow. */
  readonly destination: string | null;
  /** The grant that came nearest and the first field that failed, of a refusal. */
  readonly closest: Closest | null;
}

export interface Closest {
  readonly policy: string;
  readonly rule: string;
  /** A field of the rule, such as `paths`. */
  readonly field: string;
  /** One sentence that an agent and a person can act on. */
  readonly message: string;
}
