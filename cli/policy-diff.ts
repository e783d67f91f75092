// Two sets of resources and the same requests: whose outcome is another one.

import { isDeepStrictEqual } from 'node:util';
import { isDecided } from '../policy/decide.ts';
import type { Decision } from '../policy/decision.ts';
import type { Agent } from '../policy/selection.ts';
import { spell } from './outcome-text.ts';
import type { RecordedRequest } from './recorded-requests.ts';
import type { GoodFiles } from './resource-files.ts';
import { createTrial, knowNamespace, type ReadableRequest, type Trial } from './trial.ts';

/** One version of the resources, with what else there is in the cluster. */
export interface Side {
  readonly files: GoodFiles;
  readonly floors: GoodFiles;
}

export interface Difference {
  /** Such as `PolicyTest research/tracker: lists issues` or `recorded (12)`. */
  readonly source: string;
  readonly agent: string;
  readonly request: string;
  readonly before: Outcome;
  readonly after: Outcome;
}

/** `text` says it in words; the rest is for machines. */
export interface Outcome extends Pick<
  Decision,
  'action' | 'reason' | 'policy' | 'rule' | 'credential' | 'statusOnly' | 'observed' | 'approval'
> {
  readonly limits: readonly string[];
  readonly text: string;
}

export interface DiffResult {
  readonly compared: number;
  readonly differences: readonly Difference[];
  /** Recorded requests that a body decides, which their lines do not hold. */
  readonly undecided: readonly string[];
}

interface Question {
  readonly source: string;
  readonly agent: Agent;
  /** Null: those of the files. */
  readonly namespaceLabels: Agent['namespaceLabels'] | null;
  readonly request: ReadableRequest;
  readonly nowMs: number;
  readonly used: Readonly<Record<string, number>>;
}

/** @param recordedBy the agent whose requests were recorded. */
export function comparePolicies(
  before: Side,
  after: Side,
  recorded: readonly RecordedRequest[],
  recordedBy: Agent | null,
): DiffResult {
  const written = unique([...questionsOf(before), ...questionsOf(after)]);
  const asked = recordedBy === null ? [] : recorded.map((each) => recordedQuestion(each, recordedBy));
  const sides = [createSide(before), createSide(after)] as const;
  const differences: Difference[] = [];
  const undecided: string[] = [];
  for (const question of [...written, ...asked]) {
    const [old, now] = [sides[0](question), sides[1](question)];
    if (old === null || now === null) undecided.push(requestText(question.request));
    else if (!isSameOutcome(old, now)) {
      const { source, agent, request } = question;
      const who = `${agent.namespace}/${agent.serviceAccount}`;
      differences.push({ source, agent: who, request: requestText(request), before: old, after: now });
    }
  }
  return { compared: written.length + asked.length, differences, undecided: [...new Set(undecided)] };
}

function questionsOf({ files }: Side): Question[] {
  return files.tests.flatMap(({ name, namespace, serviceAccount, labels, namespaceLabels, cases }) => {
    const agent = { namespace, serviceAccount, namespaceLabels: {}, podLabels: [labels] };
    return cases.map(({ name: title, request, nowMs, used }) => ({
      source: `PolicyTest ${namespace}/${name}: ${title}`,
      agent,
      namespaceLabels,
      request,
      nowMs,
      used,
    }));
  });
}

function recordedQuestion({ request, nowMs, count }: RecordedRequest, agent: Agent): Question {
  const source = `recorded${count === 1 ? '' : ` (${count})`}`;
  return { source, agent, namespaceLabels: null, request: { kind: 'request', request }, nowMs, used: {} };
}

/** A case that both sides have is asked once. */
function unique(questions: readonly Question[]): Question[] {
  const kept: Question[] = [];
  for (const question of questions) {
    if (!kept.some((other) => isDeepStrictEqual(other, question))) kept.push(question);
  }
  return kept;
}

/** Null when a body decides that is not known. */
function createSide({ files, floors }: Side): (question: Question) => Outcome | null {
  const resources = [...files.found, ...floors.found].map(({ resource }) => resource);
  const trials = new Map<string, Trial>();
  return ({ agent, namespaceLabels: written, request, nowMs, used }) => {
    const { namespace } = agent;
    const labels = written ?? files.namespaces.get(namespace) ?? floors.namespaces.get(namespace);
    const { resources: known, namespaceLabels } = knowNamespace(resources, labels);
    const key = JSON.stringify([agent, labels ?? null]);
    const trial = trials.get(key) ?? createTrial(known, { ...agent, namespaceLabels });
    trials.set(key, trial);
    const isUnknown = request.kind === 'request' && request.request.body.kind === 'unread';
    if (isUnknown && !isDecided(trial.decider.decide(request.request, nowMs))) return null;
    return outcomeOf(trial.decide(request, nowMs, used));
  };
}

function outcomeOf(decision: Decision): Outcome {
  const { action, reason, policy, rule, credential, statusOnly, observed, approval } = decision;
  const limits = decision.charges.map(
    ({ limit, amount, max, windowMs, scope, exceeded, counts }) =>
      `${limit}: ${amount} of ${max} ${counts} per ${windowMs / 1000}s and ${scope}, then ${exceeded}`,
  );
  const text = limits.length === 0 ? spell(decision) : `${spell(decision)}, limits ${limits.join('; ')}`;
  return { action, reason, policy, rule, credential, statusOnly, observed, approval, limits, text };
}

/** Another rule with the same effect is no change; its name is shown where there is one. */
function isSameOutcome(a: Outcome, b: Outcome): boolean {
  const effect = ({
    action,
    reason,
    credential,
    statusOnly,
    observed,
    approval,
    limits,
  }: Outcome): unknown => ({
    action,
    reason,
    credential,
    statusOnly,
    observed,
    limits,
    approval: approval && { ...approval, by: approval.by.map(({ groups }) => groups) },
  });
  return isDeepStrictEqual(effect(a), effect(b));
}

function requestText(request: ReadableRequest): string {
  if (request.kind === 'refused') return `(refused before any rule: ${request.refusal.reason})`;
  const { method, scheme, host, port, path, query } = request.request;
  const name = host.includes(':') ? `[${host}]` : host;
  const usual = (scheme === 'https' && port === 443) || (scheme === 'http' && port === 80);
  const place = `${scheme}://${name}${usual ? '' : `:${port}`}${path}`;
  return `${method} ${place}${query === null ? '' : '?…'}`.trim();
}
