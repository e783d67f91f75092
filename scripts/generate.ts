// Writes what is generated from policy/resources: crds/*.yaml, the chart's copies of them and docs/reference/. A test
// fails when the files differ from what this writes. Run: npm run generate

import { mkdirSync, writeFileSync } from 'node:fs';
import { stringify } from 'yaml';
import { crdOf } from '../policy/crd.ts';
import { kinds } from '../policy/resources/kinds.ts';
import { referencePages } from './reference.ts';

const root = new URL('..', import.meta.url);

/** Path, relative to the project's root, to content. */
export function generatedFiles(): Map<string, string> {
  const files = referencePages(root);
  for (const kind of Object.values(kinds)) {
    const crd = crdOf(kind);
    const name = `${kind.plural}.yaml`;
    files.set(`crds/${name}`, render(crd));
    // Helm deletes what it installed; a CRD takes every object of its kind with it.
    const kept = { ...(crd.metadata as object), annotations: { 'helm.sh/resource-policy': 'keep' } };
    files.set(`charts/outrider/templates/crds/${name}`, render({ ...crd, metadata: kept }));
  }
  return files;
}

function render(document: object): string {
  return `# Generated from policy/resources by npm run generate.\n${stringify(document, { lineWidth: 0, aliasDuplicateObjects: false })}`;
}

if (import.meta.main) {
  for (const [path, content] of generatedFiles()) {
    const file = new URL(path, root);
    mkdirSync(new URL('.', file), { recursive: true });
    writeFileSync(file, content);
  }
}
