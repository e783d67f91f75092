// How a credential is put on a request, which entries of its ceiling may each say otherwise.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { compileDecider, decideWhole, type Decider } from '../../policy/decide.ts';
import type { Decision } from '../../policy/decision.ts';
import { emptyRuleset, type Ruleset, type RulesetRule } from '../../policy/ruleset.ts';
import type { RulesetCeilingEntry, RulesetInject } from '../../policy/ruleset-credential.ts';
import { canonicalRequest } from '../support/canonical-request.ts';

const bearer: RulesetInject = { kind: 'bearer' };
const basic: RulesetInject = { kind: 'basic', username: 'x-access-token' };
const nowMs = Date.parse('2026-11-23T09:00:00Z');

const wiki = {
  names: ['wiki.tools.svc', 'wiki.tools', 'api.example'],
  port: 443,
  scheme: 'https',
  cidrs: null,
} as const;

function deciderOf(
  allow: readonly RulesetCeilingEntry[],
  match: Partial<RulesetRule> = { hosts: ['**.example'] },
  more: Partial<Ruleset> = {},
): Decider {
  const grant: RulesetRule = { policy: 'p', name: 'r', action: 'Allow', credential: 'bot', ...match };
  const source = { kind: 'file', path: 'token' } as const;
  return compileDecider(
    {
      ...emptyRuleset({ namespace: 'research', serviceAccount: 'triage' }),
      grants: [grant],
      credentials: { bot: { source, allow, inject: bearer, refreshIntervalMs: 300_000 } },
      ...more,
    },
    'rev',
  );
}

function decide(decider: Decider, request: string): Decision {
  return decideWhole(decider, canonicalRequest(request), nowMs);
}

const git: RulesetCeilingEntry = { hosts: ['git.example'], inject: basic };
const api: RulesetCeilingEntry = { hosts: ['api.example'] };

describe('entries that differ in inject and both contain a request are ambiguous', () => {
  const cases: Record<
    string,
    [allow: readonly RulesetCeilingEntry[], request: string, match?: Partial<RulesetRule>]
  > = {
    'of the same host': [[api, { ...api, inject: basic }], 'GET https://api.example/'],
    'of a host and a glob over it': [
      [api, { hosts: ['*.example'], inject: basic }],
      'GET https://api.example/',
    ],
    'of a method and of any': [
      [
        { ...api, methods: ['GET'] },
        { ...api, inject: basic },
      ],
      'GET https://api.example/',
    ],
    'of a path and of any': [
      [api, { ...api, paths: ['/v1/**'], inject: basic }],
      'GET https://api.example/v1/x',
      { hosts: ['api.example'], paths: ['/v1/**'] },
    ],
    'where neither says what the credential says': [
      [
        { ...api, inject: basic },
        { ...api, inject: { kind: 'query', name: 'key' } },
      ],
      'GET https://api.example/',
    ],
    'of a host and a destination by that name': [
      [api, { destination: 'wiki', inject: basic }],
      'GET https://api.example/',
      { hosts: ['api.example'] },
    ],
    'in every reading of a path that the rule opens (H-20)': [
      [
        { ...api, paths: ['/projects/**'] },
        { ...api, inject: basic },
      ],
      'GET https://api.example/projects/acme%2Fdocs',
      { hosts: ['api.example'], opens: ['EncodedSlash'] },
    ],
  };
  for (const [how, [allow, request, match]] of Object.entries(cases)) {
    it(how, () => {
      const decision = decide(deciderOf(allow, match, { destinations: { wiki } }), request);
      const { action, reason, rule, credential, inject, message } = decision;
      assert.deepEqual(
        { action, reason, rule, credential, inject },
        { action: 'deny', reason: 'credential_ambiguous', rule: 'r', credential: null, inject: null },
      );
      assert.match(message ?? '', /AgentCredential bot .* tell them apart/);
    });
  }
});

describe('a credential is put on a request', () => {
  const cases: Record<
    string,
    [
      allow: readonly RulesetCeilingEntry[],
      request: string,
      expected: RulesetInject,
      match?: Partial<RulesetRule>,
    ]
  > = {
    'as it says itself where its entry says nothing': [[git, api], 'GET https://api.example/', bearer],
    'as its entry says': [[git, api], 'GET https://git.example/acme/docs.git/info/refs', basic],
    'as its entry says, to a rule that this entry covers': [
      [git, api],
      'GET https://git.example/',
      basic,
      { hosts: ['git.example'] },
    ],
    'as the entry of the method says': [
      [
        { ...api, methods: ['GET'] },
        { ...api, methods: ['POST'], inject: basic },
      ],
      'POST https://api.example/',
      basic,
    ],
    'as the entry of the destination says': [
      [api, { destination: 'wiki', inject: basic }],
      'GET https://wiki.tools/',
      basic,
      { destination: 'wiki' },
    ],
    'as two entries say that are equal but for the order of keys': [
      [
        { ...api, inject: { kind: 'basic', username: 'x' } },
        { ...api, inject: { username: 'x', kind: 'basic' } },
      ],
      'GET https://api.example/',
      { kind: 'basic', username: 'x' },
    ],
    'as an entry says that repeats what the credential says': [
      [api, { ...api, inject: { kind: 'bearer' } }],
      'GET https://api.example/',
      bearer,
    ],
    'as the one entry says that holds every reading of an opened path (H-20)': [
      [
        { ...api, paths: ['/projects/**'] },
        { ...api, paths: ['/projects/*/issues'], inject: basic },
      ],
      'GET https://api.example/projects/acme%2Fdocs/issues',
      bearer,
      { hosts: ['api.example'], opens: ['EncodedSlash'] },
    ],
  };
  for (const [how, [allow, request, expected, match]] of Object.entries(cases)) {
    it(how, () => {
      const { action, credential, inject } = decide(
        deciderOf(allow, match, { destinations: { wiki } }),
        request,
      );
      assert.deepEqual(
        { action, credential, inject },
        { action: 'allow', credential: 'bot', inject: expected },
      );
    });
  }

  it('differently from one request to the next, whichever came before', () => {
    const decider = deciderOf([git, api]);
    for (const [host, expected] of [
      ['api', bearer],
      ['git', basic],
      ['api', bearer],
      ['git', basic],
    ] as const) {
      assert.deepEqual(decide(decider, `GET https://${host}.example/`).inject, expected);
    }
  });

  it('after an approval as before it', () => {
    const { action, inject } = decide(
      deciderOf([git], { hosts: ['git.example'], action: 'RequireApproval' }),
      'GET https://git.example/',
    );
    assert.deepEqual({ action, inject }, { action: 'hold', inject: basic });
  });

  it('by the very object that the ruleset holds, so that what is made of it can be kept', () => {
    const decider = deciderOf([git, { ...git, paths: ['/a'], inject: { ...basic } }]);
    assert.equal(decide(decider, 'GET https://git.example/a').inject, basic);
  });
});

it('a request without a credential gets no injection', () => {
  const decider = compileDecider(
    {
      ...emptyRuleset({ namespace: 'research', serviceAccount: 'triage' }),
      grants: [{ policy: 'p', name: 'r', action: 'Allow', hosts: ['api.example'] }],
    },
    'rev',
  );
  const { action, inject } = decide(decider, 'GET https://api.example/');
  assert.deepEqual({ action, inject }, { action: 'allow', inject: null });
});
