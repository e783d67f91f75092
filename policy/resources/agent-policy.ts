// AgentPolicy: what selected agents of one namespace may do.

import { z } from 'zod';
import { constrain } from './constraint.ts';
import { rule, ruleList } from './rule.ts';
import { agentSelector } from './selector.ts';
import { baseStatus } from './status.ts';

export const mode = () =>
  z
    .enum(['Enforce', 'Audit'])
    .default('Enforce')
    .describe('Audit decides in shadow: it changes nothing, and what it would change is recorded.');

export const haltAgents = () =>
  z.boolean().default(false).describe('The kill switch: every selected agent is refused everything.');

/** Halting in shadow would look like a halt, and be none. */
export function haltIsEnforced<S extends z.ZodType<{ readonly mode: string; readonly haltAgents: boolean }>>(
  schema: S,
): S {
  return constrain(schema, {
    cel: `!(has(self.haltAgents) && self.haltAgents && has(self.mode) && self.mode == 'Audit')`,
    holds: (spec) => !(spec.haltAgents && spec.mode === 'Audit'),
    message: 'has haltAgents: true in mode Audit, which changes nothing: write mode: Enforce to halt',
  });
}

export const agentPolicySpec = haltIsEnforced(
  z.strictObject({
    agents: agentSelector(),
    mode: mode(),
    haltAgents: haltAgents(),
    rules: ruleList(rule).describe(
      'Grants and guards; their order does not matter. Absent means that the policy grants nothing.',
    ),
  }),
);

export type AgentPolicySpec = z.infer<typeof agentPolicySpec>;

export const shadowStatus = () =>
  z
    .strictObject({
      wouldAllow: z.int().min(0).describe('Requests that were refused and would be allowed.'),
      wouldDeny: z.int().min(0).describe('Requests that were allowed and would be refused.'),
      wouldHold: z.int().min(0).describe('Requests that would wait for an approval.'),
    })
    .describe(
      'In mode Audit: what enforcing would change. The sum over the agents that run now, each counted since its sidecar started: it falls when agents go, and is up to a minute old.',
    )
    .optional();

export const agentPolicyStatus = baseStatus.extend({
  agents: z.int().min(0).describe('Agents that the policy selects now.').optional(),
  rules: z.int().min(0).describe('Rules that are in force.').optional(),
  shadow: shadowStatus(),
});
