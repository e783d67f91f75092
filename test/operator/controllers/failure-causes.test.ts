import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { causeOfCode } from '../../../operator/controllers/failure-causes.ts';
import { errorCatalogue } from '../../../sidecar/errors.ts';

/** The sidecar's own troubles; a credential can fail with all others. */
const ownTrouble =
  /^(?:CONFIG|ENVIRONMENT|PORT|STATE|COUNTERS|KEYS|TRUST|SIDECAR|OPERATOR|STREAM|RULESET|DECISIONS|SPANS|CAPTURE)_/;

describe('what a sidecar’s code means on an AgentCredential', () => {
  for (const code of Object.keys(errorCatalogue).filter((name) => !ownTrouble.test(name))) {
    it(`${code} has a reason and a sentence of its own`, () => {
      const { reason, message } = causeOfCode(code);
      assert.match(reason, /^[A-Z][A-Za-z]+$/);
      assert.notEqual(reason, 'SourceFailing');
      assert.ok(message.length > 20);
    });
  }

  it('a code of a newer sidecar is shown as it is', () => {
    assert.deepEqual(causeOfCode('VAULT_ON_FIRE'), {
      reason: 'SourceFailing',
      message: 'agents cannot get the secret (VAULT_ON_FIRE); docs/errors.md explains the code',
    });
  });

  it('a name of an object’s prototype is no code', () => {
    assert.equal(causeOfCode('constructor').reason, 'SourceFailing');
  });

  it('docs/credentials/status.md has every reason, in order', async () => {
    const codes = Object.keys(errorCatalogue).filter((name) => !ownTrouble.test(name));
    const reasons = new Set(['SourceFailing', ...codes.map((code) => causeOfCode(code).reason)]);
    const [, table = ''] = (await readFile('docs/credentials/status.md', 'utf8')).split(
      '## Reasons of failures',
    );
    const listed = [...table.matchAll(/^\| `(\w+)`/gm)].map(([, reason]) => reason);
    assert.deepEqual(listed, [...reasons].toSorted());
  });
});
