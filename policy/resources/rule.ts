// Rules: of an AgentPolicy, which grant or guard, and of a ClusterAgentPolicy, which only guard.

import { z } from 'zod';
import { constrain, text, type Constraint } from './constraint.ts';
import { body, headers, query } from './fields.ts';
import { labelName, objectName } from './names.ts';
import { approval, github, limits, mcp, opens, response, schedule, when } from './rule-conditions.ts';
import { destination, hosts, methods, paths } from './rule-match.ts';

const message = () =>
  text(512, 1)
    .describe('Shown to the agent when this rule refuses a request: what to do instead, or whom to ask.')
    .optional();

/** What guards have as well. */
const conditions = () => ({
  hosts: hosts(),
  destination: destination(),
  methods: methods(),
  paths: paths(),
  query: query(),
  headers: headers(),
  body: body(),
  mcp: mcp(),
  github: github(),
  when: when(),
  during: schedule('The rule holds only within these windows.'),
  outside: schedule('The rule holds only outside of these windows.'),
  approval: approval(),
});

const ruleFields = z.strictObject({
  name: labelName().describe('Unique in the policy; shown to the agent and recorded.'),
  action: z
    .enum(['Allow', 'RequireApproval', 'Deny'])
    .describe(
      'Allow grants what it proves; RequireApproval does too, once somebody approves, and holds what others allow; Deny stops whatever it cannot rule out, and beats both.',
    ),
  message: message(),
  opens: opens(),
  ...conditions(),
  credential: objectName()
    .describe('AgentCredential of the same namespace whose secret is put on the request.')
    .optional(),
  limits: limits(),
  response: response(),
});

const clusterRuleFields = z.strictObject({
  name: labelName().describe('Unique in the policy; shown to the agent and recorded.'),
  action: z
    .enum(['Deny', 'RequireApproval'])
    .describe(
      'Deny stops whatever it cannot rule out; RequireApproval holds what others allow, and grants nothing.',
    ),
  message: message(),
  ...conditions(),
});

type Conditions = z.infer<typeof clusterRuleFields>;
type RuleFields = z.infer<typeof ruleFields>;

const places = ['hosts', 'destination', 'github'] as const;
const placesCel = `[${places.map((key) => `has(self.${key})`).join(', ')}].filter(set, set).size()`;

function countPlaces(rule: Conditions | RuleFields): number {
  return places.filter((key) => rule[key] !== undefined).length;
}

function lacks(rule: object, keys: readonly string[]): boolean {
  return keys.every((key) => (rule as Record<string, unknown>)[key] === undefined);
}

const lacksCel = (keys: readonly string[]): string => keys.map((key) => `!has(self.${key})`).join(' && ');

const suppliedByForm = ['methods', 'paths', 'query', 'body', 'mcp'] as const;
const grantsOnly = ['credential', 'limits', 'response', 'opens'] as const;

const formAlone: Constraint<Conditions | RuleFields> = {
  cel: `!has(self.github) || (${lacksCel(suppliedByForm)})`,
  holds: (rule) => rule.github === undefined || lacks(rule, suppliedByForm),
  message: 'has github beside methods, paths, query, body or mcp, which the form supplies: leave them out',
};

const oneReading: Constraint<Conditions | RuleFields> = {
  cel: '!(has(self.mcp) && has(self.body))',
  holds: (rule) => rule.mcp === undefined || rule.body === undefined,
  message: 'has both mcp and body, which read the same bytes: write one of the two',
};

const oneSchedule: Constraint<Conditions | RuleFields> = {
  cel: '!(has(self.during) && has(self.outside))',
  holds: (rule) => rule.during === undefined || rule.outside === undefined,
  message: 'has both during and outside: write one of the two',
};

const othersAllowed = ['query', 'headers', 'body'] as const;

function deniesOthers(rule: Conditions | RuleFields): boolean {
  const inTools = rule.mcp?.tools?.some((tool) => tool.arguments?.others === 'Deny') ?? false;
  return inTools || othersAllowed.some((key) => rule[key]?.others === 'Deny');
}

/** A guard that asks for the absence of other fields could be escaped by adding one. */
const deniesOthersCel = [
  ...othersAllowed.map(
    (key) => `has(self.${key}) && has(self.${key}.others) && self.${key}.others == 'Deny'`,
  ),
  `has(self.mcp) && has(self.mcp.tools) && self.mcp.tools.exists(tool, has(tool.arguments) && has(tool.arguments.others) && tool.arguments.others == 'Deny')`,
]
  .map((cel) => `(${cel})`)
  .join(' || ');

const othersMessage =
  'has others: Deny in a guard, which could be escaped by sending one field more: list the fields that it is about';

const deniesDirectly = (key: 'rule' | 'cluster') => (key === 'cluster' ? 'true' : `self.action == 'Deny'`);

function constrained<S extends z.ZodType<Conditions | RuleFields>>(schema: S, kind: 'rule' | 'cluster'): S {
  let built = schema;
  for (const constraint of [formAlone, oneReading, oneSchedule]) {
    built = constrain(built, constraint as Constraint<z.output<S>>);
  }
  return constrain(built, {
    cel: `!(${deniesDirectly(kind)} && (${deniesOthersCel}))`,
    holds: (rule) => !((kind === 'cluster' || rule.action === 'Deny') && deniesOthers(rule)),
    message: othersMessage,
  });
}

const approvalMessage =
  'has approval, but nothing in it asks for one: write action: RequireApproval or a limit with exceeded: RequireApproval';

const placed = constrain(constrained(ruleFields, 'rule'), {
  cel: `self.action == 'Deny' ? ${placesCel} <= 1 : ${placesCel} == 1`,
  holds: (rule) => (rule.action === 'Deny' ? countPlaces(rule) <= 1 : countPlaces(rule) === 1),
  message:
    'needs to say where: an Allow or RequireApproval has exactly one of hosts, destination and github, a Deny at most one (none means everywhere)',
});

const granting = constrain(placed, {
  cel: `self.action != 'Deny' || (${lacksCel(grantsOnly)})`,
  holds: (rule) => rule.action !== 'Deny' || lacks(rule, grantsOnly),
  message: 'has credential, limits, response or opens in a Deny, which sends nothing: leave them out',
});

const approving = constrain(granting, {
  cel: `!has(self.approval) || self.action == 'RequireApproval' || (has(self.limits) && self.limits.exists(limit, has(limit.exceeded) && limit.exceeded == 'RequireApproval'))`,
  holds: (rule) =>
    rule.approval === undefined ||
    rule.action === 'RequireApproval' ||
    (rule.limits?.some(({ exceeded }) => exceeded === 'RequireApproval') ?? false),
  message: approvalMessage,
});

const scoped = constrain(approving, {
  cel: `self.action == 'Deny' || !has(self.github) || has(self.github.repositories)`,
  holds: (rule) =>
    rule.action === 'Deny' || rule.github === undefined || rule.github.repositories !== undefined,
  message: 'has github without repositories in a grant: list them, such as acme/docs or acme/*',
});

/** Otherwise the number that is summed could be missing, or stand in a second place. */
export const rule = constrain(scoped, {
  cel: `!has(self.limits) || self.limits.all(limit, !has(limit.sum) || (has(self.body) && has(self.body.fields) && limit.sum in self.body.fields && !(has(self.body.fields[limit.sum].optional) && self.body.fields[limit.sum].optional) && !limit.sum.contains('*') && ((has(self.body.fields[limit.sum].type) && self.body.fields[limit.sum].type == 'Number') || has(self.body.fields[limit.sum].min) || has(self.body.fields[limit.sum].max))))`,
  holds: ({ limits: all, body: governed }) =>
    all?.every(({ sum }) => {
      if (sum === undefined) return true;
      const field = governed?.fields?.[sum];
      if (field === undefined || field.optional === true || sum.includes('*')) return false;
      return field.type === 'Number' || field.min !== undefined || field.max !== undefined;
    }) ?? true,
  message:
    'has a limit whose sum is not a number that body.fields lists: list that field with min, max or type: Number, without optional and without *, so that it is there exactly once',
}).meta({ 'x-kubernetes-map-type': 'atomic' });

export type Rule = z.infer<typeof rule>;

const clusterPlaced = constrain(constrained(clusterRuleFields, 'cluster'), {
  cel: `${placesCel} <= 1`,
  holds: (rule) => countPlaces(rule) <= 1,
  message: 'has several of hosts, destination and github: write at most one (none means everywhere)',
});

export const clusterRule = constrain(clusterPlaced, {
  cel: `!has(self.approval) || self.action == 'RequireApproval'`,
  holds: (rule) => rule.approval === undefined || rule.action === 'RequireApproval',
  message: approvalMessage,
}).meta({ 'x-kubernetes-map-type': 'atomic' });

export type ClusterRule = z.infer<typeof clusterRule>;

/** The rules of one policy: more than 64 do not fit the API server's limits for CEL; larger sets are several policies. */
export function ruleList<S extends z.ZodType<{ readonly name: string }>>(item: S) {
  const filled = constrain(z.array(item).max(64), {
    cel: 'self.size() > 0',
    holds: (rules) => rules.length > 0,
    message: 'is empty: list at least one rule, or leave the field out',
  });
  return constrain(filled, {
    cel: 'self.all(rule, self.exists_one(other, other.name == rule.name))',
    holds: (rules) => new Set(rules.map(({ name }) => name)).size === rules.length,
    message: 'has two rules of one name: every name must be unique in the policy',
  })
    .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['name'] })
    .optional();
}
