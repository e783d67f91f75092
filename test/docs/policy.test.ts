// docs/policy.md teaches the language: what it shows must be what is decided, and nothing of the language may be missing.

import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, describe, it } from 'node:test';
import { parse, parseAllDocuments } from 'yaml';
import { variables } from '../../policy/cel/variables.ts';
import { createCommandLine, root } from '../cli/command-line.ts';

const page = readFileSync(join(root, 'docs', 'policy.md'), 'utf8');
const { outrider, directory, remove } = createCommandLine();
after(remove);

/** The blocks of a section, which ends at the next heading of its level or above. */
function blocksOf(heading: string): string[] {
  const from = page.indexOf(`\n${heading}\n`);
  assert.ok(from >= 0, `there is no “${heading}”`);
  const level = heading.indexOf(' ');
  const rest = page.slice(from + heading.length + 1);
  const end = rest.search(new RegExp(`\n#{1,${level}} `));
  const section = end < 0 ? rest : rest.slice(0, end);
  return [...section.matchAll(/^```(?:yaml|json)\n([\s\S]*?)\n```$/gm)].map(([, text = '']) => text);
}

function objectsOf(text: string): unknown[] {
  return [...parseAllDocuments(text)].map((document) => document.toJS() as unknown);
}

interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema;
  readonly items?: Schema;
}

/** Fields of a rule, as the API server knows them. */
const crd = parse(readFileSync(join(root, 'crds', 'agentpolicies.yaml'), 'utf8')) as {
  spec: { versions: { schema: { openAPIV3Schema: Schema } }[] };
};
const rule =
  crd.spec.versions[0]?.schema.openAPIV3Schema.properties?.spec?.properties?.rules?.items?.properties ?? {};

/** The store that the first credential uses is the platform's. */
const platform = {
  apiVersion: 'outrider.dev/v1alpha1',
  kind: 'AgentSecretStore',
  metadata: { name: 'default' },
  spec: {
    namespaceSelector: {},
    audience: 'outrider.dev/default',
    vault: { address: 'https://vault.vault.svc:8200', auth: { kubernetes: {} } },
  },
};

describe('docs/policy.md', () => {
  it('has a first policy that passes its own test', async () => {
    const [policy = '', cases = ''] = blocksOf('## The first policy');
    const name = directory({ 'policy.yaml': policy, 'test.yaml': cases, 'platform.yaml': platform });
    const { code, stdout, stderr } = await outrider('test', name);
    assert.equal(code, 0, `${stdout}${stderr}`);
  });

  it('shows the refusal that its first policy gives', async () => {
    const [policy = ''] = blocksOf('## The first policy');
    const shown = JSON.parse(blocksOf('## Reading a refusal')[0] ?? '') as { closest: unknown };
    const name = directory({ 'policy.yaml': policy, 'platform.yaml': platform });
    const request = {
      method: 'POST',
      url: 'https://api.tracker.example/v1/issues',
      json: { project: 'OPS' },
    };
    const file = `${directory({ 'request.yaml': request })}/request.yaml`;
    const explained = await outrider(
      'explain',
      '-f',
      name,
      '--as',
      'research/triage',
      '--output',
      'json',
      file,
    );
    const { decision } = JSON.parse(explained.stdout) as { decision: { closest: unknown } };
    assert.deepEqual(decision.closest, shown.closest);
  });

  const recipes = readdirSync(join(root, 'examples', 'ten')).filter((name) => name.endsWith('.yaml'));
  for (const [index, name] of recipes.toSorted().entries()) {
    it(`has examples/ten/${name} as it is`, () => {
      const heading = new RegExp(`\n(### ${index + 1}[.] [^\n]+)\n`).exec(page)?.[1] ?? '';
      const [shown = ''] = blocksOf(heading);
      const file = readFileSync(join(root, 'examples', 'ten', name), 'utf8');
      assert.deepEqual(objectsOf(shown), objectsOf(file));
    });
    it(`has vectors for examples/ten/${name} as it is`, () => {
      const vectors = parse(
        readFileSync(join(root, 'test', 'policy', 'vectors', 'recipes', name), 'utf8'),
      ) as {
        resources: unknown[];
        cases: unknown[];
      };
      for (const resource of objectsOf(readFileSync(join(root, 'examples', 'ten', name), 'utf8'))) {
        assert.ok(
          vectors.resources.some((each) => isEqual(each, resource)),
          JSON.stringify(resource),
        );
      }
      assert.ok(vectors.cases.length >= 10);
    });
  }

  it('lists every variable of when', () => {
    const rows = blockOfTable('| variable ');
    for (const [name, members] of Object.entries(variables)) {
      for (const member of Object.keys(members)) {
        const isThere = rows.includes(`${name}.${member}\``) || rows.includes(`\`.${member}\``);
        assert.ok(isThere, `${name}.${member}`);
      }
    }
    assert.ok(rows.includes('`now`'));
  });

  it('lists every operation of github as decision 7 does', () => {
    const decision = readFileSync(join(root, 'docs', 'decisions', '0007-github-form.md'), 'utf8');
    assert.equal(blockOfTable('| operation '), blockOfTable('| operation ', decision));
  });

  it('lists every key of a matcher, and no other', () => {
    const rows = [...blockOfTable('| key ').matchAll(/^\| ((?:`\w+`(?:, )?)+)/gm)];
    const listed = rows.flatMap(([, keys = '']) => keys.replaceAll('`', '').split(', '));
    const matcher = rule.query?.properties?.fields?.additionalProperties?.properties ?? {};
    assert.deepEqual(listed.toSorted(), Object.keys(matcher).toSorted());
  });

  it('speaks of every field of a rule', () => {
    for (const field of Object.keys(rule)) {
      if (field !== 'name' && field !== 'action') assert.match(page, new RegExp(`\`${field}\\b`), field);
    }
  });

  it('links only to what is there', () => {
    const anchors = new Set(
      [...page.matchAll(/^#+ (.+)$/gm)].map(([, title = '']) =>
        title
          .toLowerCase()
          .replaceAll(/[^a-z0-9 -]/g, '')
          .replaceAll(' ', '-'),
      ),
    );
    for (const [, link = ''] of page.matchAll(/\]\(([^)]+)\)/g)) {
      if (link.startsWith('#')) assert.ok(anchors.has(link.slice(1)), link);
      else assert.ok(existsSync(join(root, dirname('docs/policy.md'), link.split('#')[0] ?? '')), link);
    }
  });
});

function blockOfTable(start: string, text = page): string {
  const from = text.indexOf(`\n${start}`);
  assert.ok(from >= 0, `there is no table “${start}”`);
  return text.slice(from + 1, text.indexOf('\n\n', from));
}

function isEqual(a: unknown, b: unknown): boolean {
  try {
    assert.deepEqual(a, b);
    return true;
  } catch {
    return false;
  }
}
