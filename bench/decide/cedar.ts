// Cedar as WebAssembly: a policy set for each host, parsed once and kept inside (its stateful interface).

import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { CanonicalRequest } from '../../policy/request.ts';
import { answersOf, refusal, type Engine } from './engine.ts';
import { shapeOf, type Part, type PathShape } from './path-shape.ts';
import { installPeers } from './peers.ts';
import { placeOf, rulesByPlace } from './places.ts';
import type { BenchRule } from './rules.ts';

/** What is used of @cedar-policy/cedar-wasm. */
interface CedarWasm {
  preparsePolicySet(id: string, set: { staticPolicies: Record<string, string> }): CedarAnswer;
  statefulIsAuthorized(call: object): CedarAnswer;
}
type CedarAnswer =
  | {
      readonly type: 'success';
      readonly response: {
        readonly decision: 'allow' | 'deny';
        /** `reason`: ids of the policies that decided, all that matched of the stronger effect. */
        readonly diagnostics: { readonly reason: readonly string[]; readonly errors: readonly object[] };
      };
    }
  | { readonly type: 'failure'; readonly errors: readonly { readonly message: string }[] };

const principal = { type: 'Agent', id: 'agent' };
const resource = { type: 'Api', id: 'api' };
const entities: readonly object[] = [];
/** Attributes of the context that a policy may look at: segments from the start, and from the end. */
const ends = 2;

export async function createCedar(rules: readonly BenchRule[]): Promise<Engine> {
  const entry = join(await installPeers(), 'node_modules/@cedar-policy/cedar-wasm/nodejs/cedar_wasm.js');
  const cedar = (await import(pathToFileURL(entry).href)) as CedarWasm;
  const texts = rules.map(policyText);
  const places = new Map(
    [...rulesByPlace(rules)].map(([place, here]) => {
      const staticPolicies = Object.fromEntries(here.map(({ index }) => [String(index), texts[index] ?? '']));
      const parsed = cedar.preparsePolicySet(place, { staticPolicies });
      if (parsed.type === 'failure') throw new Error(parsed.errors.map(({ message }) => message).join('\n'));
      return [place, place];
    }),
  );
  const answers = answersOf(rules);
  return {
    decide(request) {
      const answer = cedar.statefulIsAuthorized({
        principal,
        action: { type: 'Action', id: request.method },
        resource,
        context: contextOf(request),
        preparsedPolicySetId: placeOf(places, request.host),
        entities,
      });
      if (answer.type === 'failure') throw new Error(answer.errors.map(({ message }) => message).join('\n'));
      const { reason } = answer.response.diagnostics;
      if (reason.length === 0) return refusal;
      return answers[Math.min(...reason.map(Number))] ?? refusal;
    },
  };
}

/** Cedar has sets and records but no lists, so each segment is an attribute of its own. */
function contextOf({ segments }: CanonicalRequest): object {
  const context: Record<string, string | number> = { n: segments.length, path: `/${segments.join('/')}/` };
  for (const [at, segment] of segments.entries()) context[`s${at}`] = segment;
  for (let end = 1; end <= ends && end <= segments.length; end++)
    context[`e${end}`] = segments[segments.length - end] ?? '';
  return context;
}

function policyText({ action, methods, paths }: BenchRule): string {
  const effect = action === 'Allow' ? 'permit' : 'forbid';
  const actions = methods?.map((method) => `Action::${quoted(method)}`).join(', ');
  const on = actions === undefined ? 'action' : `action in [${actions}]`;
  const conditions = (paths ?? ['/**']).map((path) => `(${conditionOf(shapeOf(path))})`);
  return `${effect} (principal, ${on}, resource) when { ${conditions.join(' || ')} };`;
}

function conditionOf(shape: PathShape): string {
  if (shape.kind === 'anywhere') return `context.path like ${quoted(`*/${shape.text}/*`)}`;
  const head = shape.head.map((part, at) => partCondition(`s${at}`, part));
  if (shape.kind === 'whole') return [`context.n == ${head.length}`, ...head].join(' && ');
  const { tail } = shape;
  if (tail.length > ends) throw new RangeError(`more than ${ends} segments follow a **`);
  const last = tail.map((part, at) => partCondition(`e${tail.length - at}`, part));
  return [`context.n >= ${head.length + tail.length}`, ...head, ...last].join(' && ');
}

function partCondition(name: string, part: Part): string {
  if (part.kind === 'text') return `context.${name} == ${quoted(part.text)}`;
  const { prefix, suffix } = part;
  if (prefix === '' && suffix === '') return `context.${name} != ""`;
  return `context.${name} like ${quoted(`${prefix}*${suffix}`)}`;
}

function quoted(text: string): string {
  return JSON.stringify(text);
}
