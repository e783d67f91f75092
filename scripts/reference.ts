// One page of reference per kind, written from the same schema as its CRD, in the schema's order.

import { readFileSync } from 'node:fs';
import { parseAllDocuments } from 'yaml';
import { apiVersion } from '../policy/contract.ts';
import { crdOf } from '../policy/crd.ts';
import { kinds, type Kind, type KindName } from '../policy/resources/kinds.ts';

/** What structural schemas are made of, as far as a reader wants to know it. */
interface Schema {
  readonly type?: string;
  readonly format?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly maxItems?: number;
  readonly maxProperties?: number;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly additionalProperties?: Schema;
  readonly 'x-kubernetes-validations'?: readonly { readonly message: string }[];
}

/** Where each kind's example is taken from: the first document of that kind. */
const examples: Readonly<Record<KindName, string>> = {
  AgentPolicy: 'examples/ten/03-refunds.yaml',
  AgentCredential: 'examples/first-policy/credential.yaml',
  ClusterAgentPolicy: 'examples/ten/10-floor.yaml',
  AgentSecretStore: 'examples/secret-store.yaml',
  AgentDestination: 'examples/ten/09-wiki.yaml',
};

const origin = '<!-- Generated from policy/resources by npm run generate. -->';

/** Path, relative to the project's root, to content. */
export function referencePages(root: URL): Map<string, string> {
  const pages = new Map<string, string>();
  for (const name of Object.keys(kinds) as KindName[]) {
    pages.set(`docs/reference/${pageName(name)}`, page(kinds[name], exampleOf(name, root)));
  }
  pages.set('docs/reference/README.md', index());
  return pages;
}

function index(): string {
  const rows = Object.values(kinds).map(
    ({ kind, scope, shortName, description }) =>
      `- [${kind}](${pageName(kind)}) (${scopeOf(scope)}, \`${shortName}\`): ${prose(description)}`,
  );
  return `${origin}

# Reference

The resources of \`${apiVersion}\`: every field with its type, default and bounds, and the sentence that the API server, \`outrider lint\` and \`outrider test\` refuse a mistake with.

${rows.join('\n')}

[policy.md](../policy.md) teaches how to write policies, and [credentials](../credentials/README.md) what to write for the secret that you have.

What holds for all of them:

- The API server stores no object above 1.5 MiB, whatever the bounds of its lists; larger sets are several objects.
- Unknown fields are refused by \`kubectl apply\`, which validates strictly unless it is told otherwise.
- A field without a value, such as \`hosts:\` alone, is absent. An empty list is refused.
- With server-side apply, rules have one owner each by their name, and so has everything that is exactly one of several keys: a second owner who writes something else gets a conflict.

\`kubectl explain agentpolicy.spec.rules\` shows the same in the terminal.
`;
}

function page(kind: Kind, example: string): string {
  const { spec } = crdOf(kind) as { spec: { versions: readonly [{ schema: { openAPIV3Schema: Schema } }] } };
  const { properties = {} } = spec.versions[0].schema.openAPIV3Schema;
  const sections = [
    ...sectionsOf('spec', properties.spec ?? {}),
    ...sectionsOf('status', properties.status ?? {}),
  ];
  return `${origin}

# ${kind.kind}

${prose(kind.description)}

\`apiVersion: ${apiVersion}\`, ${scopeOf(kind.scope)}, \`kubectl get ${kind.shortName}\`.

\`\`\`yaml
${example.trim()}
\`\`\`

${sections.join('\n\n')}
`;
}

/** A section for the object and one for each object below it; those that look alike share one. */
function sectionsOf(path: string, schema: Schema, known = new Map<string, string>()): string[] {
  const looks = JSON.stringify([schema.properties, schema['x-kubernetes-validations']]);
  known.set(looks, path);
  const lines = refusals(schema, '');
  const below: string[] = [];
  for (const [name, field] of Object.entries(schema.properties ?? {})) {
    const isRequired = schema.required?.includes(name) === true;
    lines.push(`- **${name}** (${typeOf(field, isRequired)}): ${prose(field.description ?? '')}`);
    const { inner, suffix } = innermost(field);
    const innerPath = `${path}.${name}${suffix}`;
    const isObject = inner.properties !== undefined && Object.keys(inner.properties).length > 0;
    for (const each of field === inner && isObject ? [] : refusalsOf(field)) lines.push(`  - ${each}`);
    if (!isObject) continue;
    const same = known.get(JSON.stringify([inner.properties, inner['x-kubernetes-validations']]));
    if (same === undefined) {
      lines.push(`  - Its fields: [${innerPath}](#${anchor(innerPath)}).`);
      below.push(...sectionsOf(innerPath, inner, known));
    } else lines.push(`  - Its fields are those of [${same}](#${anchor(same)}).`);
  }
  return [`## ${prose(path)}\n\n${lines.join('\n')}`, ...below];
}

/** What a list or a map is made of, and how a path says so. */
function innermost(field: Schema): { inner: Schema; suffix: string } {
  if (field.items !== undefined) return { inner: field.items, suffix: '[]' };
  if (field.additionalProperties !== undefined) return { inner: field.additionalProperties, suffix: '{}' };
  return { inner: field, suffix: '' };
}

/** What the API server says of the field, and of its elements when they are no objects of their own. */
function refusalsOf(field: Schema): string[] {
  const { inner } = innermost(field);
  const ofElements = inner === field || inner.properties !== undefined ? [] : refusals(inner, '');
  return [...refusals(field, ''), ...ofElements].map((line) => line.replace(/^- /, ''));
}

function refusals({ 'x-kubernetes-validations': validations = [] }: Schema, indent: string): string[] {
  return validations.map(({ message }) => `${indent}- Refused with: “${prose(message)}”`);
}

function typeOf(field: Schema, isRequired: boolean): string {
  const parts = [isRequired ? `required ${shapeOf(field)}` : shapeOf(field)];
  if (field.default !== undefined)
    parts.push(`default \`${JSON.stringify(field.default).replaceAll('"', '')}\``);
  return parts.join('; ');
}

function shapeOf(field: Schema): string {
  if (field.items !== undefined) {
    const most = field.maxItems === undefined ? '' : `, at most ${field.maxItems}`;
    return `list of ${pluralOf(shapeOf(field.items))}${most}`;
  }
  if (field.additionalProperties !== undefined) {
    const most = field.maxProperties === undefined ? '' : `, at most ${field.maxProperties}`;
    return `map of ${pluralOf(shapeOf(field.additionalProperties))}${most}`;
  }
  if (field.enum !== undefined) {
    return field.enum.map((value) => `\`${String(value)}\``).join(' or ');
  }
  if (field.type === 'string') return field.format ?? `string${boundsOf(field.maxLength)}`;
  if (field.type === 'integer') return `integer${rangeOf(field)}`;
  return field.type ?? 'anything';
}

/** Of a shape that starts with its noun; one of several values stays as it is. */
function pluralOf(shape: string): string {
  return shape.replace(/^[a-z]+/, '$&s');
}

function boundsOf(maxLength: number | undefined): string {
  return maxLength === undefined ? '' : ` of at most ${maxLength} characters`;
}

/** The range of safe integers is no news. */
function rangeOf({ minimum, maximum }: Schema): string {
  const from = minimum === Number.MIN_SAFE_INTEGER ? undefined : minimum;
  const to = maximum === Number.MAX_SAFE_INTEGER ? undefined : maximum;
  if (from === undefined) return to === undefined ? '' : ` up to ${to}`;
  return to === undefined ? ` from ${from}` : ` from ${from} to ${to}`;
}

function exampleOf(name: KindName, root: URL): string {
  const text = readFileSync(new URL(examples[name], root), 'utf8');
  const document = parseAllDocuments(text).find((candidate) => candidate.get('kind') === name);
  if (document === undefined) throw new Error(`${examples[name]} has no ${name}`);
  const [start, , end] = document.contents?.range ?? [0, 0, text.length];
  return text.slice(start, end);
}

function pageName(kind: string): string {
  return `${kind.replaceAll(/(?<!^)[A-Z]/g, '-$&').toLowerCase()}.md`;
}

function scopeOf(scope: Kind['scope']): string {
  return scope === 'Cluster' ? 'of the cluster' : 'of a namespace';
}

/** The anchor that GitHub gives a heading. */
function anchor(path: string): string {
  return path.toLowerCase().replaceAll(/[^a-z0-9 _-]/g, '');
}

/** Text in which nothing is markup. */
function prose(text: string): string {
  return text.replaceAll(/[\\*<]/g, '\\$&').replaceAll(/(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])/g, '\\_');
}
