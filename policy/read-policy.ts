// From a raw policy to the rules that concern one agent. Each rule is read by itself: one that is broken is left out where
// it grants and kept, as wide as it might be meant, where it guards.

import { z } from 'zod';
import { defaultMaxBytes, quantityBytes } from './resources/fields.ts';
import { durationMs, hostPattern } from './resources/names.ts';
import { clusterRule, rule as ruleSchema, type ClusterRule, type Rule } from './resources/rule.ts';
import { agentSelector, clusterAgentSelector } from './resources/selector.ts';
import type { RulesetApproval, RulesetBody, RulesetLimit, RulesetMatch, RulesetRule } from './ruleset.ts';
import { selectAgent, selectClusterAgent, type Agent, type Selection } from './selection.ts';

export interface ReadPolicy {
  readonly name: string;
  readonly halts: boolean;
  readonly grants: readonly RulesetRule[];
  readonly guards: readonly RulesetRule[];
}

// Built once: building a schema takes far longer than using it, and every agent is compiled at every change.
const selectorSchema = agentSelector();
const clusterSelectorSchema = clusterAgentSelector();
const hostsSchema = z.array(hostPattern()).min(1);

/** Only what the reading needs: a rule that is broken must not take its siblings with it. */
const policyEnvelope = z.looseObject({
  metadata: z.looseObject({ name: z.string() }),
  spec: z.looseObject({
    agents: z.unknown().optional(),
    mode: z.enum(['Enforce', 'Audit']).optional().catch('Enforce'),
    haltAgents: z.boolean().optional().catch(true),
    // Of rules that are no list nothing can be ruled out.
    rules: z
      .array(z.unknown())
      .optional()
      .catch([{ action: 'Deny' }]),
  }),
});

const nobody: Selection = { forGrants: false, forGuards: false };
/** A selector that cannot be read, or is missing, selects nobody for grants and everybody for guards. */
const unreadable: Selection = { forGrants: false, forGuards: true };

export function readPolicy(value: unknown, agent: Agent): ReadPolicy {
  return forAgent(readOnce(value, 'AgentPolicy'), agent);
}

export function readClusterPolicy(value: unknown, agent: Agent): ReadPolicy {
  return forAgent(readOnce(value, 'ClusterAgentPolicy'), agent);
}

type PolicyKind = 'AgentPolicy' | 'ClusterAgentPolicy';

/** What a policy says, whomever it selects. */
interface Said extends ReadPolicy {
  readonly select: (agent: Agent) => Selection;
}

const nothing: Said = { name: '', halts: false, grants: [], guards: [], select: () => nobody };

/** Objects of a watch never change, and a floor of the cluster is compiled for every agent: each is read once. */
const said: Readonly<Record<PolicyKind, WeakMap<object, Said>>> = {
  AgentPolicy: new WeakMap(),
  ClusterAgentPolicy: new WeakMap(),
};

function readOnce(value: unknown, kind: PolicyKind): Said {
  if (typeof value !== 'object' || value === null) return nothing;
  const known = said[kind].get(value) ?? read(value, kind);
  said[kind].set(value, known);
  return known;
}

function read(value: unknown, kind: PolicyKind): Said {
  const envelope = policyEnvelope.safeParse(value);
  if (!envelope.success) return nothing;
  const { metadata, spec } = envelope.data;
  const isCluster = kind === 'ClusterAgentPolicy';
  const marks = {
    ...(spec.mode === 'Audit' ? { audit: true as const } : {}),
    ...(isCluster ? { cluster: true as const } : {}),
  };
  const rules = (spec.rules ?? []).map((rule) => readRule(rule, metadata.name, isCluster));
  const mark = (rule: RulesetRule | undefined): RulesetRule[] =>
    rule === undefined ? [] : [{ ...rule, ...marks }];
  return {
    name: metadata.name,
    halts: spec.haltAgents === true && spec.mode !== 'Audit',
    grants: rules.flatMap(({ grant }) => mark(grant)),
    guards: rules.flatMap(({ guard }) => mark(guard)),
    select: selectionBy(spec.agents, kind),
  };
}

function selectionBy(agents: unknown, kind: PolicyKind): Said['select'] {
  if (kind === 'ClusterAgentPolicy') {
    const selector = clusterSelectorSchema.safeParse(agents);
    return selector.success ? (agent) => selectClusterAgent(selector.data, agent) : () => unreadable;
  }
  const selector = selectorSchema.safeParse(agents);
  return selector.success ? (agent) => selectAgent(selector.data, agent) : () => unreadable;
}

function forAgent({ name, halts, grants, guards, select }: Said, agent: Agent): ReadPolicy {
  const { forGrants, forGuards } = select(agent);
  return {
    name,
    halts: halts && forGuards,
    grants: forGrants ? grants : [],
    guards: forGuards ? guards : [],
  };
}

interface ReadRule {
  readonly grant?: RulesetRule;
  readonly guard?: RulesetRule;
}

function readRule(value: unknown, policy: string, isCluster: boolean): ReadRule {
  const parsed = (isCluster ? clusterRule : ruleSchema).safeParse(value);
  if (parsed.success) {
    const compiled = compileRule(parsed.data, policy);
    return isCluster || compiled.action === 'Deny' ? { guard: compiled } : { grant: compiled };
  }
  const raw = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>;
  if (raw.action === 'Allow' && !isCluster) return {};
  // Of a guard that cannot be read, the hosts hold if they can be, and everything is stopped there.
  const hosts = hostsSchema.safeParse(raw.hosts);
  const isPlaced = raw.destination === undefined && raw.github === undefined;
  return {
    guard: {
      policy,
      name: typeof raw.name === 'string' ? raw.name : 'unreadable',
      action: raw.action === 'RequireApproval' ? 'RequireApproval' : 'Deny',
      message:
        'This rule cannot be read, so it stops all that it might be meant for; its policy’s status says why.',
      ...(hosts.success && isPlaced ? { hosts: hosts.data } : {}),
    },
  };
}

type MatchFields = {
  readonly [K in 'hosts' | 'destination' | 'methods' | 'paths']?: RulesetMatch[K] | undefined;
};

export function compileMatch({ hosts, destination, methods, paths }: MatchFields): RulesetMatch {
  return {
    ...(hosts === undefined ? {} : { hosts }),
    ...(destination === undefined ? {} : { destination }),
    ...(methods === undefined ? {} : { methods }),
    ...(paths === undefined ? {} : { paths }),
  };
}

function compileRule(rule: Rule | ClusterRule, policy: string): RulesetRule {
  const { name, action, message, query, headers, body, mcp, github, when, during, outside, approval } = rule;
  const grants =
    'credential' in rule || 'limits' in rule || 'response' in rule || 'opens' in rule ? rule : null;
  return defined({
    policy,
    name,
    action,
    message,
    ...compileMatch(rule),
    opens: grants?.opens,
    query,
    headers,
    body: body === undefined ? undefined : compileBody(body),
    mcp,
    github,
    when,
    during,
    outside,
    credential: grants?.credential,
    limits: grants?.limits?.map(compileLimit),
    approval: approval === undefined ? undefined : compileApproval(approval),
    statusOnly: grants?.response?.return === 'StatusOnly' ? true : undefined,
  }) as RulesetRule;
}

function compileBody(body: NonNullable<Rule['body']>): RulesetBody {
  const { types, maxBytes, fields, others } = body;
  return defined({
    types: types ?? ['Json', 'Form'],
    maxBytes: quantityBytes(maxBytes ?? defaultMaxBytes) ?? 0,
    fields,
    others,
  }) as RulesetBody;
}

function compileLimit(limit: NonNullable<Rule['limits']>[number]): RulesetLimit {
  const { name, sum, usage, max, per, scope, exceeded } = limit;
  return defined({
    name,
    sum,
    usage,
    max,
    windowMs: per === 'Request' ? null : durationMs(per),
    scope: scope ?? 'Policy',
    exceeded: exceeded ?? 'Deny',
  }) as RulesetLimit;
}

function compileApproval({ groups, wait, expires }: NonNullable<Rule['approval']>): RulesetApproval {
  return {
    groups: groups ?? [],
    waitMs: durationMs(wait ?? '25s') ?? 0,
    expiresMs: durationMs(expires ?? '10m') ?? 0,
  };
}

/** Absent fields stay absent: equal inputs give equal bytes. */
function defined(fields: Readonly<Record<string, unknown>>): object {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
