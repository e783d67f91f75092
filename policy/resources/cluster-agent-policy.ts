// ClusterAgentPolicy: what nobody may do, or only with approval. It can only tighten.

import { z } from 'zod';
import { haltAgents, haltIsEnforced, mode, shadowStatus } from './agent-policy.ts';
import { clusterRule, ruleList } from './rule.ts';
import { clusterAgentSelector } from './selector.ts';
import { baseStatus } from './status.ts';

export const clusterAgentPolicySpec = haltIsEnforced(
  z.strictObject({
    agents: clusterAgentSelector(),
    mode: mode(),
    haltAgents: haltAgents(),
    rules: ruleList(clusterRule).describe(
      'Guards; their order does not matter. Absent means that the policy guards nothing.',
    ),
  }),
);

export type ClusterAgentPolicySpec = z.infer<typeof clusterAgentPolicySpec>;

export const clusterAgentPolicyStatus = baseStatus.extend({
  agents: z.int().min(0).describe('Agents that the policy selects now.').optional(),
  rules: z.int().min(0).describe('Rules that are in force.').optional(),
  shadow: shadowStatus(),
});
