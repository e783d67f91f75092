// What the API server refuses, local mode refuses too, naming the same field, and the reverse; on the oldest
// Kubernetes that Outrider supports as on the newest.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { isParsed, parseResource } from '../../../policy/parse.ts';
import type { KindName } from '../../../policy/resources/kinds.ts';
import { startCrdServer, versions, type CrdServer } from './api.ts';
import { allBad, allGood } from './examples/table.ts';
import type { Manifest } from './examples.ts';

function parse(resource: Manifest): ReturnType<typeof parseResource> {
  // As it comes out of a file: without members that are undefined.
  return parseResource(resource.kind as KindName, JSON.parse(JSON.stringify(resource)));
}

/** Types, bounds and unknown fields are refused with members of maps after a dot, what CEL refuses in brackets. */
function dotted(path: string): string {
  return path.replaceAll(/\[([^\]\d][^\]]*)\]/g, '.$1');
}

for (const version of versions) {
  describe(`the API server (${version})`, () => {
    let server: CrdServer;
    before(async () => {
      server = await startCrdServer(version);
    });
    after(() => server?.stop());

    describe('refuses, naming the field and what is allowed:', () => {
      for (const [what, { resource, field, allowed }] of Object.entries(allBad)) {
        it(what, async () => {
          const { status, message } = await server.create(resource);
          assert.ok(status === 422 || status === 400, `${status} ${message}`);
          const named = [`${field}:`, `${dotted(field)}:`, `"${dotted(field)}"`].some((name) =>
            message.includes(name),
          );
          assert.ok(named, `${field} is not named in: ${message}`);
          assert.match(message, allowed);
        });
      }
    });

    describe('accepts, and fills in the defaults that local mode fills in:', () => {
      for (const [what, resource] of Object.entries(allGood)) {
        it(what, async () => {
          const { message, object } = await server.create(resource);
          assert.equal(message, '');
          const parsed = parse(resource);
          assert.ok(isParsed(parsed), JSON.stringify(parsed));
          assert.deepEqual(object.spec, parsed.spec);
        });
      }
    });
  });
}

describe('local mode refuses, naming the field and what is allowed:', () => {
  for (const [what, { resource, field, allowed }] of Object.entries(allBad)) {
    it(what, () => {
      const findings = parse(resource);
      assert.ok(!isParsed(findings), 'local mode accepted it');
      const finding = findings.find((candidate) => candidate.field === field);
      assert.ok(finding !== undefined, `${field} is not in ${JSON.stringify(findings)}`);
      assert.match(finding.message, allowed);
    });
  }
});

it('the table holds at least 90 bad and 45 good examples', () => {
  assert.ok(Object.keys(allBad).length >= 90, `${Object.keys(allBad).length} bad`);
  assert.ok(Object.keys(allGood).length >= 45, `${Object.keys(allGood).length} good`);
});
