// Which namespaces and which pods a resource speaks of.

import { z } from 'zod';
import { constrain, listOf, text } from './constraint.ts';
import { objectName } from './names.ts';

export type Labels = Readonly<Record<string, string>>;

/** Kubernetes' limits: 253 of prefix, a slash, 63 of name. */
const labelKey = () => text(317);
const labelKeyPattern = '^([a-z0-9]([a-z0-9.-]*[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?$';
const labelValuePattern = '^([A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?)?$';
const isLabelKey = new RegExp(labelKeyPattern);
const isLabelValue = new RegExp(labelValuePattern);

const labelSelector = () =>
  z
    .strictObject({
      matchLabels: constrain(z.record(labelKey(), text(63)), {
        cel: `self.size() > 0 && self.size() <= 16 && self.all(key, key.size() <= 317 && key.matches(r'${labelKeyPattern}') && self[key].matches(r'${labelValuePattern}'))`,
        holds: (value) => {
          const entries = Object.entries(value);
          return (
            entries.length > 0 &&
            entries.length <= 16 &&
            entries.every(([key, each]) => isLabelKey.test(key) && isLabelValue.test(each))
          );
        },
        message:
          'is empty, has more than 16 labels, or one that no object can have: list at least one, such as team: research, or leave the field out (an empty selector, {}, is all)',
      })
        .meta({ maxProperties: 16 })
        .describe('Labels that must all be there with these values.')
        .optional(),
      matchExpressions: listOf(
        constrain(
          z.strictObject({
            key: labelKey().describe('Key of the label.'),
            operator: z
              .enum(['In', 'NotIn', 'Exists', 'DoesNotExist'])
              .describe('In and NotIn compare with values; Exists and DoesNotExist take none.'),
            values: z
              .array(text(63))
              .max(16)
              .meta({ 'x-kubernetes-list-type': 'atomic' })
              .describe('Values that the label has (In) or lacks (NotIn).')
              .optional(),
          }),
          {
            cel: `self.operator in ['In', 'NotIn'] ? has(self.values) && self.values.size() > 0 : !has(self.values) || self.values.size() == 0`,
            holds: ({ operator, values = [] }) =>
              (operator === 'In' || operator === 'NotIn') === values.length > 0,
            message:
              'has values that do not fit its operator: In and NotIn need at least one, Exists and DoesNotExist none',
          },
        ),
        16,
        '{ key: team, operator: Exists }',
      )
        .describe('Conditions that must all hold.')
        .optional(),
    })
    .meta({ 'x-kubernetes-map-type': 'atomic' });

export type LabelSelector = z.infer<ReturnType<typeof labelSelector>>;

export const namespaceSelector = () =>
  labelSelector().describe('Which namespaces may use it, by their labels; {} is all.');

export const agentSelector = () =>
  z
    .strictObject({
      podSelector: labelSelector().describe('Labels of the pod; {} is all.').optional(),
      serviceAccounts: listOf(objectName(), 16, 'default')
        .describe('Names of ServiceAccounts; unlike labels, a pod cannot change them.')
        .optional(),
    })
    .describe('Which agents the policy selects; what is written must all hold; {} is all of the namespace.')
    .meta({ 'x-kubernetes-map-type': 'atomic' });

/** Labels of a pod are its author's to change, so a cluster's guards do not go by them. */
export const clusterAgentSelector = () =>
  z
    .strictObject({
      namespaceSelector: labelSelector().describe('Labels of the namespace; {} is all.').optional(),
      serviceAccounts: listOf(objectName(), 16, 'default')
        .describe('Names of ServiceAccounts, in every selected namespace.')
        .optional(),
    })
    .describe('Which agents the policy selects; what is written must all hold; {} is all of the cluster.')
    .meta({ 'x-kubernetes-map-type': 'atomic' });

export type ClusterAgentSelector = z.infer<ReturnType<typeof clusterAgentSelector>>;

export type AgentSelector = z.infer<ReturnType<typeof agentSelector>>;

/** Kubernetes' own semantics: everything written must hold, an empty selector matches all. */
export function selectsLabels(selector: LabelSelector, labels: Labels): boolean {
  const { matchLabels = {}, matchExpressions = [] } = selector;
  return (
    Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
    matchExpressions.every(({ key, operator, values = [] }) => {
      const value = labels[key];
      switch (operator) {
        case 'In':
          return value !== undefined && values.includes(value);
        case 'NotIn':
          return value === undefined || !values.includes(value);
        case 'Exists':
          return value !== undefined;
        case 'DoesNotExist':
          return value === undefined;
      }
    })
  );
}
