// Whoever copies a block of YAML from the docs must be able to apply it: each is created on a real API server (dry run).

import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { parseAllDocuments } from 'yaml';
import { parsePolicyTest } from '../../cli/policy-test.ts';
import { kinds } from '../../policy/resources/kinds.ts';
import { startCrdServer, type CrdServer } from '../policy/resources/api.ts';

const root = join(import.meta.dirname, '..', '..');
const pages = globSync(['README.md', 'docs/**/*.md', 'examples/**/README.md'], { cwd: root }).toSorted();

interface Block {
  readonly place: string;
  /** What stands after the fence: `yaml`, or `yaml fragment` for what is no object of ours. */
  readonly info: string;
  readonly text: string;
}

interface Resource {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata?: { readonly name?: string; readonly namespace?: string };
}

const blocks = pages.flatMap((page): Block[] => {
  const text = readFileSync(join(root, page), 'utf8');
  return [...text.matchAll(/^( *)```(ya?ml\b[^\n]*)\n([\s\S]*?)\n\1```$/gm)].map((found) => ({
    place: `${page}:${text.slice(0, found.index).split('\n').length}`,
    info: (found[2] ?? '').trim(),
    text: (found[3] ?? '').replaceAll(new RegExp(`^${found[1]}`, 'gm'), ''),
  }));
});
const read = blocks.map((block) => ({ ...block, resources: resourcesOf(block) }));
const whole = read.filter(({ resources }) => resources.some(isOurs));
const fragments = read.filter(({ resources }) => !resources.some(isOurs));

function resourcesOf({ place, text }: Block): readonly Resource[] {
  const documents = parseAllDocuments(text);
  assert.ok(Array.isArray(documents), `${place} is empty`);
  return documents.map((document) => {
    assert.deepEqual(document.errors, [], place);
    return document.toJS() as Resource;
  });
}

function isOurs(resource: Resource | null): resource is Required<Resource> {
  return resource?.apiVersion?.startsWith('outrider.dev/') ?? false;
}

/** A whole file of another kind says its name in its first line. */
function isMarked({ info, text }: Block): boolean {
  return info === 'yaml fragment' || /^# [\w.-]+\.ya?ml\n/.test(text);
}

function named({ kind, metadata }: Resource): string {
  return `${kind} ${metadata?.name}`;
}

describe('the YAML of the docs', () => {
  it('is marked as a fragment where it is no object, and nowhere else', (context) => {
    assert.deepEqual(
      fragments.filter((block) => !isMarked(block)).map(({ place }) => place),
      [],
    );
    assert.deepEqual(
      whole.filter(({ info }) => info !== 'yaml').map(({ place }) => place),
      [],
    );
    context.diagnostic(`${whole.length} blocks to apply, ${fragments.length} fragments`);
    assert.ok(fragments.length < whole.length, 'more is shown than can be tried');
  });

  it('shows each kind at least once', () => {
    const shown = new Set(whole.flatMap(({ resources }) => resources.filter(isOurs).map(({ kind }) => kind)));
    for (const kind of [...Object.keys(kinds), 'PolicyTest']) assert.ok(shown.has(kind), kind);
  });

  describe('is accepted by the API server:', () => {
    let server: CrdServer;
    before(async () => {
      server = await startCrdServer('current');
      const namespaces = new Set(
        whole.flatMap(({ resources }) => resources.flatMap(({ metadata }) => metadata?.namespace ?? [])),
      );
      for (const there of ['default', 'research', 'support']) namespaces.delete(there);
      for (const namespace of namespaces) await server.cluster.kubectl(['create', 'namespace', namespace]);
    });
    after(() => server?.stop());

    for (const { place, resources } of whole) {
      for (const resource of resources.filter(isOurs)) {
        if (resource.kind === 'PolicyTest') continue;
        it(`${place}, ${named(resource)}`, async () => {
          assert.ok(Object.hasOwn(kinds, resource.kind), `${resource.kind} is no kind`);
          const { message } = await server.create({ ...resource });
          assert.equal(message, '');
        });
      }
    }
  });

  describe('is accepted by outrider test:', () => {
    for (const { place, resources } of whole) {
      for (const resource of resources.filter(isOurs)) {
        if (resource.kind !== 'PolicyTest') continue;
        it(`${place}, ${named(resource)}`, () => {
          const here = { file: place, document: 1, line: 1, column: 1 };
          const parsed = parsePolicyTest({ value: resource, place: here, placeOf: () => here });
          assert.ok(!Array.isArray(parsed), JSON.stringify(parsed));
        });
      }
    }
  });
});
