// What the API server refuses, local mode refuses too, naming the same field, and the reverse.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { isParsed, parseResource } from '../../../policy/parse.ts';
import { kinds, type KindName } from '../../../policy/resources/kinds.ts';
import { startControlPlane, type ControlPlane } from '../../cluster/control-plane.ts';
import { bad, credential, good, type Manifest } from './examples.ts';

let cluster: ControlPlane;

before(async () => {
  cluster = await startControlPlane();
  await cluster.kubectl(['apply', '--server-side', '-f', new URL('../../../crds', import.meta.url).pathname]);
  for (const { plural } of Object.values(kinds)) {
    await cluster.kubectl([
      'wait',
      '--for=condition=Established',
      `crd/${plural}.outrider.dev`,
      '--timeout=30s',
    ]);
  }
});
after(async () => cluster?.stop());

function kindOf(resource: Manifest): KindName {
  return resource.kind as KindName;
}

async function create(resource: Manifest): Promise<Manifest> {
  const stdin = JSON.stringify(resource);
  return JSON.parse(
    await cluster.kubectl(['create', '--dry-run=server', '-o', 'json', '-f', '-'], { stdin }),
  ) as Manifest;
}

describe('is refused by the API server and by local mode, naming the field and what is allowed:', () => {
  for (const [what, { resource, field, allowed }] of Object.entries(bad)) {
    it(what, async () => {
      const error = await create(resource).then(
        () => assert.fail('the API server accepted it'),
        (reason: unknown) => (reason as Error).message,
      );
      assert.ok(error.includes(field), `${field} is not named in: ${error}`);
      assert.match(error, allowed);

      const findings = parseResource(kindOf(resource), resource);
      assert.ok(!isParsed(findings), 'local mode accepted it');
      const finding = findings.find((candidate) => candidate.field === field);
      assert.ok(finding !== undefined, `${field} is not in ${JSON.stringify(findings)}`);
      assert.match(finding.message, allowed);
    });
  }
});

describe('is accepted by the API server and by local mode:', () => {
  for (const [what, resource] of Object.entries(good)) {
    it(what, async () => {
      await create(resource);
      const parsed = parseResource(kindOf(resource), resource);
      assert.ok(isParsed(parsed), JSON.stringify(parsed));
    });
  }
});

it('the API server fills in the defaults that local mode fills in', async () => {
  for (const resource of Object.values(good)) {
    const stored = await create(resource);
    const parsed = parseResource(kindOf(resource), resource);
    assert.ok(isParsed(parsed));
    assert.deepEqual(stored.spec, parsed.spec);
  }
});

it('two appliers of one union conflict instead of merging it', async () => {
  const name = 'two-owners';
  const vault = { vault: { role: 'r', kv: { mount: 'm', path: 'p', field: 'f' } } };
  await cluster.kubectl(['apply', '--server-side', '--field-manager=one', '-f', '-'], {
    stdin: JSON.stringify(credential({ source: { file: { path: 'a' } } }, name)),
  });
  await assert.rejects(
    cluster.kubectl(['apply', '--server-side', '--field-manager=two', '-f', '-'], {
      stdin: JSON.stringify(credential({ source: vault }, name)),
    }),
    /conflict/,
  );
});
