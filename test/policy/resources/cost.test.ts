// The API server gives the CEL of one object a budget (RuntimeCELCostBudget); objects at the bounds of their schemas
// must stay inside it, or a bound would be a promise that nobody can use.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { isParsed, parseResource } from '../../../policy/parse.ts';
import type { KindName } from '../../../policy/resources/kinds.ts';
import { startCrdServer, versions, type CrdServer } from './api.ts';
import { largestObjects } from './largest.ts';

for (const version of versions) {
  describe(`at the bounds of everything, the API server (${version}) stores`, () => {
    let server: CrdServer;
    before(async () => {
      server = await startCrdServer(version);
    });
    after(() => server?.stop());

    for (const [what, resource] of Object.entries(largestObjects())) {
      it(`${what} (O-06)`, async (t) => {
        const { message, tookMs } = await server.create(resource);
        assert.equal(message.slice(0, 2000), '');
        const { message: whenStored, tookMs: applyMs } = await server.apply(resource, 'gitops');
        assert.equal(whenStored.slice(0, 2000), '');
        const kilobytes = Math.round(Buffer.byteLength(JSON.stringify(resource)) / 1024);
        t.diagnostic(
          `${what}: ${kilobytes} KiB, checked in ${tookMs} ms, applied and stored in ${applyMs} ms`,
        );
      });
    }
  });
}

describe('local mode takes, at the bounds of everything,', () => {
  for (const [what, resource] of Object.entries(largestObjects())) {
    it(what, () => {
      const parsed = parseResource(resource.kind as KindName, resource);
      assert.ok(isParsed(parsed), JSON.stringify(parsed).slice(0, 2000));
    });
  }
});
