// AgentPolicy: what selected agents of one namespace may do.

import { z } from 'zod';
import { constrain } from './constraint.ts';
import { labelName, objectName } from './names.ts';
import { destination, hosts, methods, paths } from './rule-match.ts';
import { agentSelector } from './selector.ts';
import { baseStatus } from './status.ts';

const ruleFields = z.strictObject({
  name: labelName().describe('Unique in the policy; shown to the agent and recorded.'),
  action: z
    .enum(['Allow', 'Deny'])
    .describe('Allow grants what it proves; Deny stops whatever it cannot rule out, and beats every Allow.'),
  message: z
    .string()
    .min(1)
    .max(512)
    .describe('Shown to the agent when this rule refuses a request: what to do instead, or whom to ask.')
    .optional(),
  hosts: hosts(),
  destination: destination(),
  methods: methods(),
  paths: paths(),
  credential: objectName()
    .describe('AgentCredential of the same namespace whose secret is put on the request.')
    .optional(),
});

export const rule = constrain(
  constrain(ruleFields, {
    cel: `self.action == 'Allow' ? has(self.hosts) != has(self.destination) : !(has(self.hosts) && has(self.destination))`,
    holds: (value) =>
      value.action === 'Allow'
        ? (value.hosts === undefined) !== (value.destination === undefined)
        : value.hosts === undefined || value.destination === undefined,
    message:
      'needs to say where: an Allow has exactly one of hosts and destination, a Deny at most one (none means everywhere)',
  }),
  {
    cel: `self.action == 'Allow' || !has(self.credential)`,
    holds: (value) => value.action === 'Allow' || value.credential === undefined,
    message: 'has a credential in a Deny, which never sends one: leave credential out',
  },
);

export type Rule = z.infer<typeof rule>;

export const agentPolicySpec = z.strictObject({
  agents: agentSelector(),
  haltAgents: z
    .boolean()
    .default(false)
    .describe('The kill switch: every selected agent is refused everything.'),
  rules: constrain(z.array(rule).max(64), {
    cel: 'self.all(rule, self.exists_one(other, other.name == rule.name))',
    holds: (rules) => new Set(rules.map(({ name }) => name)).size === rules.length,
    message: 'has two rules of one name: every name must be unique in the policy',
  })
    .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['name'] })
    .describe('Grants and guards; their order does not matter. Absent means that the policy grants nothing.')
    .optional(),
});

export type AgentPolicySpec = z.infer<typeof agentPolicySpec>;

export const agentPolicyStatus = baseStatus.extend({
  agents: z.int().min(0).describe('Agents that the policy selects now.').optional(),
  rules: z.int().min(0).describe('Rules that are in force.').optional(),
});
