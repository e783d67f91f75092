// docs/admission.md says what admission refuses; the chart says what it really is.

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { parseAllDocuments } from 'yaml';
import { chartPath, createHelm } from '../support/helm.ts';

interface Policy {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly validations: readonly { readonly message?: string; readonly messageExpression?: string }[];
  };
}

const folder = mkdtempSync(join(tmpdir(), 'outrider-helm-'));
const page = readFileSync(join(import.meta.dirname, '../../docs/admission.md'), 'utf8').replaceAll(
  /\s+/g,
  ' ',
);
let policies: readonly Policy[] = [];

before(async () => {
  const helm = await createHelm(folder);
  const text = await helm(['template', 'outrider', chartPath, '--namespace', 'outrider-system']);
  policies = parseAllDocuments(text)
    .flatMap((document) => (document.toJS() as Policy | null) ?? [])
    .filter(({ kind }) => kind === 'ValidatingAdmissionPolicy');
});
after(() => rmSync(folder, { recursive: true, force: true }));

test('docs/admission.md names every policy of the chart', () => {
  assert.ok(policies.length > 10);
  const named = (name: string): boolean =>
    page.includes(name) ||
    (name.startsWith('outrider-agent-rights-') && page.includes(`\`${name.split('-')[3]}\``));
  assert.deepEqual(
    policies.map(({ metadata }) => metadata.name).filter((name) => !named(name)),
    [],
  );
});

test('docs/admission.md says what every field of an agent’s pod must be', () => {
  const clauses = policies
    .filter(({ metadata }) => /^outrider-agent-(?:pod|containers|volumes|changes)$/.test(metadata.name))
    .flatMap(({ spec }) => spec.validations)
    .map(({ message, messageExpression }) =>
      / (?:must|may) ([^:;,("]+)/.exec(message ?? messageExpression ?? '')?.[1]?.trim(),
    );
  assert.ok(clauses.length > 40);
  assert.deepEqual(
    clauses.filter((clause) => clause === undefined || !page.includes(clause)),
    [],
  );
});
