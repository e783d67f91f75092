// All examples in one table, the project's own example policies among the good ones.

import { globSync, readFileSync } from 'node:fs';
import { parseAllDocuments } from 'yaml';
import { kinds } from '../../../../policy/resources/kinds.ts';
import type { BadExample, Manifest } from '../examples.ts';
import { credentials } from './credentials.ts';
import { githubForm } from './github.ts';
import { injects } from './injects.ts';
import { limits } from './limits.ts';
import { matchers } from './matchers.ts';
import { mcp } from './mcp.ts';
import { patterns } from './patterns.ts';
import { places } from './places.ts';
import { platform } from './platform.ts';
import { rules } from './rules.ts';
import { schedules } from './schedules.ts';
import { selectors } from './selectors.ts';
import { sources } from './sources.ts';
import { stores } from './stores.ts';
import { tokens } from './tokens.ts';

const topics = [
  selectors,
  rules,
  places,
  matchers,
  patterns,
  mcp,
  githubForm,
  schedules,
  limits,
  credentials,
  sources,
  injects,
  tokens,
  stores,
  platform,
];

/** What the project itself shows: the ten policies, and what a first policy needs around it. */
export function recipes(): Record<string, Manifest> {
  const root = new URL('../../../../', import.meta.url).pathname;
  const files = globSync(
    ['examples/ten/*.yaml', 'examples/*.yaml', 'examples/first-policy/*.yaml', 'examples/credentials/*.yaml'],
    {
      cwd: root,
    },
  );
  const found: Record<string, Manifest> = {};
  for (const file of files.toSorted()) {
    for (const document of parseAllDocuments(readFileSync(`${root}${file}`, 'utf8'))) {
      const resource = document.toJS() as Manifest & { kind: string; metadata: { name: string } };
      const title = `${file} (${resource.kind} ${resource.metadata.name})`;
      if (Object.hasOwn(kinds, resource.kind)) found[title] = resource;
    }
  }
  return found;
}

function joined<T>(tables: readonly Readonly<Record<string, T>>[]): Record<string, T> {
  const all: Record<string, T> = {};
  for (const [title, example] of tables.flatMap((table) => Object.entries(table))) {
    if (Object.hasOwn(all, title)) throw new Error(`two examples are called ${title}`);
    all[title] = example;
  }
  return all;
}

export const allBad: Record<string, BadExample> = joined(topics.map(({ bad }) => bad));
export const allGood: Record<string, Manifest> = joined([...topics.map(({ good }) => good), recipes()]);
