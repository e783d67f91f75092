// `kind: PolicyTest`: requests of one agent, and what must become of each. A file for the CLI alone: the cluster has
// no such kind.

import { z } from 'zod';
import { apiVersion } from '../policy/contract.ts';
import { fieldPath, findingsOf } from '../policy/parse.ts';
import { reasons, type Reason } from '../policy/reasons.ts';
import { labelName, objectName } from '../policy/resources/names.ts';
import type { Labels } from '../policy/resources/selector.ts';
import { parseWrittenRequest, type WrittenRequest } from '../policy/written-request.ts';
import type { Place, SourceObject, SourceProblem } from './source-files.ts';

export interface PolicyTest {
  readonly name: string;
  readonly namespace: string;
  readonly place: Place;
  readonly serviceAccount: string;
  readonly labels: Labels;
  /** Null: those of the Namespace object beside it, if there is one. */
  readonly namespaceLabels: Labels | null;
  readonly cases: readonly PolicyTestCase[];
}

export interface PolicyTestCase {
  readonly name: string;
  readonly place: Place;
  readonly nowMs: number;
  /** What limits have counted before, by policy/rule/limit. */
  readonly used: Readonly<Record<string, number>>;
  readonly request: Exclude<WrittenRequest, { kind: 'invalid' }>;
  readonly expect: Expectation;
}

export interface Expectation {
  readonly action: 'Allow' | 'Deny' | 'Hold';
  readonly reason?: Reason | undefined;
  /** `policy/rule`. */
  readonly rule?: string | undefined;
  /** null: none is to be injected. */
  readonly credential?: string | null | undefined;
}

/** A Monday, 10:00 in Berlin: a result must not depend on when a test runs. */
export const defaultTime = '2026-11-23T09:00:00Z';

const maxCases = 1000;
const labels = z.record(z.string().min(1), z.string());
const time = z.iso.datetime({
  offset: true,
  error: 'is no time: write RFC 3339 in quotes, such as "2026-11-23T09:00:00Z"',
});
const ruleName = z
  .string()
  .regex(/^[a-z0-9.-]+\/[a-z0-9-]+$/, 'is no rule: write policy/rule, such as refunds/refund');
const used = z.record(
  z
    .string()
    .regex(
      /^[a-z0-9.-]+\/[a-z0-9-]+\/.+$/,
      'is no limit: write policy/rule/limit, such as refunds/refund/day',
    ),
  z.int('is no whole number').min(0, 'is below 0'),
);
const reasonNames = Object.keys(reasons) as Reason[];

const expectation = z
  .strictObject({
    action: z.enum(['Allow', 'Deny', 'Hold']),
    reason: z.enum(reasonNames).optional(),
    rule: ruleName.optional(),
    credential: z.union([objectName(), z.null()]).optional(),
  })
  .superRefine(({ action, reason, credential }, context) => {
    const report = (path: string, message: string): void =>
      context.addIssue({ code: 'custom', path: [path], message });
    if (action === 'Allow' && reason !== undefined) report('reason', 'goes with Deny: an Allow has none');
    if (action === 'Hold' && reason !== undefined && reason !== 'approval_required')
      report('reason', 'of a Hold is always approval_required');
    if (action === 'Deny' && credential != null)
      report('credential', 'goes with Allow and Hold: a Deny injects nothing');
  });

const policyTest = z.strictObject({
  apiVersion: z.literal(apiVersion),
  kind: z.literal('PolicyTest'),
  metadata: z.strictObject({
    name: objectName(),
    namespace: labelName().default('default'),
    labels: labels.optional(),
    annotations: labels.optional(),
  }),
  spec: z.strictObject({
    agent: z
      .strictObject({
        serviceAccount: objectName().default('default'),
        labels: labels.default({}),
        namespaceLabels: labels.optional(),
      })
      .prefault({}),
    time: time.default(defaultTime),
    used: used.default({}),
    cases: z
      .array(
        z.strictObject({
          name: z.string().min(1).max(200),
          time: time.optional(),
          used: used.optional(),
          request: z.unknown(),
          expect: expectation,
        }),
      )
      .min(1, 'is empty: write at least one case')
      .max(maxCases, `has more than ${maxCases} cases: write several PolicyTests`)
      .refine((cases) => new Set(cases.map(({ name }) => name)).size === cases.length, {
        error: 'has two cases of one name: every name must be unique in the PolicyTest',
      }),
  }),
});

/** The test, or everything that is wrong with it, each with its field. */
export function parsePolicyTest({ value, place, placeOf }: SourceObject): PolicyTest | SourceProblem[] {
  const problemAt = (field: string, message: string): SourceProblem => ({
    place: placeOf(field),
    object: 'PolicyTest',
    field,
    message,
  });
  const parsed = policyTest.safeParse(value);
  if (!parsed.success) return findingsOf(parsed.error).map(({ field, message }) => problemAt(field, message));
  const { metadata, spec } = parsed.data;
  const problems: SourceProblem[] = [];
  const cases = spec.cases.flatMap((each, index): PolicyTestCase[] => {
    const at = fieldPath(['spec', 'cases', index]);
    const request = parseWrittenRequest(each.request);
    if (request.kind === 'invalid') {
      for (const { field, message } of request.problems)
        problems.push(problemAt(`${at}.request${field === '' ? '' : `.${field}`}`, message));
      return [];
    }
    return [
      {
        name: each.name,
        place: placeOf(at),
        nowMs: Date.parse(each.time ?? spec.time),
        used: { ...spec.used, ...each.used },
        request,
        expect: each.expect,
      },
    ];
  });
  if (problems.length > 0) return problems;
  const { serviceAccount, labels: podLabels, namespaceLabels = null } = spec.agent;
  const { name, namespace } = metadata;
  return { name, namespace, place, serviceAccount, labels: podLabels, namespaceLabels, cases };
}
