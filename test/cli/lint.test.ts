import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { clusterPolicy, credential, policy } from '../policy/resources/examples.ts';
import { allBad, allGood } from '../policy/resources/examples/table.ts';
import { createCommandLine } from './command-line.ts';

const { outrider, directory, folder, remove } = createCommandLine();
after(remove);

interface Finding {
  readonly file: string;
  readonly line: number;
  readonly object: string | null;
  readonly field: string;
  readonly reason: string;
  readonly severity: string;
  readonly blocking: boolean;
  readonly message: string;
}

async function findings(...args: string[]): Promise<Finding[]> {
  const { stdout, stderr } = await outrider('lint', '--format', 'json', ...args);
  assert.equal(stderr, '');
  return (JSON.parse(stdout) as { findings: Finding[] }).findings;
}

const rule = { name: 'r', action: 'Allow', hosts: ['api.example.com'] };

describe('outrider lint refuses', () => {
  const cases: Record<string, [args: string[], message: RegExp]> = {
    'to run without a directory': [[], /the directory is missing\n\nUsage: outrider lint/],
    'a format that does not exist': [
      ['--format', 'xml', '.'],
      /--format xml: write one of readable, json, github/,
    ],
    'a directory that does not exist': [['nowhere'], /nowhere does not exist/],
  };
  for (const [what, [args, message]] of Object.entries(cases)) {
    it(what, async () => {
      const { code, stderr } = await outrider('lint', ...args);
      assert.equal(code, 2);
      assert.match(stderr, message);
    });
  }
});

describe('outrider lint finds', () => {
  it('everything that the API server refuses, at its field, and says what is allowed', async () => {
    const titles = Object.keys(allBad);
    const files = Object.fromEntries(
      titles.map((title, index) => [`${index}.yaml`, allBad[title]?.resource]),
    );
    const found = await findings(directory(files));
    for (const [index, title] of titles.entries()) {
      const { field, allowed } = allBad[title] ?? assert.fail();
      const here = found.filter(({ file, blocking }) => file.endsWith(`/${index}.yaml`) && blocking);
      assert.ok(here.length > 0, `${title}: is not found`);
      assert.ok(
        here.some((each) => each.field.startsWith(field) && allowed.test(each.message)),
        `${title}: ${field} ${allowed.source}\n${JSON.stringify(here, null, 2)}`,
      );
    }
  });

  it('nothing that blocks in what the API server accepts', async () => {
    const files = Object.entries(allGood).map(([title, resource], index) => {
      const name = `g${index}`;
      const metadata = { ...(resource.metadata as object), name };
      return [`${index}.yaml`, { ...resource, metadata }, title] as const;
    });
    const found = await findings(directory(Object.fromEntries(files)));
    const refused = found.filter(({ blocking, reason }) => blocking && reason === 'Invalid');
    assert.deepEqual(refused, []);
  });

  const cases: Record<string, [files: Record<string, unknown>, expected: Partial<Finding>]> = {
    'a credential that does not exist': [
      { 'p.yaml': policy({ agents: {}, rules: [{ ...rule, credential: 'gone' }] }) },
      {
        object: 'AgentPolicy default/p',
        field: 'spec.rules[0].credential',
        reason: 'CredentialNotFound',
        severity: 'warning',
      },
    ],
    'a rule outside of its credential’s ceiling': [
      {
        'p.yaml': policy({ agents: {}, rules: [{ ...rule, credential: 'c' }] }),
        'c.yaml': credential({ allow: [{ hosts: ['other.example.com'] }] }),
      },
      { field: 'spec.rules[0].credential', reason: 'OutsideCeiling' },
    ],
    'a condition on requests at a place whose bytes nobody reads': [
      {
        'p.yaml': policy({
          agents: {},
          rules: [{ name: 'db', action: 'Allow', destination: 'db', query: { others: 'Deny' } }],
        }),
        'd.yaml': {
          apiVersion: 'outrider.dev/v1alpha1',
          kind: 'AgentDestination',
          metadata: { name: 'db' },
          spec: {
            namespaceSelector: {},
            host: { name: 'db.corp.example', port: 5432, scheme: 'tcp', cidrs: ['10.0.0.0/8'] },
          },
        },
      },
      { field: 'spec.rules[0].query', reason: 'NeverMatches', severity: 'warning' },
    ],
    'a store that does not exist, which blocks': [
      {
        'c.yaml': credential({ source: { vault: { role: 'r', kv: { mount: 's', path: 'p', field: 'f' } } } }),
      },
      { field: 'spec.source.vault.store', reason: 'StoreNotFound', severity: 'error', blocking: true },
    ],
    'a part that the secret does not have, which blocks': [
      { 'c.yaml': credential({ inject: { basic: {} } }) },
      { field: 'spec.inject.basic', reason: 'PartMissing', severity: 'error', blocking: true },
    ],
    'a file that a cluster would want a volume for, as a notice': [
      { 'c.yaml': credential({}) },
      { field: 'spec.source.file.volume', reason: 'Advice', severity: 'notice', blocking: false },
    ],
    'a time zone that does not exist': [
      {
        'p.yaml': policy({
          agents: {},
          rules: [
            { ...rule, during: { timeZone: 'Europe/Nowhere', windows: [{ from: '08:00', to: '18:00' }] } },
          ],
        }),
      },
      { reason: 'NeverMatches', severity: 'warning' },
    ],
    'CEL that does not compile': [
      { 'p.yaml': policy({ agents: {}, rules: [{ ...rule, when: 'request.nope(' }] }) },
      { field: 'spec.rules[0].when', reason: 'NeverMatches' },
    ],
    'a grant that a Deny leaves nothing of': [
      {
        'p.yaml': policy({ agents: {}, rules: [rule] }),
        'f.yaml': clusterPolicy({
          agents: {},
          rules: [{ name: 'stop', action: 'Deny', hosts: ['**.example.com'] }],
        }),
      },
      { object: 'AgentPolicy default/p', field: 'spec.rules[0]', reason: 'Shadowed' },
    ],
    'YAML that cannot be read, which blocks': [
      { 'p.yaml': 'a: [\n' },
      { object: null, reason: 'Invalid', severity: 'error', blocking: true },
    ],
    'a PolicyTest that cannot be run, which blocks': [
      {
        'p.yaml': {
          apiVersion: 'outrider.dev/v1alpha1',
          kind: 'PolicyTest',
          metadata: { name: 't' },
          spec: {},
        },
      },
      { object: 'PolicyTest', field: 'spec.cases', blocking: true },
    ],
  };
  for (const [what, [files, expected]] of Object.entries(cases)) {
    it(what, async () => {
      const found = await findings(directory(files));
      const isExpected = (each: Finding): boolean =>
        Object.entries(expected).every(([key, value]) => each[key as keyof Finding] === value);
      assert.ok(found.some(isExpected), JSON.stringify(found, null, 2));
    });
  }
});

describe('outrider lint', () => {
  const text = `apiVersion: outrider.dev/v1alpha1
kind: AgentPolicy
metadata: { name: p }
spec:
  agents: {}
  rules:
    # about the rule
    - name: r
      action: Allow
      hosts:
        - api.example.com
      headers:
        fields:
          x.y: { min: 3, max: 2 }
      credential: gone
`;

  it('names the line and column of the field, also of names with dots', async () => {
    const name = directory({ 'p.yaml': text });
    const { code, stdout } = await outrider('lint', name);
    assert.equal(
      stdout,
      `${name}/p.yaml:14:11: error: Invalid: AgentPolicy: spec.rules[0].headers.fields[x.y] has a min above its max: nothing is accepted\n1 findings, 1 block\n`,
    );
    assert.equal(code, 1);
    const [finding] = await findings(directory({ 'p.yaml': text.replace('min: 3', 'min: 1') }));
    assert.deepEqual([finding?.line, finding?.field], [15, 'spec.rules[0].credential']);
  });

  it('passes with findings that do not block, unless --strict', async () => {
    const name = directory({ 'p.yaml': text.replace('min: 3', 'min: 1') });
    assert.equal((await outrider('lint', name)).code, 0);
    assert.equal((await outrider('lint', '--strict', name)).code, 1);
  });

  it('knows what --with adds, and says nothing about that', async () => {
    const floors = directory({
      'c.yaml': credential(
        { source: { vault: { role: 'r', kv: { mount: 's', path: 'p', field: 'f' } } } },
        'gone',
      ),
    });
    const name = directory({ 'p.yaml': text.replace('min: 3', 'min: 1') });
    const { code, stdout } = await outrider('lint', '--strict', name, '--with', floors);
    assert.equal(stdout, 'no findings\n');
    assert.equal(code, 0);
  });

  it('annotates a pull request, and nothing in a message ends the annotation', async () => {
    const name = directory({ 'a,b.yaml': text });
    const { stdout } = await outrider('lint', '--format', 'github', name);
    assert.equal(
      stdout,
      `::error file=${name}/a%2Cb.yaml,line=14,col=11,title=outrider Invalid::Invalid: AgentPolicy: spec.rules[0].headers.fields[x.y] has a min above its max: nothing is accepted\n`,
    );
  });

  it('leaves files of other groups, kustomizations and hidden folders alone', async () => {
    const name = directory({
      'p.yaml': text.replace('min: 3', 'min: 1').replace('      credential: gone\n', ''),
      'kustomization.yaml': 'resources: [p.yaml]\n',
      '.github/workflows/a.yaml': 'on: push\n',
      'node_modules/x/a.yaml': 'a: 1\n',
      'secrets/token.json': '{}',
      'other.yaml': 'apiVersion: apps/v1\nkind: Deployment\nspec: { paused: yes }\n',
    });
    const { code, stdout } = await outrider('lint', name);
    assert.equal(stdout, 'no findings\n');
    assert.equal(code, 0);
    assert.ok(readFileSync(join(folder, name, 'other.yaml'), 'utf8').includes('yes'));
  });
});
