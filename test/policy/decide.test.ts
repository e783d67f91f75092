import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { compileDecider, decideWhole } from '../../policy/decide.ts';
import type { Decision } from '../../policy/decision.ts';
import type { CanonicalRequest } from '../../policy/request.ts';
import type { Ruleset, RulesetRule } from '../../policy/ruleset.ts';
import type { RulesetCredential } from '../../policy/ruleset-credential.ts';
import { emptyRuleset } from '../../policy/ruleset.ts';
import { canonicalRequest } from '../support/canonical-request.ts';

const agent = { namespace: 'research', serviceAccount: 'triage' };

function rule(fields: Partial<RulesetRule>): RulesetRule {
  return { policy: 'p', name: 'r', action: 'Allow', ...fields };
}

function credential(fields: Partial<RulesetCredential> = {}): RulesetCredential {
  return {
    source: { kind: 'file', path: 'token' },
    allow: [{ hosts: ['api.example'] }],
    inject: { kind: 'bearer' },
    refreshIntervalMs: 300_000,
    ...fields,
  };
}

const wiki = { names: ['wiki.tools.svc', 'wiki.tools'], port: 8443, scheme: 'https', cidrs: null } as const;

function decide(ruleset: Partial<Ruleset>, request: string | CanonicalRequest): Decision {
  const whole = { ...emptyRuleset(agent), ...ruleset };
  return decideWhole(
    compileDecider(whole, 'rev'),
    typeof request === 'string' ? canonicalRequest(request) : request,
    Date.parse('2026-11-23T09:00:00Z'),
  );
}

const read = rule({ name: 'read', hosts: ['api.example'], methods: ['GET'], paths: ['/v1/**'] });
const everything = rule({ name: 'everything', hosts: ['**.example', 'api.example'] });

describe('a request is refused', () => {
  const cases: Record<string, [ruleset: Partial<Ruleset>, request: string, expected: Partial<Decision>]> = {
    'when there is no rule at all': [
      {},
      'GET https://api.example/v1/x',
      { reason: 'no_grant', closest: null },
    ],
    'when the host is another': [{ grants: [read] }, 'GET https://evil.example/v1/x', { reason: 'no_grant' }],
    'when the host only ends like the allowed one': [
      { grants: [read] },
      'GET https://notapi.example/v1/x',
      { reason: 'no_grant' },
    ],
    'when the port is not 443 (N-14)': [
      { grants: [read] },
      'GET https://api.example:8443/v1/x',
      { reason: 'no_grant' },
    ],
    'when it is plain HTTP': [{ grants: [read] }, 'GET http://api.example/v1/x', { reason: 'no_grant' }],
    'when it is plain HTTP on 443': [
      { grants: [read] },
      'GET http://api.example:443/v1/x',
      { reason: 'no_grant' },
    ],
    'when the method is HEAD and only GET is written (H-33)': [
      { grants: [read] },
      'HEAD https://api.example/v1/x',
      { reason: 'no_grant' },
    ],
    'when the method differs by case': [
      { grants: [read] },
      'get https://api.example/v1/x',
      { reason: 'no_grant' },
    ],
    'when the path differs by case (H-20)': [
      { grants: [read] },
      'GET https://api.example/V1/x',
      { reason: 'no_grant' },
    ],
    'when the path only starts alike': [
      { grants: [read] },
      'GET https://api.example/v1x',
      { reason: 'no_grant' },
    ],
    'when a Deny matches too, whatever the order (P-15)': [
      { grants: [everything], guards: [rule({ name: 'no', hosts: ['api.example'] })] },
      'GET https://api.example/v1/x',
      { reason: 'denied_by_rule', rule: 'no', policy: 'p' },
    ],
    'by a Deny without hosts': [
      { grants: [everything], guards: [rule({ name: 'no-writes', methods: ['POST'] })] },
      'POST https://api.example/v1/x',
      { reason: 'denied_by_rule', rule: 'no-writes' },
    ],
    'by a Deny of another letter case (H-20)': [
      { grants: [everything], guards: [rule({ hosts: ['api.example'], paths: ['/admin/**'] })] },
      'GET https://api.example/ADMIN/users',
      { reason: 'denied_by_rule' },
    ],
    'by a Deny of the path without its trailing slash': [
      { grants: [everything], guards: [rule({ hosts: ['api.example'], paths: ['/admin'] })] },
      'GET https://api.example/admin/',
      { reason: 'denied_by_rule' },
    ],
    'by a Deny of the encoded spelling (H-20)': [
      { grants: [everything], guards: [rule({ hosts: ['api.example'], paths: ['/admin'] })] },
      'GET https://api.example/%61dmin',
      { reason: 'denied_by_rule' },
    ],
    'by a Deny of another method case': [
      { grants: [everything], guards: [rule({ methods: ['DELETE'] })] },
      'delete https://api.example/',
      { reason: 'denied_by_rule' },
    ],
    'by a Deny of a destination that is gone': [
      { grants: [everything], guards: [rule({ destination: 'gone' })] },
      'GET https://api.example/',
      { reason: 'denied_by_rule' },
    ],
    'when the agent is halted, whatever is granted': [
      { halt: { policy: 'kill' }, grants: [everything] },
      'GET https://api.example/',
      { reason: 'halted', policy: 'kill' },
    ],
    'when the credential may not go there (I5)': [
      {
        grants: [rule({ hosts: ['other.example'], credential: 'bot' })],
        credentials: { bot: credential() },
      },
      'GET https://other.example/',
      { reason: 'credential_ceiling', credential: null },
    ],
    'when the ceiling has another method': [
      {
        grants: [rule({ hosts: ['api.example'], credential: 'bot' })],
        credentials: { bot: credential({ allow: [{ hosts: ['api.example'], methods: ['GET'] }] }) },
      },
      'POST https://api.example/',
      { reason: 'credential_ceiling' },
    ],
    'when the credential does not exist': [
      { grants: [rule({ hosts: ['api.example'], credential: 'gone' })] },
      'GET https://api.example/',
      { reason: 'secret_unavailable', rule: 'r' },
    ],
    'when two credentials match and none is named': [
      {
        grants: [
          rule({ name: 'a', hosts: ['api.example'], credential: 'one' }),
          rule({ name: 'b', hosts: ['api.example'], credential: 'two' }),
        ],
        credentials: { one: credential(), two: credential() },
      },
      'GET https://api.example/',
      { reason: 'credential_ambiguous' },
    ],
    'when a destination is named by hosts alone': [
      { grants: [rule({ hosts: ['wiki.tools.svc'] })], destinations: { wiki } },
      'GET https://wiki.tools.svc:8443/',
      { reason: 'no_grant' },
    ],
    'when the destination has another port': [
      { grants: [rule({ destination: 'wiki' })], destinations: { wiki } },
      'GET https://wiki.tools.svc/',
      { reason: 'no_grant' },
    ],
    'when the destination is not open to the namespace': [
      { grants: [rule({ destination: 'wiki' })] },
      'GET https://wiki.tools.svc:8443/',
      { reason: 'no_grant' },
    ],
  };
  for (const [how, [ruleset, request, expected]] of Object.entries(cases)) {
    it(how, () => {
      const decision = decide(ruleset, request);
      assert.equal(decision.action, 'deny');
      assert.deepEqual({ ...decision, ...expected }, decision);
    });
  }
});

describe('a request is allowed', () => {
  const cases: Record<string, [ruleset: Partial<Ruleset>, request: string, expected: Partial<Decision>]> = {
    'when host, method and path match': [
      { grants: [read] },
      'GET https://api.example/v1/x?y=z',
      { rule: 'read', credential: null },
    ],
    'when ** stands for no segment': [{ grants: [read] }, 'GET https://api.example/v1', { rule: 'read' }],
    'when the host has another letter case and a trailing dot (H-10)': [
      { grants: [read] },
      'GET https://API.Example./v1',
      { rule: 'read' },
    ],
    'when a host glob matches several labels': [
      { grants: [everything] },
      'GET https://a.b.example/',
      { rule: 'everything' },
    ],
    'by the first rule in order of policy and name': [
      { grants: [rule({ name: 'a', hosts: ['api.example'] }), rule({ name: 'b', hosts: ['api.example'] })] },
      'GET https://api.example/',
      { rule: 'a' },
    ],
    'with the credential of the rule that names one': [
      {
        grants: [
          rule({ name: 'a', hosts: ['api.example'] }),
          rule({ name: 'b', hosts: ['api.example'], credential: 'bot' }),
        ],
        credentials: { bot: credential() },
      },
      'GET https://api.example/',
      { rule: 'b', credential: 'bot' },
    ],
    'to a destination by any of its names': [
      { grants: [rule({ destination: 'wiki' })], destinations: { wiki } },
      'GET https://wiki.tools:8443/mcp',
      { destination: 'wiki' },
    ],
  };
  for (const [how, [ruleset, request, expected]] of Object.entries(cases)) {
    it(how, () => {
      const decision = decide(ruleset, request);
      assert.equal(decision.action, 'allow', JSON.stringify(decision));
      assert.deepEqual({ ...decision, ...expected, reason: null, revision: 'rev' }, decision);
    });
  }
});

describe('a placeholder in the Authorization header', () => {
  const two: Partial<Ruleset> = {
    grants: [
      rule({ name: 'a', hosts: ['api.example'], credential: 'one' }),
      rule({ name: 'b', hosts: ['api.example'], credential: 'two' }),
    ],
    credentials: { one: credential(), two: credential() },
  };
  const asking = (placeholder: string) => ({ ...canonicalRequest('GET https://api.example/'), placeholder });

  it('is refused when it names a credential of another namespace', () => {
    assert.equal(decide(two, asking('other.two')).reason, 'credential_ambiguous');
  });
  it('is refused when the rule names another credential', () => {
    const one = { grants: two.grants?.slice(0, 1) ?? [], credentials: { one: credential() } };
    assert.equal(decide(one, asking('research.two')).reason, 'credential_ambiguous');
  });
  it('is refused where no rule names a credential, and is never forwarded', () => {
    assert.equal(decide({ grants: [everything] }, asking('research.two')).reason, 'credential_ambiguous');
  });
  it('chooses between two credentials', () => {
    assert.equal(decide(two, asking('research.two')).credential, 'two');
  });
});

describe('a refusal teaches', () => {
  const cases: Record<string, [request: string, field: string, message: string]> = {
    'which paths are allowed': ['GET https://api.example/v2', 'paths', 'The rule allows /v1/**, not /v2.'],
    'which methods are allowed': ['POST https://api.example/v1', 'methods', 'The rule allows GET, not POST.'],
    'which hosts are allowed': [
      'GET https://other.example/v1',
      'hosts',
      'The rule allows api.example over HTTPS on port 443, not https://other.example:443.',
    ],
  };
  for (const [what, [request, field, message]] of Object.entries(cases)) {
    it(what, () => {
      const grants = [rule({ name: 'aside', hosts: ['aside.example'] }), read];
      const expected =
        field === 'hosts' ? { ...decide({ grants: [read] }, request) } : decide({ grants }, request);
      assert.deepEqual(expected.closest, { policy: 'p', rule: 'read', field, message });
    });
  }
  it('with the words of the rule that denies', () => {
    const guards = [rule({ message: 'Ask in the support channel.' })];
    assert.equal(decide({ guards }, 'GET https://api.example/').message, 'Ask in the support channel.');
  });
  it('without reciting a long list', () => {
    const grants = [
      rule({ hosts: ['api.example'], paths: Array.from({ length: 9 }, (_, index) => `/p${index}`) }),
    ];
    assert.match(decide({ grants }, 'GET https://api.example/x').closest?.message ?? '', /\/p4 and 4 more/);
  });
});

const somePath = fc.constantFrom('/', '/a', '/a/b', '/**', '/*/b', '/A');
const someRule = fc.record({
  policy: fc.constantFrom('p', 'q'),
  name: fc.constantFrom('r', 's', 't'),
  hosts: fc.subarray(['api.example', '*.example', 'other.example'], { minLength: 1 }),
  methods: fc.subarray(['GET', 'POST'], { minLength: 1 }),
  paths: fc.array(somePath, { minLength: 1, maxLength: 2 }),
});
const asGrant = someRule.map((match) => ({ ...match, action: 'Allow' as const }));
const asGuard = someRule.map((match) => ({ ...match, action: 'Deny' as const }));
const someRequest = fc
  .tuple(
    fc.constantFrom('GET', 'POST', 'get'),
    fc.constantFrom('api.example', 'other.example'),
    fc.constantFrom('/', '/a', '/A/', '/a/b'),
  )
  .map(([method, host, path]) => canonicalRequest(`${method} https://${host}${path}`));

describe('for random rules', () => {
  it('order never changes the outcome (P-15)', () => {
    fc.assert(
      fc.property(
        fc.array(asGrant, { maxLength: 6 }),
        fc.array(asGuard, { maxLength: 2 }),
        someRequest,
        (grants, guards, request) => {
          const forward = decide({ grants, guards }, request);
          const backward = decide({ grants: grants.toReversed(), guards: guards.toReversed() }, request);
          assert.deepEqual([backward.action, backward.reason], [forward.action, forward.reason]);
        },
      ),
      { numRuns: 10_000 },
    );
  });
  it('one more guard never allows more', () => {
    fc.assert(
      fc.property(fc.array(asGrant, { maxLength: 6 }), asGuard, someRequest, (grants, guard, request) => {
        const before = decide({ grants }, request);
        const after = decide({ grants, guards: [guard] }, request);
        assert.ok(after.action === 'deny' || before.action === 'allow');
      }),
      { numRuns: 10_000 },
    );
  });
  it('a guard stops all that a grant of the same match would let through', () => {
    fc.assert(
      fc.property(asGrant, someRequest, (match, request) => {
        if (decide({ grants: [match] }, request).action === 'allow') {
          assert.equal(
            decide({ grants: [match], guards: [{ ...match, action: 'Deny' }] }, request).reason,
            'denied_by_rule',
          );
        }
      }),
      { numRuns: 10_000 },
    );
  });
});
