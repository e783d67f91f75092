import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { it } from 'node:test';
import { generatedFiles } from '../scripts/generate.ts';

for (const [path, content] of generatedFiles()) {
  it(`${path} is what npm run generate writes`, () => {
    assert.equal(readFileSync(new URL(`../${path}`, import.meta.url), 'utf8'), content);
  });
}
