// What the operator compiles from all that concerns one agent, and all that a sidecar decides by. Plain
// JSON, equal bytes for equal inputs, and free of imports that a sidecar would pay memory for.

import { createHash } from 'node:crypto';
import type { Opening } from './request.ts';
import type { RulesetCredential, RulesetStore } from './ruleset-credential.ts';

/** What a sidecar of this version enforces. A ruleset names what it needs in `requires`. */
export const features = [
  'rules/v1',
  'rules/fields',
  'rules/mcp',
  'rules/github',
  'rules/cel',
  'rules/schedule',
  'rules/limits',
  'rules/approval',
  'rules/audit',
  'rules/opens',
  'rules/status-only',
  'observe',
  'destination/http',
  'destination/tcp',
  'cluster-ranges',
  'rules/minting',
  'inject/bearer',
  'inject/basic',
  'inject/header',
  'inject/query',
  'inject/path',
  'inject/body',
  'inject/awsSigV4',
  'inject/oauth1',
  'inject/hmac',
  'inject/oauth2',
  'inject/githubApp',
  'inject/googleServiceAccount',
  'inject/per-entry',
  'placeholder-file',
  'source/vault',
  'source/vault/dynamic',
  'source/awsSecretsManager',
  'source/file',
  'source/file/volume',
  'source/fields',
  'store/vault/jwt',
  'store/vault/appRole',
] as const;
export type Feature = (typeof features)[number];

export interface Ruleset {
  readonly format: 1;
  /** A sidecar that lacks one of these refuses the ruleset rather than enforce less. */
  readonly requires: readonly string[];
  readonly agent: { readonly namespace: string; readonly serviceAccount: string };
  /** The policy whose `haltAgents` stops this agent. */
  readonly halt: { readonly policy: string } | null;
  /** Until when (milliseconds since the epoch) requests without a grant are forwarded as they are; null: never. */
  readonly observeUntilMs: number | null;
  /** Sorted by (policy, name); the first that matches is the one that is recorded. */
  readonly guards: readonly RulesetRule[];
  readonly grants: readonly RulesetRule[];
  readonly credentials: Readonly<Record<string, RulesetCredential>>;
  readonly stores: Readonly<Record<string, RulesetStore>>;
  readonly destinations: Readonly<Record<string, RulesetDestination>>;
  /** CIDR ranges of this cluster's pods, Services and nodes that lie among public addresses, and so need naming. */
  readonly clusterRanges: readonly string[];
  /** Where spans go; null when the cluster has no collector configured. */
  readonly telemetry: RulesetTelemetry | null;
  /** PEM of the certificate authorities that may sign the operator's certificate, now or next. */
  readonly operatorCas: string;
}

/** A match: absent `methods` and `paths` mean any; a guard without `hosts` and `destination` means all. */
export interface RulesetMatch {
  readonly hosts?: readonly string[];
  readonly destination?: string;
  readonly methods?: readonly string[];
  readonly paths?: readonly string[];
}

export interface RulesetRule extends RulesetMatch {
  readonly policy: string;
  readonly name: string;
  /** Among `grants`: Allow and RequireApproval. Among `guards`: Deny, and RequireApproval of a ClusterAgentPolicy. */
  readonly action: 'Allow' | 'RequireApproval' | 'Deny';
  readonly message?: string;
  /** Of a policy in mode Audit: decided in shadow. */
  readonly audit?: true;
  /** Of a ClusterAgentPolicy: of such a rule only name and message are shown. */
  readonly cluster?: true;
  readonly opens?: readonly Opening[];
  readonly query?: RulesetFields;
  readonly headers?: RulesetFields;
  readonly body?: RulesetBody;
  readonly mcp?: RulesetMcp;
  readonly github?: RulesetGithub;
  /** CEL. */
  readonly when?: string;
  readonly during?: RulesetSchedule;
  readonly outside?: RulesetSchedule;
  /** Grants only, as all below. */
  readonly credential?: string;
  readonly limits?: readonly RulesetLimit[];
  readonly approval?: RulesetApproval;
  readonly statusOnly?: true;
}

export interface RulesetFields {
  /** By name (query, headers) or JSON pointer (body, MCP arguments). */
  readonly fields?: Readonly<Record<string, RulesetMatcher>>;
  readonly others?: 'Allow' | 'Deny';
}

/** All keys that are there must hold. */
export interface RulesetMatcher {
  readonly optional?: boolean;
  /** Absent: a string; with `min` or `max` a number. */
  readonly type?: 'String' | 'Number' | 'Boolean';
  readonly equals?: string;
  readonly oneOf?: readonly string[];
  readonly startsWith?: string;
  /** RE2; the whole value must match. */
  readonly pattern?: string;
  readonly min?: number;
  readonly max?: number;
  /** In Unicode code points. */
  readonly maxLength?: number;
  readonly absent?: true;
}

export type BodyType = 'Json' | 'Form';

export interface RulesetBody extends RulesetFields {
  readonly types: readonly BodyType[];
  readonly maxBytes: number;
}

export interface RulesetMcp {
  readonly tools?: readonly { readonly name: string; readonly arguments?: RulesetFields }[];
  /** JSON-RPC methods besides those that `tools` grants by itself. */
  readonly methods?: readonly string[];
}

export type GithubOperation = 'Read' | 'Comment' | 'OpenPullRequest' | 'Push' | 'Merge' | 'DeleteRepository';

export interface RulesetGithub {
  /** `owner/name` globs; a guard without means all. */
  readonly repositories?: readonly string[];
  readonly operations: readonly GithubOperation[];
  readonly branches?: readonly string[];
  /** GraphQL node ids that are known to lie in `repositories`. */
  readonly nodeIds?: readonly string[];
  /** GitHub Enterprise; absent means github.com and api.github.com. */
  readonly hosts?: { readonly web: string; readonly api: string };
}

export interface RulesetSchedule {
  /** IANA name. */
  readonly timeZone: string;
  readonly windows: readonly {
    readonly days?: readonly Day[];
    /** `HH:MM`, inclusive. */
    readonly from: string;
    /** `HH:MM`, exclusive; `24:00` is the end of the day. Not after `from`: ends on the next day. */
    readonly to: string;
  }[];
}

export type Day = 'Mon' | 'Tue' | 'Wed' | 'Thu' | 'Fri' | 'Sat' | 'Sun';

export interface RulesetLimit {
  readonly name: string;
  /** JSON pointer of a number in the body; without `sum` and `usage`, requests are counted. */
  readonly sum?: string;
  readonly usage?: 'Tokens';
  readonly max: number;
  /** null: of each request by itself. */
  readonly windowMs: number | null;
  readonly scope: 'Pod' | 'Policy';
  readonly exceeded: 'Deny' | 'RequireApproval';
}

export interface RulesetApproval {
  readonly groups: readonly string[];
  readonly waitMs: number;
  readonly expiresMs: number;
}

export interface RulesetDestination {
  /** Every spelling of the name that means this place, canonical (lower case, no trailing dot). */
  readonly names: readonly string[];
  readonly port: number;
  readonly scheme: 'https' | 'http' | 'tcp';
  /** What is asked of DNS, when it is not the name that the agent used. */
  readonly resolveAs?: string;
  /** CIDR ranges whose addresses may be dialled for it; null: any that is not loopback, link-local or metadata. */
  readonly cidrs: readonly string[] | null;
  readonly caBundle?: string;
}

export interface RulesetTelemetry {
  /** Base URL of an OTLP/HTTP collector; `/v1/traces` is added. */
  readonly endpoint: string;
  readonly caBundle?: string;
}

/** The ruleset of an agent that no policy concerns: it refuses everything. */
export function emptyRuleset(agent: Ruleset['agent'], operatorCas = ''): Ruleset {
  return {
    format: 1,
    requires: [],
    agent,
    halt: null,
    observeUntilMs: null,
    guards: [],
    grants: [],
    credentials: {},
    stores: {},
    destinations: {},
    clusterRanges: [],
    telemetry: null,
    operatorCas,
  };
}

/**
 * Content hash of a ruleset: `sha256` over its JSON with sorted keys, the first 16 hex digits (64 bits
 * name a revision in logs and spans; nothing is authenticated by it).
 */
export function rulesetRevision(ruleset: Ruleset, known?: WeakMap<object, string>): string {
  return createHash('sha256').update(canonicalJson(ruleset, known)).digest('hex').slice(0, 16);
}

/**
 * JSON with keys in code-unit order, so that equal values have equal bytes.
 * @param known what is known already of objects that never change.
 */
export function canonicalJson(value: unknown, known?: WeakMap<object, string>): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const found = known?.get(value);
  if (found !== undefined) return found;
  if (Array.isArray(value)) return `[${value.map((each) => canonicalJson(each, known)).join(',')}]`;
  const entries = Object.entries(value)
    .filter(([, field]) => field !== undefined)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, field]) => `${JSON.stringify(key)}:${canonicalJson(field, known)}`);
  return `{${entries.join(',')}}`;
}

/**
 * Reads what the operator sent. It is authenticated, so this guards against skew, not against an enemy:
 * an unknown format or a required feature that this sidecar lacks is refused, never half enforced.
 * @throws {Error} whose message says which.
 */
export function parseRuleset(value: unknown): Ruleset {
  const ruleset = value as Partial<Ruleset> | null;
  if (typeof ruleset !== 'object' || ruleset === null || ruleset.format !== 1) {
    throw new Error('the ruleset has a format that this sidecar does not know; it knows 1');
  }
  for (const key of ['requires', 'guards', 'grants'] as const) {
    if (!Array.isArray(ruleset[key])) throw new Error(`the ruleset's ${key} is not a list`);
  }
  for (const key of ['agent', 'credentials', 'stores', 'destinations'] as const) {
    if (typeof ruleset[key] !== 'object' || ruleset[key] === null)
      throw new Error(`the ruleset's ${key} is missing`);
  }
  const known: readonly string[] = features;
  const missing = (ruleset.requires ?? []).filter((feature) => !known.includes(feature));
  if (missing.length > 0)
    throw new Error(`the ruleset needs ${missing.join(', ')}, which this sidecar lacks`);
  // Operators before this field send none.
  return { ...(ruleset as Ruleset), clusterRanges: ruleset.clusterRanges ?? [] };
}
