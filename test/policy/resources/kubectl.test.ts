// What a person sees who has kubectl and nothing else.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { crdOf } from '../../../policy/crd.ts';
import { kinds } from '../../../policy/resources/kinds.ts';
import { startCrdServer, versions, type CrdServer } from './api.ts';
import { clusterDeny, credential, policy, rule, type Manifest } from './examples.ts';

for (const version of versions) {
  describe(`kubectl (${version})`, () => {
    let server: CrdServer;
    before(async () => {
      server = await startCrdServer(version);
    });
    after(() => server?.stop());

    const kubectl = (args: readonly string[], resource?: Manifest): Promise<string> =>
      server.cluster.kubectl(args, resource === undefined ? {} : { stdin: JSON.stringify(resource) });

    for (const [what, resource, path] of [
      ['of a policy', policy({ agents: {}, ruels: [] }), 'spec.ruels'],
      ['of a rule', rule({ host: ['a.example'] }), 'spec.rules[0].host'],
      [
        'of a matcher',
        rule({ query: { fields: { x: { patern: 'a' } } } }),
        'spec.rules[0].query.fields.x.patern',
      ],
      [
        'of a cluster rule that only grants have',
        clusterDeny({ credential: 'bot' }),
        'spec.rules[0].credential',
      ],
      ['of a credential', credential({ source: { value: 'hunter2' } }), 'spec.source.value'],
    ] as const) {
      for (const how of [[], ['--server-side']]) {
        it(`apply ${how.join(' ')} --validate=strict refuses an unknown field ${what}, naming it`, async () => {
          const refusal = await kubectl(['apply', ...how, '--validate=strict', '-f', '-'], resource).catch(
            String,
          );
          assert.match(refusal, /unknown field|field not declared in schema/);
          // A list that is merged by name is also told by name.
          const paths = [path, path.replace('rules[0]', 'rules[name="r"]')];
          assert.ok(
            paths.some((each) => refusal.includes(each)),
            refusal,
          );
        });
      }
    }

    it('apply says what is wrong with a rule, and what to write', async () => {
      await assert.rejects(
        kubectl(['apply', '-f', '-'], rule({ hosts: ['https://api.example.com'] })),
        /spec\.rules\[0\]\.hosts\[0\]: Invalid value: .*is no host: write a lower-case DNS name without scheme/,
      );
    });

    it('get shows the defaults of what was left out', async () => {
      const vault = { role: 'r', kv: { mount: 'secret', path: 'agents/a', field: 'token' } };
      await kubectl(['apply', '-f', '-'], credential({ source: { vault } }, 'defaults'));
      const shown = JSON.parse(await kubectl(['get', 'agcred', 'defaults', '-o', 'json'])) as {
        spec: unknown;
      };
      assert.deepEqual(shown.spec, {
        source: { vault: { store: 'default', ...vault, kv: { ...vault.kv, version: 2 } } },
        allow: [{ hosts: ['api.example.com'] }],
        inject: { bearer: {} },
        refreshInterval: '5m',
      });
      await kubectl(['apply', '-f', '-'], policy({ agents: {} }, 'defaults'));
      const text = await kubectl([
        'get',
        'agpol',
        'defaults',
        '-o',
        'jsonpath={.spec.mode} {.spec.haltAgents}',
      ]);
      assert.equal(text, 'Enforce false');
    });

    it('get outrider lists all of ours, with what matters of each', async () => {
      await kubectl(['apply', '-f', '-'], policy({ agents: {} }, 'listed'));
      const table = await kubectl(['get', 'outrider', '-A']);
      assert.match(table, /NAMESPACE +NAME +READY +REASON +AGENTS +RULES +HALT +AGE/);
      assert.match(table, /agentpolicy\.outrider\.dev\/listed +.*false/);
    });

    it('explain shows the rules of a policy, and each description that the schema has', async () => {
      const rules = await kubectl(['explain', 'agentpolicy.spec.rules']);
      assert.match(rules, /FIELD: rules <\[\]Object>/);
      assert.match(rules, /Grants and guards; their order does not matter/);
      assert.match(rules, /action\t<string> -required-\n +enum: Allow, RequireApproval, Deny/);
      assert.match(
        await kubectl(['explain', 'cagpol.spec.rules.during.windows.to']),
        /earlier than from means\s+on the next day/,
      );
      assert.match(await kubectl(['explain', 'agpol.spec.rules.body.fields']), /JSON pointer/);
    });
  });
}

interface Schema {
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly additionalProperties?: Schema;
}

function* undescribed(schema: Schema, path: string): Generator<string> {
  for (const [name, field] of Object.entries(schema.properties ?? {})) {
    // What every Kubernetes object has, the API server describes.
    if (path === '' && ['apiVersion', 'kind', 'metadata'].includes(name)) continue;
    if ((field.description ?? '') === '') yield `${path}.${name}`;
    yield* undescribed(field, `${path}.${name}`);
  }
  for (const below of [schema.items, schema.additionalProperties]) {
    if (below !== undefined) yield* undescribed(below, `${path}[]`);
  }
}

describe('every field of the schema says what it is for:', () => {
  for (const kind of Object.values(kinds)) {
    it(kind.kind, () => {
      const { spec } = crdOf(kind) as { spec: { versions: { schema: { openAPIV3Schema: Schema } }[] } };
      const schema = spec.versions[0]?.schema.openAPIV3Schema ?? {};
      assert.deepEqual([...undescribed(schema, '')], []);
    });
  }
});
