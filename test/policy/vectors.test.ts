// Decisions that any implementation of the policy language must make. The format is said in vectors/README.md.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { z } from 'zod';
import { compileRuleset } from '../../policy/compile.ts';
import { compileDecider, decideWhole, type Decider } from '../../policy/decide.ts';
import type { Decision } from '../../policy/decision.ts';
import { applyCounters, evaluateCharges } from '../../policy/limits/apply.ts';
import { refusalBy } from '../../policy/outcome.ts';
import { parseResource, type Finding } from '../../policy/parse.ts';
import { reasons, type Reason } from '../../policy/reasons.ts';
import { kinds, type KindName } from '../../policy/resources/kinds.ts';
import type { Agent } from '../../policy/selection.ts';
import { parseWrittenRequest } from '../../policy/written-request.ts';

const folder = join(import.meta.dirname, 'vectors');

const labels = z.record(z.string(), z.string());
const agentFields = z.strictObject({
  namespace: z.string().optional(),
  serviceAccount: z.string().optional(),
  labels: labels.optional(),
  labelsAtOpen: labels.optional(),
  namespaceLabels: labels.optional(),
});
const resource = z.looseObject({ apiVersion: z.literal('outrider.dev/v1alpha1'), kind: z.string() });
const action = z.enum(['allow', 'deny', 'hold']);
const reason = z.enum(Object.keys(reasons) as Reason[]);
const name = z.union([z.string(), z.null()]);
const vectorCase = z.strictObject({
  name: z.string().min(1),
  resources: z.array(resource).min(1).optional(),
  agent: agentFields.optional(),
  time: z.union([z.iso.datetime({ offset: true }), z.null()]).optional(),
  used: z.record(z.string().regex(/^[^/]+\/[^/]+\/[^/]+$/), z.int().min(0)).optional(),
  request: z.unknown(),
  expect: z.strictObject({
    action,
    reason: reason.optional(),
    policy: name.optional(),
    rule: name.optional(),
    credential: name.optional(),
    destination: name.optional(),
    message: name.optional(),
    closest: z
      .union([
        z.strictObject({
          policy: z.string().optional(),
          rule: z.string().optional(),
          field: z.string().optional(),
        }),
        z.null(),
      ])
      .optional(),
    approval: z
      .strictObject({
        by: z.array(z.string()).optional(),
        waitMs: z.int().optional(),
        expiresMs: z.int().optional(),
      })
      .optional(),
    statusOnly: z.boolean().optional(),
    observed: z.boolean().optional(),
    shadow: z
      .union([
        z.strictObject({
          action,
          reason: reason.optional(),
          policy: name.optional(),
          rule: name.optional(),
        }),
        z.null(),
      ])
      .optional(),
  }),
});
const vectorFile = z.strictObject({
  description: z.string().min(1),
  broken: z.literal(true).optional(),
  agent: agentFields.optional(),
  resources: z.array(resource).optional(),
  cases: z.array(vectorCase).min(1),
});

type VectorCase = z.infer<typeof vectorCase>;
type VectorFile = z.infer<typeof vectorFile>;
type Resource = z.infer<typeof resource>;

/** A Monday, 10:00 in Berlin. */
const defaultTime = '2026-11-23T09:00:00Z';

/** Attacks that a decision on one request must withstand, by the ids that tests have in their titles. */
const threats = [
  'H-10 H-13 H-20 H-22 H-23 H-24 H-25 H-31 H-33 H-50 H-51 H-52 H-53 H-54 H-55 H-61',
  'M-01 M-02 M-03 M-05 M-06 M-07 M-08 M-09 M-10 P-13 P-14 P-15 O-01 O-02 O-06',
].flatMap((line) => line.split(' '));

const fileNames = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.yaml'))
  .toSorted();
const loaded = fileNames.map((fileName) => {
  const written: unknown = parse(readFileSync(join(folder, fileName), 'utf8'));
  return { fileName, checked: vectorFile.safeParse(written) };
});
const files = loaded.flatMap(({ fileName, checked }) =>
  checked.success ? [{ fileName, file: checked.data }] : [],
);

describe('the vectors', () => {
  for (const { fileName, checked } of loaded) {
    it(`of ${fileName} are well-formed`, () => {
      assert.ok(checked.success, checked.success ? '' : z.prettifyError(checked.error));
      const names = checked.data.cases.map((each) => each.name);
      assert.equal(new Set(names).size, names.length, 'two cases have one name');
    });
  }
  for (const { fileName, file } of files) {
    it(`of ${fileName} have the resources that an API server accepts${file.broken ? ', but for some' : ''}`, () => {
      const problems = [file.resources ?? [], ...file.cases.map((each) => each.resources ?? [])]
        .flat()
        .flatMap(problemsOf);
      if (file.broken === true) assert.notDeepEqual(problems, [], 'none of them is broken');
      else assert.deepEqual(problems, []);
    });
    it(`of ${fileName} begin with refusals`, () => {
      const actions = file.cases.map(({ expect }) => expect.action);
      const firstAllow = actions.indexOf('allow');
      assert.equal(actions[0], 'deny', 'the first case is no refusal');
      assert.ok(firstAllow < 0 || actions.lastIndexOf('deny') < firstAllow, 'a refusal follows an allow');
    });
  }
  it('are at least 600 decisions', () => {
    const count = files.reduce((sum, { file }) => sum + file.cases.length, 0);
    assert.ok(count >= 600, `there are ${count}`);
  });
  it('name every threat that is one of policy', () => {
    const titles = files.flatMap(({ file }) => file.cases.map((each) => each.name)).join('\n');
    assert.deepEqual(
      threats.filter((threat) => !titles.includes(threat)),
      [],
    );
  });
});

describe('an implementation decides', () => {
  for (const { fileName, file } of files) {
    const deciderOf = createDeciders(file);
    for (const each of file.cases) {
      it(`${fileName}: ${each.name}`, () => {
        const decision = decide(each, deciderOf(each));
        assert.deepEqual(shown(decision, each.expect), expected(each.expect), JSON.stringify(decision));
      });
    }
  }
});

function problemsOf(value: Resource): readonly string[] {
  if (!Object.hasOwn(kinds, value.kind)) return [`${value.kind} is no kind`];
  const parsed: object = parseResource(value.kind as KindName, value);
  return Array.isArray(parsed)
    ? (parsed as Finding[]).map(({ field, message }) => `${field} ${message}`)
    : [];
}

/** One decider for all cases that change nothing of the file's agent and resources. */
function createDeciders(file: VectorFile): (each: VectorCase) => Decider {
  let plain: Decider | null = null;
  return ({ agent, resources }) => {
    if (agent !== undefined || resources !== undefined) return compile(file, agent, resources);
    return (plain ??= compile(file, undefined, undefined));
  };
}

function compile(file: VectorFile, own: VectorCase['agent'], extra: VectorCase['resources']): Decider {
  const resources = [...(file.resources ?? []), ...(extra ?? [])];
  const ofKind = (kind: KindName): Resource[] => resources.filter((each) => each.kind === kind);
  const { ruleset, revision } = compileRuleset({
    agent: agentOf({ ...file.agent, ...own }),
    policies: ofKind('AgentPolicy'),
    clusterPolicies: ofKind('ClusterAgentPolicy'),
    credentials: ofKind('AgentCredential'),
    stores: ofKind('AgentSecretStore'),
    destinations: ofKind('AgentDestination'),
    settings: { clusterDomain: 'cluster.local', telemetry: null, operatorCas: '', clusterRanges: [] },
  });
  return compileDecider(ruleset, revision);
}

function agentOf(fields: z.infer<typeof agentFields>): Agent {
  const { namespace = 'research', serviceAccount = 'triage', namespaceLabels = {} } = fields;
  const { labels: now = {}, labelsAtOpen = now } = fields;
  return { namespace, serviceAccount, namespaceLabels, podLabels: [labelsAtOpen, now] };
}

function decide({ request, time, used }: VectorCase, decider: Decider): Decision {
  const written = parseWrittenRequest(request);
  assert.notEqual(
    written.kind,
    'invalid',
    written.kind === 'invalid' ? JSON.stringify(written.problems) : '',
  );
  if (written.kind === 'refused') return refusalBy('', written.refusal.reason, null, written.refusal.message);
  if (written.kind !== 'request') throw new Error('unreachable');
  const nowMs = time === null ? null : Date.parse(time ?? defaultTime);
  const decision = decideWhole(decider, written.request, nowMs);
  return applyCounters(decision, evaluateCharges(decision.charges, used ?? {}));
}

function expected(expect: VectorCase['expect']): object {
  const shadow =
    expect.shadow == null ? {} : { shadow: { ...expect.shadow, reason: expect.shadow.reason ?? null } };
  return { ...expect, reason: expect.reason ?? null, ...shadow };
}

/** Of a decision what a case says something about. */
function shown(decision: Decision, expect: VectorCase['expect']): object {
  const approval = decision.approval && {
    ...decision.approval,
    by: decision.approval.by.map(({ policy, rule }) => `${policy}/${rule}`),
  };
  const whole = {
    ...decision,
    approval: only(approval, expect.approval),
    closest: only(decision.closest, expect.closest),
    shadow: only(decision.shadow, expect.shadow && { reason: null, ...expect.shadow }),
  };
  return { ...only(whole, { ...expect, reason: null }) };
}

function only(value: object | null, keys: object | null | undefined): object | null {
  if (value === null || keys == null) return value;
  return Object.fromEntries(Object.entries(value).filter(([key]) => Object.hasOwn(keys, key)));
}
