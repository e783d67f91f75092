// One rule, compiled for a stance: its conditions in the order in which they are looked at, each with what it needs of
// the body. Where the rule reaches is the index's to know, and `explained` has it for those who ask about every rule.

import { compileWhen } from './cel/when.ts';
import { openingMessages } from './canonical.ts';
import type { Decision } from './decision.ts';
import { isNotRead } from './content/content.ts';
import { compileAmount } from './fields/amount.ts';
import { compileBody } from './fields/body.ts';
import { compileHeaders } from './fields/headers.ts';
import { compileQuery, queryNeedsBody } from './fields/query.ts';
import { compileGithub } from './github/form.ts';
import { compileTokenEstimate } from './limits/tokens.ts';
import { compileMcp } from './mcp/match.ts';
import { compilePatterns, pathParts } from './match.ts';
import { compileMethods, formOverride, formOverrideNeed } from './methods.ts';
import { compilePaths, compilePlace } from './place.ts';
import type { BodyNeed, Condition, Miss, Reading, Stance } from './reading.ts';
import type { Opening } from './request.ts';
import type { Ruleset, RulesetLimit, RulesetRule, RulesetSchedule } from './ruleset.ts';
import type { RulesetInject } from './ruleset-credential.ts';
import { compileSchedule } from './schedule.ts';

export interface Step {
  readonly test: Condition;
  /** What it must see of the body; null when the head suffices. */
  readonly need: ((reading: Reading) => BodyNeed | null) | null;
  /** About the method, what a path opens, or what mints: settled without it where a request has nothing unusual. */
  readonly isPlain?: true;
  /** Says of a connection whose bytes nobody reads what it says of a request. */
  readonly isApart?: true;
}

export interface CompiledLimit {
  readonly limit: RulesetLimit;
  /** What a request takes from it; a Miss when that cannot be said. */
  readonly amount: (reading: Reading) => number | Miss;
}

export interface CompiledRule {
  readonly rule: RulesetRule;
  /**
   * How its credential is put on whatever it matches, where its ceiling gives all of that one answer; false where it does
   * not. Known when it is first asked.
   */
  inject: RulesetInject | false | null;
  /** What was decided last when this rule alone decided: the same for every request that gets the same injection. */
  outcome: Decision | null;
  /** Position by (policy, rule): the lowest that matches is recorded. */
  readonly order: number;
  readonly steps: readonly Step[];
  /** Grants only. */
  readonly limits: readonly CompiledLimit[];
  /** All conditions with place and paths before them. */
  readonly explained: () => readonly Step[];
}

/** The body is not read yet, so nothing can be said. */
export const pending: Miss = { field: 'body', message: 'The body is not read yet.' };

/** Where no rule says how long a body may be. */
const defaultMaxBytes = 64 * 1024;
/** Messages of MCP carry documents, prompts of LLMs carry images. */
const mcpMaxBytes = 1024 * 1024;
const tokensMaxBytes = 8 * 1024 * 1024;

export function compileRule(
  rule: RulesetRule,
  order: number,
  ruleset: Ruleset,
  stance: Stance,
): CompiledRule {
  const limits = stance === 'grant' ? (rule.limits ?? []).map((limit) => compileLimit(limit, rule)) : [];
  const steps = [
    stance === 'grant' ? mintingStep(rule) : null,
    methodStep(rule, stance),
    stance === 'grant' ? openStep(rule.opens ?? []) : null,
    ...fieldSteps(rule, stance),
    scheduleStep(rule.during, 'during', stance),
    scheduleStep(rule.outside, 'outside', stance),
    rule.mcp === undefined ? null : onBody(compileMcp(rule.mcp, stance), mcpMaxBytes),
    githubStep(rule, stance),
    whenStep(rule, ruleset, stance),
    formStep(rule, ruleset, stance),
    ...limits.map((limit) => limitStep(limit, rule)),
  ].filter((step) => step !== null);
  return {
    rule,
    inject: null,
    outcome: null,
    order,
    steps,
    limits,
    explained: () => [
      { ...onHead(compilePlace(rule, ruleset, stance)), isApart: true },
      { ...onHead(compilePaths(rule, stance)), isApart: true },
      ...steps,
    ],
  };
}

/**
 * The first condition that does not hold, `pending` when that depends on a body that is not read, or null.
 * @param needed called with what must be read of the body; then `pending` is what comes back, unless the head decides.
 */
export function evaluate(
  steps: readonly Step[],
  reading: Reading,
  needed: (need: BodyNeed) => void,
): Miss | null {
  let isPending = false;
  for (const { test, need } of steps) {
    if (need !== null && reading.request.body.kind === 'unread') {
      const wanted = need(reading);
      if (wanted !== null) {
        needed(wanted);
        isPending = true;
        continue;
      }
    }
    const miss = test(reading);
    if (miss !== null) return miss;
  }
  return isPending ? pending : null;
}

/** Of a connection whose bytes nobody reads, what a rule asks of them is neither proved nor ruled out. */
export function evaluateUnread(
  rule: RulesetRule,
  steps: readonly Step[],
  stance: Stance,
  reading: Reading,
): Miss | null {
  for (const { test, isPlain, isApart } of steps) {
    const isAsked = isPlain !== true && isApart !== true;
    if (isAsked && stance === 'guard') continue;
    const miss = isAsked ? unreadMiss(rule) : test(reading);
    if (miss !== null) return miss;
  }
  return null;
}

function unreadMiss(rule: RulesetRule): Miss {
  const field = readFields.find((name) => rule[name] !== undefined) ?? 'when';
  return {
    field,
    message: `The rule asks for something in ${field}, and of a tcp destination nobody reads the bytes.`,
  };
}

const readFields = ['query', 'headers', 'body', 'mcp', 'when'] as const;

function onHead(test: Condition): Step {
  return { test, need: null };
}

function onBody(test: Condition, maxBytes: number): Step {
  const need: BodyNeed = { maxBytes, until: 'end' };
  return { test, need: () => need };
}

function scheduleStep(
  schedule: RulesetSchedule | undefined,
  field: 'during' | 'outside',
  stance: Stance,
): Step | null {
  if (schedule === undefined) return null;
  return { test: compileSchedule(schedule, field, stance), need: null, isApart: true };
}

/** What mints credentials is granted only by its path, written out: not by a glob, a form, or no paths at all. */
function mintingStep({ paths = [] }: RulesetRule): Step | null {
  const written = paths.filter((path) => !path.includes('*'));
  // What such a rule matches is written out.
  if (paths.length > 0 && written.length === paths.length) return null;
  if (written.length === 0) return nothingMinted;
  const isWritten = compilePatterns(written.map(pathParts));
  return {
    need: null,
    isPlain: true,
    test: (reading) => (isWritten(reading.request.segments) ? null : reading.minting()),
  };
}

const nothingMinted: Step = { need: null, isPlain: true, test: (reading) => reading.minting() };

function methodStep({ methods }: RulesetRule, stance: Stance): Step | null {
  const test = compileMethods(methods, stance);
  if (test === null || stance === 'grant') return test === null ? null : { test, need: null, isPlain: true };
  // What the head rules out a form may still bring back.
  return {
    need: (reading) => (test(reading) === null ? null : formOverrideNeed(reading)),
    test: (reading) => {
      const miss = test(reading);
      return miss !== null && formOverrideNeed(reading) !== null && formOverride(reading) !== null
        ? null
        : miss;
    },
  };
}

/**
 * Where a grant, or its credential's ceiling, is about some methods, a form must ask for no other: the last to be looked
 * at, after what rules say of it.
 */
function formStep(
  { methods, credential = '' }: RulesetRule,
  { credentials }: Pick<Ruleset, 'credentials'>,
  stance: Stance,
): Step | null {
  const isBounded =
    methods !== undefined ||
    (credentials[credential]?.allow.some((entry) => entry.methods !== undefined) ?? false);
  if (!isBounded || stance === 'guard') return null;
  return {
    isPlain: true,
    need: formOverrideNeed,
    test: (reading) => (formOverrideNeed(reading) === null ? null : formOverride(reading)),
  };
}

function openStep(opened: readonly Opening[]): Step {
  const misses = Object.fromEntries(
    Object.entries(openingMessages).map(([opening, message]): [string, Miss] => [
      opening,
      { field: 'opens', message, reason: 'request_ambiguous' },
    ]),
  );
  const test: Condition = ({ request }) => {
    for (const opening of request.opens) if (!opened.includes(opening)) return misses[opening] ?? null;
    return null;
  };
  return { test, need: null, isPlain: true };
}

function fieldSteps({ query, headers, body }: RulesetRule, stance: Stance): (Step | null)[] {
  const whole: BodyNeed = { maxBytes: body?.maxBytes ?? defaultMaxBytes, until: 'end' };
  return [
    query === undefined
      ? null
      : {
          test: compileQuery(query, stance),
          need: (reading) => (queryNeedsBody(reading) ? whole : null),
        },
    headers === undefined ? null : onHead(compileHeaders(headers, stance)),
    body === undefined
      ? null
      : {
          test: compileBody(body, stance),
          // A type that the rule does not take is known by the head. To a guard, no bytes are no body of any type.
          need: (reading) => (stance === 'guard' || isNotRead(reading.content()) ? whole : null),
        },
  ];
}

function githubStep({ github }: RulesetRule, stance: Stance): Step | null {
  if (github === undefined) return null;
  const { condition, bodyNeed } = compileGithub(github, stance);
  return { test: condition, need: bodyNeed };
}

function whenStep({ when, body }: RulesetRule, { agent }: Ruleset, stance: Stance): Step | null {
  if (when === undefined) return null;
  const { condition, needsBody } = compileWhen(when, stance, agent);
  return needsBody ? onBody(condition, body?.maxBytes ?? mcpMaxBytes) : onHead(condition);
}

function compileLimit(limit: RulesetLimit, { body }: RulesetRule): CompiledLimit {
  if (limit.sum !== undefined) return { limit, amount: compileAmount(limit.sum) };
  if (limit.usage !== undefined)
    return { limit, amount: compileTokenEstimate(body?.maxBytes ?? tokensMaxBytes) };
  return { limit, amount: () => 1 };
}

/** A grant whose limit cannot be charged proves nothing. */
function limitStep({ limit, amount }: CompiledLimit, { body }: RulesetRule): Step | null {
  if (limit.sum === undefined && limit.usage === undefined) return null;
  const maxBytes = body?.maxBytes ?? (limit.sum === undefined ? tokensMaxBytes : defaultMaxBytes);
  const test: Condition = (reading) => {
    const taken = amount(reading);
    return typeof taken === 'number' ? null : { ...taken, field: `limits[${limit.name}]` };
  };
  return { ...onBody(test, maxBytes), isApart: true };
}
