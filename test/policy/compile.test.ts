import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { checkCredential, checkPolicy } from '../../policy/check.ts';
import type { CheckContext } from '../../policy/check-context.ts';
import { compileRuleset, type CompileInput } from '../../policy/compile.ts';
import { compileDecider, decideWhole } from '../../policy/decide.ts';
import { watermarkCovers } from '../../policy/contract.ts';
import { parseRuleset, type Ruleset } from '../../policy/ruleset.ts';
import { canonicalRequest } from '../support/canonical-request.ts';
import { credential, destination, policy, store } from './resources/examples.ts';

const agent: CompileInput['agent'] = {
  namespace: 'default',
  serviceAccount: 'triage',
  namespaceLabels: { team: 'a' },
  podLabels: [{ app: 'triage' }, { app: 'triage' }],
};
const settings = { clusterDomain: 'cluster.local', telemetry: null, operatorCas: '', clusterRanges: [] };

function compile(input: Partial<CompileInput>): Ruleset {
  const whole = {
    agent,
    policies: [],
    clusterPolicies: [],
    credentials: [],
    stores: [],
    destinations: [],
    settings,
    ...input,
  };
  const { ruleset, revision } = compileRuleset(whole);
  assert.equal(compileRuleset(structuredClone(whole)).revision, revision, 'equal inputs, equal revisions');
  return ruleset;
}

function decideFor(input: Partial<CompileInput>, request: string) {
  return decideWhole(compileDecider(compile(input), 'rev'), canonicalRequest(request), 0);
}

const allow = { name: 'r', action: 'Allow', hosts: ['api.example.com'] };
const get = 'GET https://api.example.com/';

describe('nothing is granted', () => {
  const cases: Record<string, unknown> = {
    'by a policy of another service account': policy({
      agents: { serviceAccounts: ['other'] },
      rules: [allow],
    }),
    'by a policy of other labels': policy({
      agents: { podSelector: { matchLabels: { app: 'x' } } },
      rules: [allow],
    }),
    'by a policy of another namespace (O-02)': {
      ...policy({ agents: {}, rules: [allow] }),
      metadata: { name: 'p', namespace: 'other' },
    },
    'by a rule with a field that this version does not know (O-11)': policy({
      agents: {},
      rules: [{ ...allow, phaseOfTheMoon: 'full' }],
    }),
    'by a policy whose selector cannot be read': policy({ agents: { podSelector: 7 }, rules: [allow] }),
    'by garbage (O-06)': 7,
    'by a policy without rules': policy({ agents: {} }),
  };
  for (const [what, object] of Object.entries(cases)) {
    it(what, () => assert.equal(decideFor({ policies: [object] }, get).reason, 'no_grant'));
  }
  it('to a pod whose labels matched only when its stream opened (K-17)', () => {
    const changed = { ...agent, podLabels: [{ app: 'triage' }, { app: 'other' }] };
    const grants = policy({ agents: { podSelector: { matchLabels: { app: 'triage' } } }, rules: [allow] });
    assert.equal(decideFor({ agent: changed, policies: [grants] }, get).reason, 'no_grant');
  });
});

describe('a guard holds', () => {
  const grants = policy({ agents: {}, rules: [allow] }, 'grants');
  const cases: Record<string, unknown> = {
    'with a field that this version does not know': policy({
      agents: {},
      rules: [{ name: 'g', action: 'Deny', when: 'x' }],
    }),
    'on its hosts, when the rest of it cannot be read': policy({
      agents: {},
      rules: [{ name: 'g', action: 'Deny', hosts: ['api.example.com'], methods: 'POST' }],
    }),
    'with an action that this version does not know': policy({
      agents: {},
      rules: [{ name: 'g', action: 'Quarantine' }],
    }),
    'of a policy whose selector cannot be read': policy({
      agents: { podSelector: 7 },
      rules: [{ name: 'g', action: 'Deny' }],
    }),
  };
  for (const [what, object] of Object.entries(cases)) {
    it(what, () => assert.equal(decideFor({ policies: [grants, object] }, get).reason, 'denied_by_rule'));
  }
  it('for a pod whose labels changed away from it (K-17)', () => {
    const changed = { ...agent, podLabels: [{ app: 'triage' }, { app: 'other' }] };
    const guard = policy({
      agents: { podSelector: { matchLabels: { app: 'triage' } } },
      rules: [{ name: 'g', action: 'Deny' }],
    });
    assert.equal(decideFor({ agent: changed, policies: [grants, guard] }, get).reason, 'denied_by_rule');
  });
  it('and a broken rule takes none of its siblings with it (O-06)', () => {
    const mixed = policy({ agents: {}, rules: [{ name: 'bad', action: 'Allow', hosts: 7 }, allow] });
    assert.equal(decideFor({ policies: [mixed] }, get).action, 'allow');
  });
  it('when haltAgents cannot be read: it halts (P-11)', () => {
    assert.equal(
      decideFor({ policies: [grants, policy({ agents: {}, haltAgents: 'yes' }, 'kill')] }, get).reason,
      'halted',
    );
  });
});

describe('a credential', () => {
  const named = policy({ agents: {}, rules: [{ ...allow, credential: 'bot' }] });
  const inVault = (fields: object = {}) =>
    credential(
      {
        source: { vault: { store: 's', role: 'r', kv: { mount: 'secret', path: 'a', field: 't' } } },
        ...fields,
      },
      'bot',
    );

  it('that no rule names is not sent to the sidecar', () => {
    assert.deepEqual(
      compile({ credentials: [credential({}, 'bot')], policies: [policy({ agents: {}, rules: [allow] })] })
        .credentials,
      {},
    );
  });
  it('of another namespace is not used (O-02)', () => {
    const other = { ...inVault(), metadata: { name: 'bot', namespace: 'other' } };
    assert.deepEqual(
      compile({ policies: [named], credentials: [other], stores: [store({})] }).credentials,
      {},
    );
  });
  it('whose store is not open to the namespace is not used', () => {
    const closed = store({ namespaceSelector: { matchLabels: { team: 'b' } } });
    const ruleset = compile({ policies: [named], credentials: [inVault()], stores: [closed] });
    assert.deepEqual([ruleset.credentials, ruleset.stores], [{}, {}]);
  });
  it('whose ceiling is a wildcard over a public suffix is not used', () => {
    const wide = credential({ allow: [{ hosts: ['*.co.uk'] }] }, 'bot');
    assert.deepEqual(compile({ policies: [named], credentials: [wide] }).credentials, {});
  });
  it('comes with its store, defaults filled in', () => {
    const ruleset = compile({ policies: [named], credentials: [inVault()], stores: [store({})] });
    assert.deepEqual(ruleset.credentials.bot?.source, {
      kind: 'vault',
      store: 's',
      role: 'r',
      kv: { mount: 'secret', path: 'a', version: 2, field: 't' },
    });
    assert.deepEqual(ruleset.stores.s, {
      kind: 'vault',
      address: 'https://vault.vault.svc:8200',
      auth: { kind: 'kubernetes', mount: 'kubernetes' },
    });
    assert.deepEqual(ruleset.requires, ['inject/bearer', 'rules/minting', 'rules/v1', 'source/vault']);
  });
});

describe('a destination', () => {
  const named = policy({ agents: {}, rules: [{ name: 'r', action: 'Allow', destination: 'd' }] });
  const service = (fields: object = {}) =>
    destination({ service: { namespace: 'tools', name: 'wiki', port: 8443 }, ...fields });

  it('that is not open to the namespace is left out', () => {
    const closed = service({ namespaceSelector: { matchLabels: { team: 'b' } } });
    assert.equal(
      decideFor({ policies: [named], destinations: [closed] }, 'GET https://wiki.tools.svc:8443/').reason,
      'no_grant',
    );
  });
  for (const name of ['wiki.tools', 'wiki.tools.svc', 'wiki.tools.svc.cluster.local']) {
    it(`of a Service is known as ${name}`, () => {
      assert.equal(
        decideFor({ policies: [named], destinations: [service()] }, `GET https://${name}:8443/`).destination,
        'd',
      );
    });
  }
  it('of a Service is known by its short name in its own namespace alone', () => {
    const own = { ...agent, namespace: 'tools' };
    const inTools = { ...named, metadata: { name: 'p', namespace: 'tools' } };
    assert.equal(
      decideFor({ agent: own, policies: [inTools], destinations: [service()] }, 'GET https://wiki:8443/')
        .action,
      'allow',
    );
    assert.equal(
      decideFor({ policies: [named], destinations: [service()] }, 'GET https://wiki:8443/').action,
      'deny',
    );
  });
});

describe('a check names the field', () => {
  const context: CheckContext = {
    namespaceLabels: {},
    credentials: [],
    stores: [store({})],
    destinations: [],
    policies: [],
    clusterPolicies: [],
  };
  const cases: Record<
    string,
    [findings: readonly { reason: string; field: string; message: string }[], reason: string, field: string]
  > = {
    'of a credential that does not exist': [
      checkPolicy(policy({ agents: {}, rules: [{ ...allow, credential: 'gone' }] }), context),
      'CredentialNotFound',
      'spec.rules[0].credential',
    ],
    'of a destination that does not exist': [
      checkPolicy(
        policy({ agents: {}, rules: [{ name: 'r', action: 'Deny', destination: 'gone' }] }),
        context,
      ),
      'DestinationNotFound',
      'spec.rules[0].destination',
    ],
    'of a store that does not exist': [
      checkCredential(
        credential({ source: { vault: { role: 'r', kv: { mount: 'm', path: 'p', field: 'f' } } } }),
        context,
      ),
      'StoreNotFound',
      'spec.source.vault.store',
    ],
    'of a ceiling that is too wide': [
      checkCredential(credential({ allow: [{ hosts: ['*.github.io'] }] }), {
        ...context,
        isLocal: true,
      }).slice(0, 1),
      'CeilingTooWide',
      'spec.allow[0].hosts',
    ],
  };
  for (const [what, [findings, reason, field]] of Object.entries(cases)) {
    it(what, () =>
      assert.deepEqual(
        findings.map((finding) => [finding.reason, finding.field]),
        [[reason, field]],
      ),
    );
  }
  it('and says what there is', () => {
    const findings = checkCredential(
      credential({ source: { vault: { role: 'r', kv: { mount: 'm', path: 'p', field: 'f' } } } }),
      context,
    );
    assert.match(findings[0]?.message ?? '', /there is s$/);
  });
});

describe('a ruleset from another version (O-11)', () => {
  const whole = compile({});
  const refused: Record<string, [value: unknown, message: RegExp]> = {
    'with an unknown format is refused': [{ ...whole, format: 2 }, /format/],
    'that needs a feature this sidecar lacks is refused': [
      { ...whole, requires: ['mcp/v1'] },
      /needs mcp\/v1/,
    ],
    'without its grants is refused': [{ ...whole, grants: undefined }, /grants/],
    'that is null is refused': [null, /format/],
  };
  for (const [what, [value, message]] of Object.entries(refused)) {
    it(what, () => assert.throws(() => parseRuleset(value), message));
  }
  it('of this version is read', () =>
    assert.deepEqual(parseRuleset(JSON.parse(JSON.stringify(whole))), whole));
});

describe('a watermark (O-10)', () => {
  const cases: [candidate: Record<string, string>, reference: Record<string, string>, covers: boolean][] = [
    [{ a: '10' }, { a: '9' }, true],
    [{ a: '9' }, { a: '10' }, false],
    [{ a: '9', b: '1' }, { a: '9', b: '2' }, false],
    [{}, { a: '1' }, false],
    [{ a: '1' }, {}, true],
    [{ a: '18446744073709551615' }, { a: '18446744073709551614' }, true],
  ];
  for (const [candidate, reference, covers] of cases) {
    it(`${JSON.stringify(candidate)} ${covers ? 'covers' : 'is behind'} ${JSON.stringify(reference)}`, () => {
      assert.equal(watermarkCovers(candidate, reference), covers);
    });
  }
});
