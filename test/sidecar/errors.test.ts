import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { asSidecarError, errorCatalogue, SidecarError } from '../../sidecar/errors.ts';

const page = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8');

test('docs/errors.md lists every code with its sentence, in the order of the catalogue', () => {
  const rows = [...page.matchAll(/^\| `([A-Z_]+)` +\| (yes|no) +\| (.+?) +\|$/gm)];
  assert.deepEqual(
    rows.map(([, code, retryable, message]) => ({ code, retryable, message })),
    Object.entries(errorCatalogue).map(([code, { retryable, message }]) => ({
      code,
      retryable: retryable ? 'yes' : 'no',
      message,
    })),
  );
});

test('every sentence is one, and every code is in capitals', () => {
  for (const [code, { message }] of Object.entries(errorCatalogue)) {
    assert.match(code, /^[A-Z]+(?:_[A-Z]+)+$/);
    assert.match(message, /^[A-Z].*\.$/);
  }
});

test('S-13: a failure of a library is reduced to a code', () => {
  const thrown = Object.assign(new Error('canary in https://vault/?token=canary'), {
    config: { token: 'canary' },
  });
  const error = asSidecarError(thrown);
  assert.equal(error.code, 'SIDECAR_FAILED');
  assert.doesNotMatch(inspect(error, { depth: null, showHidden: true }), /canary/);
});

test('a failure says its sentence, then what is special', () => {
  const error = new SidecarError('VAULT_SEALED', { field: 'spec.vault.address', detail: 'Since noon.' });
  assert.equal(error.message, 'Vault is sealed; unseal it. Since noon.');
  assert.equal(error.field, 'spec.vault.address');
  assert.equal(error.retryable, true);
});
