// Open Policy Agent as WebAssembly: one Rego policy (`rules.rego`), the rules as its data, indexed by host and method.

import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { builtModule } from '../../test/cluster/build.ts';
import { answersOf, refusal, type Engine } from './engine.ts';
import { shapeOf, type Part, type PathShape } from './path-shape.ts';
import { installPeers } from './peers.ts';
import { rulesByMethod, rulesByPlace } from './places.ts';
import type { BenchRule } from './rules.ts';

/** What is used of @open-policy-agent/opa-wasm. */
interface OpaWasm {
  readonly loadPolicy: (wasm: Uint8Array, memory: { initial: number }) => Promise<LoadedPolicy>;
}
interface LoadedPolicy {
  setData(data: object): void;
  /** One result whose value is the index of a rule, or -1. */
  evaluate(input: object): readonly { readonly result: number }[];
}

/** 64 MiB in pages of 64 KiB; it grows where the data need more. */
const initialPages = 1024;

export async function createOpa(rules: readonly BenchRule[]): Promise<Engine> {
  const folder = await installPeers();
  const entry = join(folder, 'node_modules/@open-policy-agent/opa-wasm/src/index.mjs');
  const { loadPolicy } = (await import(pathToFileURL(entry).href)) as OpaWasm;
  const policy = await loadPolicy(await compileRego(), { initial: initialPages });
  policy.setData({ places: dataOf(rules) });
  const answers = answersOf(rules);
  return {
    decide({ host, method, segments }) {
      const [first] = policy.evaluate({ host, method, segments });
      return answers[first?.result ?? -1] ?? refusal;
    },
  };
}

/** OPA's own compiler, as a library: its command brings a server and twice as many modules. */
async function compileRego(): Promise<Uint8Array> {
  const name = 'rego-compiler';
  const built = await builtModule({
    name,
    source: join(import.meta.dirname, name),
    recipe: { module: 'github.com/open-policy-agent/opa', package: '.', coldMinutes: 1 },
  });
  return execFileSync(join(built, name), [join(import.meta.dirname, 'rules.rego'), 'outrider/rule'], {
    maxBuffer: 64 * 1024 * 1024,
    timeout: 60_000,
  });
}

function dataOf(rules: readonly BenchRule[]): object {
  return Object.fromEntries(
    [...rulesByPlace(rules)].map(([place, here]) => [
      place,
      Object.fromEntries(
        [...rulesByMethod(here)].map(([method, { guards, grants }]) => [
          method,
          { guards: guards.flatMap(entriesOf), grants: grants.flatMap(entriesOf) },
        ]),
      ),
    ]),
  );
}

/** One for each path of the rule. */
function entriesOf({ index, paths }: BenchRule): object[] {
  return (paths ?? ['/**']).map((path) => ({ index, ...entryOf(shapeOf(path)) }));
}

function entryOf(shape: PathShape): object {
  if (shape.kind === 'anywhere') return { anywhere: shape.text };
  const head = shape.head.map(partEntry);
  if (shape.kind === 'whole') return { length: head.length, head };
  return { least: head.length + shape.tail.length, head, tail: shape.tail.map(partEntry) };
}

function partEntry(part: Part): string | object {
  if (part.kind === 'text') return part.text;
  const { prefix, suffix } = part;
  return prefix === '' && suffix === ''
    ? { any: true }
    : { prefix, suffix, least: prefix.length + suffix.length };
}
