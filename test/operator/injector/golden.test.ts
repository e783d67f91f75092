import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { goldenCases } from '../../golden/cases.ts';
import { applyPatch } from '../../support/apply-patch.ts';

describe('golden pods', () => {
  for (const { name, goldenPath, pod, inject } of goldenCases()) {
    test(`${name}: the injector does what its golden file says`, () => {
      assert.ok(existsSync(goldenPath), `no ${goldenPath}: run node test/golden/regenerate.ts and read it`);
      assert.deepEqual(inject(pod), JSON.parse(readFileSync(goldenPath, 'utf8')));
    });

    test(`${name}: run twice, it changes nothing the second time but the sidecar’s ids (I11, K-18)`, () => {
      const first = inject(pod);
      if (first.kind !== 'patch') return assert.deepEqual(inject(pod), first);
      const second = inject(applyPatch(pod, first.operations));
      const again = {
        ...first,
        operations: second.kind === 'patch' ? second.operations : [],
        warnings: first.warnings.filter((text) => !/\benv\[|capabilities\.drop/.test(text)),
      };
      assert.deepEqual(second, again);
      const ids = /^\/spec\/initContainers\/[01]\/(?:args|securityContext\/runAs(?:User|Group))$/;
      assert.deepEqual(
        again.operations.filter(({ op, path }) => op !== 'replace' || !ids.test(path)),
        [],
      );
    });
  }
});
