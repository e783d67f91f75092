import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import fc from 'fast-check';
import { Document, parseAllDocuments, stringify, visit } from 'yaml';
import { elsewhereOtherwise } from '../../cli/source-files.ts';
import { formatYaml } from '../../cli/yaml-format.ts';
import { allGood } from '../policy/resources/examples/table.ts';
import { createCommandLine, root } from './command-line.ts';

const { outrider, directory, folder, remove } = createCommandLine();
after(remove);

const untidy = `# License

kind: AgentPolicy   # a policy
spec:
  rules:
    # about refunds
    - action: 'Allow'
      name: "refund"

      # where
      hosts: ["api.stripe.com", 'api2.stripe.com']   # two
      body: { fields: {/amount: {max: 100, min: 1}, "/live": {equals: 'yes', type: String}}, types: [Form], maxBytes: "64Ki"}
      during: {windows: [{to: "18:00", from: "08:00"}], timeZone: 'Europe/Berlin'}
      message: 'Say "please": politely'


  # for all
  agents: {}
apiVersion: outrider.dev/v1alpha1
metadata: {namespace: support, name: 'refunds', labels: {z: "1", a: "true", until: "2026-12-31", none: ""}}
# the end
`;

const tidy = `# License

apiVersion: outrider.dev/v1alpha1
kind: AgentPolicy # a policy
metadata: { name: refunds, namespace: support, labels: { z: "1", a: "true", until: "2026-12-31", none: "" } }
spec:
  # for all
  agents: {}

  rules:
    # about refunds
    - name: refund
      action: Allow
      message: 'Say "please": politely'

      # where
      hosts: [api.stripe.com, api2.stripe.com] # two
      body:
        types: [Form]
        maxBytes: 64Ki
        fields: { /amount: { min: 1, max: 100 }, /live: { type: String, equals: "yes" } }
      during: { timeZone: Europe/Berlin, windows: [{ from: "08:00", to: "18:00" }] }

# the end
`;

describe('outrider fmt refuses', () => {
  const cases: Record<string, [args: () => string[], message: RegExp]> = {
    'to run without a directory': [() => [], /the directory is missing/],
    'a directory that does not exist': [() => ['nowhere'], /nowhere does not exist/],
    'a directory without YAML': [() => [directory({ 'a.txt': '' })], /holds no \.yaml/],
    'what is no YAML, naming the file': [() => [directory({ 'a.yaml': 'a: [' })], /a\.yaml: /],
    'what kubectl reads in another way': [
      () => [directory({ 'a.yaml': 'apiVersion: outrider.dev/v1alpha1\nkind: X\nspec: { equals: yes }\n' })],
      /a\.yaml: yes without quotes is read in two ways/,
    ],
    'an option that does not exist': [() => ['--fast', '.'], /--fast/],
  };
  for (const [what, [args, message]] of Object.entries(cases)) {
    it(what, async () => {
      const { code, stderr } = await outrider('fmt', ...args());
      assert.equal(code, 2);
      assert.match(stderr, message);
    });
  }
});

describe('outrider fmt', () => {
  const files = { 'a.yaml': untidy, 'b.yaml': tidy, 'c.yaml': 'kind:   Other\napiVersion: v1\n' };

  it('--check names what is not canonical, and changes nothing', async () => {
    const name = directory(files);
    const { code, stdout } = await outrider('fmt', '--check', name);
    assert.equal(code, 1);
    assert.equal(stdout, `${name}/a.yaml is not in its canonical form\nrun outrider fmt ${name}\n`);
    assert.equal(readFileSync(join(folder, name, 'a.yaml'), 'utf8'), untidy);
  });

  it('orders keys, keeps comments, quotes only where it must, and leaves other groups alone', async () => {
    const name = directory(files);
    const { code, stdout } = await outrider('fmt', name);
    assert.equal(code, 0);
    assert.equal(stdout, `${name}/a.yaml\n`);
    assert.equal(readFileSync(join(folder, name, 'a.yaml'), 'utf8'), tidy);
    assert.equal(readFileSync(join(folder, name, 'c.yaml'), 'utf8'), files['c.yaml']);
    assert.equal((await outrider('fmt', '--check', name)).code, 0);
  });
});

describe('the canonical form', () => {
  it('orders the keys of a credential, and leaves names that are its author’s where they are', () => {
    const written = `apiVersion: outrider.dev/v1alpha1
kind: AgentCredential
metadata: { name: c }
spec:
  inject: { hmac: { headers: { x-sign: "{signature}", x-a: b }, query: [{ value: "{signature}", name: s }], canonical: "{body}" } }
  source: { awsSecretsManager: { field: f, secretId: a, store: s } }
  allow: [{ inject: { header: { prefix: "Token ", name: x-key } }, hosts: [a.example] }]
`;
    const text = formatYaml(written);
    const keys = [...text.matchAll(/([a-zA-Z0-9-]+):(?= |$)/gm)].map(([, key]) => key).slice(5);
    assert.deepEqual(
      keys.join(' '),
      'source awsSecretsManager store secretId field allow hosts inject header name prefix inject hmac canonical headers x-sign x-a query name value',
    );
  });

  it('keeps quotes around what kubectl reads as something else than a string', () => {
    const values = [
      'yes',
      'no',
      'on',
      'off',
      'y',
      'n',
      '08:00',
      '010',
      '0x1f',
      '1_000',
      '1e3',
      'null',
      '~',
      '',
    ];
    const quoted = values.map((value) => `'${value}'`).join(', ');
    const text = `apiVersion: outrider.dev/v1alpha1\nkind: X\nspec: { values: [${quoted}] }\n`;
    for (const value of values) assert.ok(formatYaml(text).includes(`"${value}"`), value);
  });

  it('keeps integers that a double does not hold', () => {
    const text = 'apiVersion: outrider.dev/v1alpha1\nkind: X\nspec: { max: 9007199254740993 }\n';
    assert.equal(formatYaml(text), text);
  });

  it('keeps the order of keys in a JSON body, which is what would be sent', () => {
    const text =
      'apiVersion: outrider.dev/v1alpha1\nkind: PolicyTest\nspec:\n  cases:\n    - name: a\n      request: { url: u, json: { url: 1, method: 2, labels: 3 } }\n';
    assert.equal(formatYaml(text), text);
  });

  it('moves nothing where an alias needs its anchor before it', () => {
    const text =
      'kind: X\napiVersion: outrider.dev/v1alpha1\nspec: { rules: [{ hosts: &h [a.example], name: b }, { hosts: *h }] }\n';
    assert.equal(formatYaml(text), text);
  });

  it('is a fixed point for every good example, and means the same', () => {
    for (const [title, resource] of Object.entries(allGood)) {
      const text = stringify(resource);
      const formatted = formatYaml(text);
      assert.deepEqual(parse(formatted), parse(text), title);
      assert.equal(formatYaml(formatted), formatted, title);
    }
  });

  it('is what the example of a repository is written in', async () => {
    const { code, stdout } = await outrider('fmt', '--check', join(root, 'examples', 'gitops'));
    assert.equal(code, 0, stdout);
  });

  it('means the same, keeps every comment and is idempotent, for generated policies (1,000)', () => {
    fc.assert(
      fc.property(object, fc.infiniteStream(fc.nat(9)), (value, choices) => {
        const text = scribble(value, choices);
        const formatted = formatOrShow(text);
        assert.deepEqual(parse(formatted), parse(text));
        assert.deepEqual(commentsOf(formatted), commentsOf(text));
        assert.equal(formatYaml(formatted), formatted);
      }),
      { numRuns: 1000 },
    );
  });
});

function formatOrShow(text: string): string {
  try {
    return formatYaml(text);
  } catch (error) {
    throw new Error(`cannot format:\n${text}`, { cause: error });
  }
}

function parse(text: string): unknown[] {
  return parseAllDocuments(text).map((document) => document.toJS() as unknown);
}

function commentsOf(text: string): string[] {
  return [...text.matchAll(/# c\d+/g)].map(([comment]) => comment).toSorted();
}

const word = fc.oneof(
  fc.constantFrom(
    'yes',
    'null',
    '*',
    '&a',
    '- a',
    'a: b',
    '# a',
    '',
    ' ',
    '%',
    '@',
    '`',
    '!x',
    '|',
    '>',
    '1',
    '0x1',
    '08:00',
  ),
  fc.string({ maxLength: 12 }),
  fc.string({ unit: 'grapheme', maxLength: 60 }),
  fc.stringMatching(/^[a-z\n "'#:]{0,30}$/),
);
// YAML has a -0 that no API server keeps.
const leaf = fc.oneof(
  word,
  fc.integer(),
  fc.boolean(),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => (number === 0 ? 0 : number)),
);
const key = fc.oneof(
  fc.constantFrom(
    'name',
    'action',
    'hosts',
    'rules',
    'fields',
    'body',
    'optional',
    'equals',
    'agents',
    'when',
  ),
  fc.string({ minLength: 1, maxLength: 8 }).filter((text) => text !== '__proto__' && text !== '<<'),
);
const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
  tree: fc.oneof(
    { depthSize: 'small' },
    leaf,
    fc.array(tie('tree'), { maxLength: 4 }),
    fc.dictionary(key, tie('tree'), { maxKeys: 5 }),
  ),
}));
const object = fc
  .tuple(
    fc.constantFrom('AgentPolicy', 'PolicyTest', 'AgentCredential'),
    fc.dictionary(key, tree, { maxKeys: 5 }),
  )
  .map(([kind, spec]) => ({ spec, kind, metadata: { name: 'x' }, apiVersion: 'outrider.dev/v1alpha1' }));

/** The same as an untidy author writes it: any style for each node, comments and blank lines anywhere. */
function scribble(value: object, choices: Iterator<number>): string {
  const next = (): number => choices.next().value as number;
  const document = new Document(value);
  let comments = 0;
  const comment = (): string => ` c${(comments += 1)}`;
  visit(document, {
    Scalar: (position, scalar) => {
      if (typeof scalar.value === 'string' && elsewhereOtherwise.test(scalar.value)) {
        scalar.type = 'QUOTE_DOUBLE';
      } else if (typeof scalar.value === 'string') {
        const styles = ['PLAIN', 'QUOTE_DOUBLE', 'QUOTE_SINGLE', 'BLOCK_LITERAL', 'BLOCK_FOLDED'] as const;
        const style = styles[next() % 5];
        if (style !== undefined && (position !== 'key' || !style.startsWith('BLOCK'))) scalar.type = style;
      }
      if (next() === 0 && position !== 'key') scalar.comment = comment();
      if (next() === 0) scalar.commentBefore = comment();
      if (next() === 0) scalar.spaceBefore = true;
    },
    Collection: (_, collection) => {
      if (next() < 3) collection.flow = true;
      if (next() === 0) collection.commentBefore = comment();
    },
  });
  const text = document.toString({ lineWidth: [0, 40, 80][next() % 3] ?? 0 });
  // The library does not write every such document so that it reads it back; only what it does is a file.
  const [read] = parseAllDocuments(text);
  const isFaithful = read !== undefined && 'errors' in read && read.errors.length === 0;
  return isFaithful && text.split('# c').length - 1 === comments
    ? text
    : stringify(value, { defaultStringType: 'QUOTE_DOUBLE' });
}
