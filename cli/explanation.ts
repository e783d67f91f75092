// Everything about one request: what is decided, and what each rule has to do with it.

import type { Decision } from '../policy/decision.ts';
import { explainMiss } from '../policy/explanation.ts';
import type { Agent } from '../policy/selection.ts';
import { selectAgent, selectClusterAgent } from '../policy/selection.ts';
import { spell } from './outcome-text.ts';
import { printable } from './printable.ts';
import type { AnyResource } from './resource-files.ts';
import type { ReadableRequest, Trial } from './trial.ts';

export interface Explanation {
  readonly decision: Decision;
  readonly rules: readonly ExplainedRule[];
  /** Policies that there are, but not for this agent. */
  readonly notSelecting: readonly string[];
  /** What was taken to match, since the namespace's labels are not known. */
  readonly assumed: readonly string[];
}

export interface ExplainedRule {
  readonly policy: string;
  readonly rule: string;
  readonly action: 'Allow' | 'RequireApproval' | 'Deny';
  /** A grant matches what it proves, a guard what it cannot rule out; a RequireApproval is both. */
  readonly stance: 'grant' | 'guard';
  readonly cluster: boolean;
  /** Of a policy in mode Audit. */
  readonly audit: boolean;
  readonly matches: boolean;
  /** The first field that does not. */
  readonly field: string | null;
  readonly message: string | null;
}

export interface Question {
  readonly request: ReadableRequest;
  readonly nowMs: number;
  readonly used: Readonly<Record<string, number>>;
}

export function explain(
  trial: Trial,
  { request, nowMs, used }: Question,
  resources: readonly AnyResource[],
  agent: Agent,
  assumed: readonly string[],
): Explanation {
  const rules = trial.explain(request, nowMs).map(({ rule, stance, matches, miss }): ExplainedRule => {
    const isSeen = miss !== null && request.kind === 'request';
    return {
      policy: rule.policy,
      rule: rule.name,
      action: rule.action,
      stance,
      cluster: rule.cluster === true,
      audit: rule.audit === true,
      matches,
      field: miss?.field ?? null,
      message: isSeen ? explainMiss(miss, request.request) : null,
    };
  });
  const notSelecting = resources.filter((resource) => isForOthers(resource, agent)).map(title);
  return { decision: trial.decide(request, nowMs, used), rules, notSelecting, assumed };
}

function isForOthers(resource: AnyResource, agent: Agent): boolean {
  if (resource.kind === 'ClusterAgentPolicy') {
    return !selectClusterAgent(resource.spec.agents, agent).forGuards;
  }
  if (resource.kind !== 'AgentPolicy' || resource.metadata.namespace !== agent.namespace) return false;
  return !selectAgent(resource.spec.agents, agent).forGuards;
}

function title({ kind, metadata }: AnyResource): string {
  return `${kind} ${metadata.name}`;
}

export function explanationText({ decision, rules, notSelecting, assumed }: Explanation): string {
  const { message, closest, charges, shadow } = decision;
  const nearest =
    closest === null ? null : `${closest.policy}/${closest.rule}: ${closest.field}: ${closest.message}`;
  const head: [label: string, text: string | null][] = [
    ['decision', spell(decision)],
    ['message', message],
    ['closest', nearest],
    ...charges.map(({ policy, rule, limit, amount, max, counts }): [string, string] => [
      'charges',
      `${amount} of ${max} ${counts} to ${policy}/${rule}/${limit}`,
    ]),
    ['shadow', shadow === null ? null : spell({ ...decision, ...shadow, approval: null, credential: null })],
  ];
  const notes = [
    ...(notSelecting.length === 0 ? [] : [`not for this agent: ${notSelecting.join(', ')}`]),
    ...(assumed.length === 0
      ? []
      : [`taken to match, since nobody says what labels the namespace has: ${assumed.join(', ')}`]),
  ];
  const lines = [
    ...head.flatMap(([label, text]) => (text === null ? [] : [`${label.padEnd(9)} ${printable(text)}`])),
    ...section('grants', rules),
    ...section('guards', rules),
    ...(notes.length === 0 ? [] : ['', ...notes]),
  ];
  return `${lines.join('\n')}\n`;
}

function section(title: 'grants' | 'guards', all: readonly ExplainedRule[]): string[] {
  const rules = all.filter(({ stance }) => `${stance}s` === title);
  if (rules.length === 0) return ['', `${title}: none`];
  const names = rules.map(nameText);
  const width = Math.max(...names.map((name) => name.length));
  return [
    '',
    title,
    ...rules.map((rule, index) => {
      const why = rule.matches ? 'matches' : `${rule.field}: ${rule.message}`;
      return `  ${rule.matches ? '✔' : '✖'} ${(names[index] ?? '').padEnd(width)}  ${printable(why)}`;
    }),
  ];
}

function nameText({ policy, rule, action, cluster, audit }: ExplainedRule): string {
  const marks = [cluster ? 'cluster' : null, audit ? 'audit' : null].filter((mark) => mark !== null);
  return `${action} ${policy}/${rule}${marks.length === 0 ? '' : ` (${marks.join(', ')})`}`;
}
