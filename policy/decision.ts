// The outcome for one request, as a value. What each reason means stands in `reasons.ts`.

import type { Charge } from './limits/charge.ts';
import type { BodyNeed } from './reading.ts';
import type { Reason } from './reasons.ts';
import type { RulesetInject } from './ruleset-credential.ts';

export interface Decision {
  /** `hold`: somebody must approve it first. */
  readonly action: 'allow' | 'deny' | 'hold';
  /** Why not; null for an allow, `approval_required` for a hold. */
  readonly reason: Reason | null;
  readonly policy: string | null;
  readonly rule: string | null;
  /** The rule's own words for the agent, when it has any. */
  readonly message: string | null;
  readonly revision: string;
  /** The credential to inject, of an allow or a hold. */
  readonly credential: string | null;
  /** How it is put on this request: as the entry of its ceiling says, or else the credential itself. */
  readonly inject: RulesetInject | null;
  /** The AgentDestination that the request goes to, of an allow or a hold. */
  readonly destination: string | null;
  /** The grant that came nearest and the first field that failed, of a refusal. */
  readonly closest: Closest | null;
  /** What to charge to which counters before it is sent, of an allow or a hold. */
  readonly charges: readonly Charge[];
  /** Whom to ask, of a hold; several are each needed. */
  readonly approval: ApprovalNeed | null;
  /** Whether the agent gets the answer's status alone. */
  readonly statusOnly: boolean;
  /** Forwarded without a grant because its namespace is only being observed. */
  readonly observed: boolean;
  /** What would have been decided if policies in mode Audit were enforced, when that is something else. */
  readonly shadow: ShadowOutcome | null;
}

export interface Closest {
  readonly policy: string;
  readonly rule: string;
  /** A field of the rule, such as `paths` or `body.fields[/amount]`. */
  readonly field: string;
  /** One sentence that an agent and a person can act on. */
  readonly message: string;
}

export interface ApprovalNeed {
  /** Each of these must be satisfied by one of its groups; an empty list of groups is any approver. */
  readonly by: readonly {
    readonly policy: string;
    readonly rule: string;
    readonly groups: readonly string[];
  }[];
  readonly waitMs: number;
  readonly expiresMs: number;
}

export interface ShadowOutcome {
  readonly action: Decision['action'];
  readonly reason: Reason | null;
  readonly policy: string | null;
  readonly rule: string | null;
  /** The policy is a ClusterAgentPolicy; an AgentPolicy can have the same name. */
  readonly cluster?: true;
}

/** The body has to be read before there can be a decision. */
export interface BodyNeeded extends BodyNeed {
  readonly action: 'read';
}
