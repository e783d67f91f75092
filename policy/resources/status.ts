// What every kind's status has.

import { z } from 'zod';

/** metav1.Condition, as kubectl wait and Argo CD read it. */
export const condition = z.strictObject({
  type: z.string().max(316).describe('What is said, such as Ready.'),
  status: z.enum(['True', 'False', 'Unknown']).describe('Whether it holds.'),
  observedGeneration: z.int().min(0).describe('Generation of the object that this was said of.').optional(),
  lastTransitionTime: z.string().meta({ format: 'date-time' }).describe('When status last changed.'),
  reason: z.string().min(1).max(1024).describe('Why, in one PascalCase word.'),
  message: z.string().max(32_768).describe('Why, in a sentence that names the field.'),
});

export type Condition = z.infer<typeof condition>;

export const conditions = z
  .array(condition)
  .max(16)
  .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['type'] })
  .describe('What holds of the object now; Ready sums it up.')
  .optional();

export const baseStatus = z.strictObject({
  observedGeneration: z.int().min(0).describe('Generation of the spec that status speaks of.').optional(),
  conditions,
});
