import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { compileRuleset } from '../../policy/compile.ts';
import { compileDecider, decideWhole } from '../../policy/decide.ts';
import { compileKnownNames } from '../../policy/known-names.ts';
import { emptyRuleset, type Ruleset, type RulesetRule } from '../../policy/ruleset.ts';
import {
  clusterPolicyOf,
  clusterSpec,
  inputOf,
  monday,
  policyOf,
  policySpec,
  requests,
} from './properties/generators.ts';

const agent = { namespace: 'research', serviceAccount: 'triage' };

function grant(match: Partial<RulesetRule>, at = 0): RulesetRule {
  return { policy: 'p', name: `r${at}`, action: 'Allow', ...match };
}

function knows(parts: Partial<Ruleset>, host: string): boolean {
  return compileKnownNames({ ...emptyRuleset(agent), ...parts })(host, monday);
}

const destinations = {
  database: { names: ['db.prod.svc', 'db.prod', 'db'], port: 5432, scheme: 'tcp', cidrs: null },
} as const;

describe('a name is not known', () => {
  test('of an agent that no policy concerns', () => {
    assert.equal(knows({}, 'api.example.com'), false);
  });

  test('when it only looks like one of a grant', () => {
    const grants = [grant({ hosts: ['api.example.com', '*.example.org', '**.deep.example'] })];
    for (const host of [
      'example.com',
      'xapi.example.com',
      'api.example.com.evil.example',
      'api.example.com.ns.svc.cluster.local',
      'example.org',
      'a.b.example.org',
      'deep.example',
    ]) {
      assert.equal(knows({ grants }, host), false, host);
    }
  });

  test('when only a guard names it', () => {
    const guards = [grant({ hosts: ['api.example.com'], action: 'Deny' })];
    assert.equal(knows({ guards }, 'api.example.com'), false);
  });

  test('when only a policy in mode Audit grants it', () => {
    assert.equal(
      knows({ grants: [grant({ hosts: ['api.example.com'], audit: true })] }, 'api.example.com'),
      false,
    );
  });

  test('of a destination that does not exist, or that no grant names', () => {
    assert.equal(knows({ grants: [grant({ destination: 'database' })] }, 'db.prod'), false);
    assert.equal(knows({ destinations }, 'db.prod'), false);
  });

  test('of a host that serves what is on GitHub and that a grant of the form does not reach', () => {
    const grants = [grant({ github: { repositories: ['acme/docs'], operations: ['Read'] } })];
    assert.equal(knows({ grants }, 'raw.githubusercontent.com'), false);
    assert.equal(knows({ grants }, 'api.github.com'), true);
    assert.equal(knows({ grants }, 'github.com'), true);
  });

  test('after the day until which all names are, or while the clock is in doubt', () => {
    const observed = { ...emptyRuleset(agent), observeUntilMs: monday };
    assert.equal(compileKnownNames(observed)('any.example', monday), false);
    assert.equal(compileKnownNames(observed)('any.example', null), false);
    assert.equal(compileKnownNames(observed)('any.example', monday - 1), true);
  });

  test('when a search list made it of a relayed name, while all others are', () => {
    const observed = {
      destinations,
      grants: [grant({ destination: 'database' })],
      observeUntilMs: monday + 1,
    };
    assert.equal(knows(observed, 'db.prod.research.svc.cluster.local'), false);
    assert.equal(knows(observed, 'db.prod.svc.research.svc.cluster.local'), false);
    assert.equal(knows(observed, 'db.prod'), true);
    assert.equal(knows(observed, 'db.example.com'), true);
    assert.equal(knows(observed, 'web.prod.research.svc.cluster.local'), true);
  });
});

test('a name is known when a grant reaches it by host, glob or destination', () => {
  const grants = [
    grant({ hosts: ['API.example.com.', '*.example.org', 'api*.example.net'] }),
    grant({ hosts: ['**.deep.example'], action: 'RequireApproval' }),
    grant({ destination: 'database' }),
  ];
  for (const host of [
    'api.example.com',
    'a.example.org',
    'api-2.example.net',
    'a.b.deep.example',
    'db.prod',
    'db',
  ]) {
    assert.equal(knows({ grants, destinations }, host), true, host);
  }
});

test('every host that some request is allowed on, or held for, is known', () => {
  let allowed = 0;
  fc.assert(
    fc.property(policySpec, clusterSpec, fc.boolean(), requests, (spec, cluster, isObserved, all) => {
      const { ruleset, revision } = compileRuleset(
        inputOf({ policies: [policyOf(spec)], clusterPolicies: [clusterPolicyOf(cluster)] }),
      );
      const tried = isObserved ? { ...ruleset, observeUntilMs: monday + 1 } : ruleset;
      const decider = compileDecider(tried, revision);
      const isKnown = compileKnownNames(tried);
      for (const asked of all) {
        if (decideWhole(decider, asked, monday).action === 'deny') continue;
        allowed += 1;
        assert.equal(isKnown(asked.host, monday), true, asked.host);
      }
    }),
    { numRuns: 400 },
  );
  assert.ok(allowed > 500, `${allowed} requests were allowed`);
});

test('and no host that no grant reaches: a name is known only if a plain request can be allowed under its rule', () => {
  const hosts = fc.constantFrom(
    'api.example.com',
    'www.example.com',
    'a.b.example.org',
    'evil.example',
    'example.com',
  );
  const patterns = fc.constantFrom(
    'api.example.com',
    '*.example.com',
    '**.example.org',
    'api*.example.com',
    '*.com',
  );
  fc.assert(
    fc.property(fc.array(patterns, { minLength: 1, maxLength: 4 }), hosts, (list, host) => {
      const spec = {
        agents: {},
        rules: list.map((pattern, at) => ({ name: `r${at}`, action: 'Allow', hosts: [pattern] })),
      };
      const { ruleset, revision } = compileRuleset(inputOf({ policies: [policyOf(spec)] }));
      const request = {
        scheme: 'https',
        host,
        port: 443,
        method: 'GET',
        path: '/',
        segments: [''],
        opens: [],
        query: null,
        headers: [],
        body: { kind: 'none' },
        placeholder: null,
      } as const;
      const isAllowed = decideWhole(compileDecider(ruleset, revision), request, monday).action === 'allow';
      assert.equal(compileKnownNames(ruleset)(host, monday), isAllowed);
    }),
  );
});

test('D: a question costs the same among ten rules and ten thousand', () => {
  const timeOf = (count: number): number => {
    const grants = Array.from({ length: count }, (_, at) =>
      grant({ hosts: [`h${at}.example`, `*.g${at}.example`] }, at),
    );
    const isKnown = compileKnownNames({ ...emptyRuleset(agent), grants });
    for (let at = 0; at < 20_000; at += 1) isKnown(`x.g${at % count}.example`, monday);
    const times = Array.from({ length: 5 }, () => {
      const startMs = performance.now();
      for (let at = 0; at < 20_000; at += 1) isKnown(`x.nobody${at}.example`, monday);
      return performance.now() - startMs;
    });
    return Math.min(...times);
  };
  const [few, many] = [timeOf(10), timeOf(10_000)];
  // A scan would take a thousand times as long; a larger tree misses caches.
  assert.ok(many < 20 * few, `${few} ms and ${many} ms`);
});
