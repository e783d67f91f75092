// What is wrong with one rule by itself, and with what it names: that it can never match, or lies outside its
// credential's ceiling.

import { compileWhen } from './cel/when.ts';
import { findFieldProblems } from './fields/problems.ts';
import { findGithubCredentialProblems, findGithubProblems } from './github/problems.ts';
import { matchesOverlapWithin } from './overlap.ts';
import type { Finding } from './parse.ts';
import type { AgentCredential, AgentDestination } from './resources/kinds.ts';
import type { ClusterRule, Rule } from './resources/rule.ts';
import type { RulesetGithub, RulesetMatch, RulesetSchedule } from './ruleset.ts';
import { findScheduleProblems } from './schedule.ts';

/** Conditions that nothing satisfies, or that cannot be evaluated: a grant then grants nothing, a guard guards all. */
export function findRuleProblems(rule: Rule | ClusterRule, at: string): readonly Finding[] {
  const problems = [
    ...fieldProblems(rule.query, 'query'),
    ...fieldProblems(rule.headers, 'headers'),
    ...fieldProblems(rule.body, 'body'),
    ...(rule.mcp?.tools ?? []).flatMap((tool, index) =>
      fieldProblems(tool.arguments, `mcp.tools[${index}].arguments`),
    ),
    ...scheduleProblems(rule.during, 'during'),
    ...scheduleProblems(rule.outside, 'outside'),
    ...whenProblems(rule.when),
    ...(rule.github === undefined
      ? []
      : findGithubProblems(rule.github as RulesetGithub, rule.action === 'Deny' ? 'guard' : 'grant')),
  ];
  const isGuard = rule.action === 'Deny' || !('credential' in rule || rule.action === 'Allow');
  const effect = isGuard ? 'the rule stops whatever else of it matches' : 'the rule grants nothing';
  return problems.map(({ field, message, isFatal = true }) => ({
    reason: isFatal ? 'NeverMatches' : 'Advice',
    field: `${at}.${field}`,
    message: isFatal ? `${message}; ${effect}` : message,
    blocking: false,
  }));
}

interface Problem {
  readonly field: string;
  readonly message: string;
  /** False for what works, but not as its author may think. */
  readonly isFatal?: boolean;
}

function fieldProblems(fields: object | undefined, where: string): readonly Problem[] {
  return fields === undefined ? [] : findFieldProblems(fields, where);
}

function scheduleProblems(schedule: object | undefined, field: string): readonly Problem[] {
  if (schedule === undefined) return [];
  const message = findScheduleProblems(schedule as RulesetSchedule);
  return message === null ? [] : [{ field, message }];
}

function whenProblems(when: string | undefined): readonly Problem[] {
  if (when === undefined) return [];
  const { problem } = compileWhen(when, 'grant', { namespace: 'default', serviceAccount: 'default' });
  return problem === null ? [] : [{ field: 'when', message: problem }];
}

/** Conditions of a grant on what nobody reads: a connection to a destination of scheme tcp is no request. */
function findUnreadable(rule: Rule, at: string): readonly Finding[] {
  if (rule.action === 'Deny') return [];
  const about = (['methods', 'paths', 'query', 'headers', 'body', 'mcp', 'when', 'response'] as const).filter(
    (field) => rule[field] !== undefined && !(field === 'paths' && rule.paths?.includes('/**')),
  );
  const limits = (rule.limits ?? []).flatMap(({ sum, usage }, index) =>
    sum === undefined && usage === undefined ? [] : `limits[${index}].${sum === undefined ? 'usage' : 'sum'}`,
  );
  return [...about, ...limits].map((field) => ({
    reason: 'NeverMatches',
    field: `${at}.${field}`,
    message:
      'is about requests and answers, and of a destination of scheme tcp nobody reads the bytes: leave it out; the rule grants nothing',
    blocking: false,
  }));
}

/** Of one of up to 64 rules; beyond it nothing is said, and the sidecar refuses all the same. */
const maxCompared = 4_000_000;

export function findOutsideCeiling(
  rule: Rule,
  at: string,
  credential: AgentCredential | undefined,
  destination: AgentDestination | undefined,
): readonly Finding[] {
  const scheme = (destination?.spec.service ?? destination?.spec.host)?.scheme ?? 'https';
  const findings: Finding[] = [];
  if (scheme === 'tcp') findings.push(...findUnreadable(rule, at));
  if (credential === undefined) return findings;
  if (scheme !== 'https') {
    findings.push({
      reason: 'OutsideCeiling',
      field: `${at}.credential`,
      message: `is never sent over plain ${scheme}: leave credential out, or give the destination scheme: https`,
      blocking: false,
    });
    return findings;
  }
  const { allow } = credential.spec;
  if (rule.github !== undefined) {
    const problems = findGithubCredentialProblems(rule.github as RulesetGithub, {
      allow: allow as readonly RulesetMatch[],
      repositories: null,
    });
    const inForm = problems.map(({ field, message, isFatal }) => ({
      reason: isFatal ? 'OutsideCeiling' : 'Advice',
      field: `${at}.${field}`,
      message,
      blocking: false,
    }));
    return [...findings, ...inForm];
  }
  const match = rule as RulesetMatch;
  const budget = { left: maxCompared };
  const meetsCeiling = (part: RulesetMatch): boolean =>
    allow.some((entry) => matchesOverlapWithin(part, entry as RulesetMatch, budget) !== false);
  if (!meetsCeiling(match)) {
    findings.push({
      reason: 'OutsideCeiling',
      field: `${at}.credential`,
      message: `lists nothing under spec.allow of ${credential.metadata.name} that this rule matches, so every request is refused: credential_ceiling`,
      blocking: false,
    });
    return findings;
  }
  for (const [index, host] of (rule.hosts ?? []).entries()) {
    if (meetsCeiling({ ...match, hosts: [host] })) continue;
    findings.push({
      reason: 'OutsideCeiling',
      field: `${at}.hosts[${index}]`,
      message: `lies outside spec.allow of ${credential.metadata.name}, so requests there are refused: credential_ceiling`,
      blocking: false,
    });
  }
  return findings;
}
