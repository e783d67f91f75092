// docs/capture.md says what to do about each code that the init container of capture can end with.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { syntheticRanges } from '../../policy/capture-plan.ts';
import { trustFiles } from '../../policy/contract.ts';
import { captureErrors } from '../../sidecar/capture/errors.ts';

const read = (path: string): string => readFileSync(join(import.meta.dirname, '../..', path), 'utf8');
const page = read('docs/capture.md');

test('docs/capture.md has a row for each code of capture, and for no other', () => {
  const named = [...page.matchAll(/^\| `(CAPTURE_\w+)`/gm)].map(([, code = '']) => code);
  assert.deepEqual(named.toSorted(), Object.keys(captureErrors).toSorted());
});

test('it names the file of certificates that agents have', () => {
  assert.match(page, new RegExp(`/var/run/outrider/trust/${trustFiles.bundle}`));
});

test('what it leaves to docs/dns.md is there', () => {
  const dns = read('docs/dns.md');
  for (const range of Object.values(syntheticRanges)) assert.ok(dns.includes(range), range);
});
