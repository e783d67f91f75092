import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { clusterPolicy, credential, destination, policy } from '../policy/resources/examples.ts';
import { createCommandLine, root } from './command-line.ts';

const { outrider, directory, folder, remove } = createCommandLine();
after(remove);

const url = 'https://api.example.com/items';
const allow = {
  name: 'read',
  action: 'Allow',
  hosts: ['api.example.com'],
  methods: ['GET'],
  paths: ['/items'],
};
const good = { name: 'reads', request: { url }, expect: { action: 'Allow' } };

function policyTest(spec: object): object {
  return {
    apiVersion: 'outrider.dev/v1alpha1',
    kind: 'PolicyTest',
    metadata: { name: 't' },
    spec: { cases: [good], ...spec },
  };
}

function rules(...all: readonly object[]): object {
  return policy({ agents: {}, rules: all });
}

/** A case of its own beside a policy that it reaches. */
function withCase(each: object): string {
  return directory({
    'p.yaml': rules(allow),
    't.yaml': policyTest({ cases: [good, { name: 'c', ...each }] }),
  });
}

describe('outrider test refuses, naming file, document and field', () => {
  const cases: Record<string, [args: () => string[], message: RegExp]> = {
    'to run without a directory': [() => [], /the directory is missing\n\nUsage: outrider test/],
    'a format that does not exist': [
      () => ['--format', 'html', '.'],
      /--format html: write one of readable, junit, tap/,
    ],
    'a directory without a test': [
      () => [directory({ 'p.yaml': rules(allow) })],
      /holds no file of kind: PolicyTest/,
    ],
    'a floor that is a tested resource too': [
      () => [
        directory({ 'p.yaml': rules(allow), 't.yaml': policyTest({}) }),
        '--with',
        directory({ 'p.yaml': rules(allow) }),
      ],
      /p\.yaml: AgentPolicy p is in the other directory too/,
    ],
    'a field that a PolicyTest does not have': [
      () => [directory({ 't.yaml': [rules(allow), policyTest({ agnet: {} })] })],
      /t\.yaml:\d+, document 2: PolicyTest: spec\.agnet: is not a field of this kind/,
    ],
    'no case at all': [
      () => [directory({ 't.yaml': policyTest({ cases: [] }) })],
      /PolicyTest: spec\.cases: is empty: write at least one case/,
    ],
    'two cases of one name': [
      () => [directory({ 't.yaml': policyTest({ cases: [good, good] }) })],
      /spec\.cases: has two cases of one name/,
    ],
    'an action that does not exist, with those that do': [
      () => [withCase({ request: { url }, expect: { action: 'allow' } })],
      /t\.yaml:\d+, document 1: PolicyTest: spec\.cases\[1\]\.expect\.action: is not one of Allow, Deny, Hold/,
    ],
    'a reason that does not exist': [
      () => [withCase({ request: { url }, expect: { action: 'Deny', reason: 'nope' } })],
      /expect\.reason: is not one of no_grant, denied_by_rule/,
    ],
    'an Allow with a reason': [
      () => [withCase({ request: { url }, expect: { action: 'Allow', reason: 'no_grant' } })],
      /expect\.reason: goes with Deny/,
    ],
    'a rule without its policy': [
      () => [withCase({ request: { url }, expect: { action: 'Allow', rule: 'read' } })],
      /expect\.rule: is no rule: write policy\/rule/,
    ],
    'a time that is none': [
      () => [directory({ 't.yaml': policyTest({ time: 'noon' }) })],
      /spec\.time: is no time: write RFC 3339/,
    ],
    'a request without a URL': [
      () => [withCase({ request: { method: 'GET' }, expect: { action: 'Allow' } })],
      /spec\.cases\[1\]\.request\.url: is no URL/,
    ],
    'a request with two bodies': [
      () => [withCase({ request: { url, json: {}, body: 'x' }, expect: { action: 'Allow' } })],
      /spec\.cases\[1\]\.request: has json and body: write at most one/,
    ],
    'a resource that the cluster would refuse': [
      () => [directory({ 'p.yaml': rules({ ...allow, methods: ['get'] }), 't.yaml': policyTest({}) })],
      /p\.yaml:\d+, document 1: AgentPolicy: spec\.rules\[0\]\.methods\[0\]: is no method/,
    ],
    'a List, whose items would be overlooked': [
      () => [
        directory({
          'p.yaml': { apiVersion: 'v1', kind: 'List', items: [rules(allow)] },
          't.yaml': policyTest({}),
        }),
      ],
      /p\.yaml:1, document 1: is a List: write its items as documents/,
    ],
    'a pattern that is none': [
      () => [
        directory({
          'p.yaml': rules({ ...allow, query: { fields: { q: { pattern: '(' } } } }),
          't.yaml': policyTest({}),
        }),
      ],
      /spec\.rules\[0\]\.query\.fields\[q\]\.pattern: is no RE2 pattern/,
    ],
    'a field that a resource does not have': [
      () => [directory({ 'p.yaml': rules({ ...allow, path: ['/'] }), 't.yaml': policyTest({}) })],
      /AgentPolicy: spec\.rules\[0\]\.path: is not a field of this kind/,
    ],
    'a field beside spec, which kubectl refuses': [
      () => [directory({ 'p.yaml': { ...rules(allow), sepc: {} }, 't.yaml': policyTest({}) })],
      /AgentPolicy: sepc: is not a field of this kind/,
    ],
    'a label that no object can have': [
      () => [
        directory({
          'p.yaml': { ...rules(allow), metadata: { name: 'p', labels: { team: 'a b' } } },
          't.yaml': policyTest({}),
        }),
      ],
      /AgentPolicy: metadata\.labels\.team: is no value of a label/,
    ],
    'text that kubectl reads as something else': [
      () => [
        directory({
          'p.yaml':
            'apiVersion: outrider.dev/v1alpha1\nkind: AgentPolicy\nmetadata: { name: p }\nspec:\n  agents: {}\n  rules:\n    - { name: r, action: Allow, hosts: [a.example], query: { fields: { a: { equals: yes } } } }\n',
          't.yaml': policyTest({}),
        }),
      ],
      /p\.yaml:7, document 1: yes without quotes is read in two ways/,
    ],
  };
  for (const [what, [args, message]] of Object.entries(cases)) {
    it(what, async () => {
      const { code, stdout, stderr } = await outrider('test', ...args());
      assert.match(stderr, message);
      assert.equal(code, 2);
      assert.equal(stdout, '');
      assert.doesNotMatch(stderr, /\n {4}at /, 'no stack');
    });
  }
});

describe('outrider test fails', () => {
  const fails: Record<string, [files: Record<string, unknown>, output: RegExp]> = {
    'for another action, and names the closest rule and its field': [
      {
        'p.yaml': rules(allow),
        't.yaml': policyTest({
          cases: [good, { name: 'writes', request: { method: 'PUT', url }, expect: { action: 'Allow' } }],
        }),
      },
      /✖ writes\n +expected {2}Allow\n +got {7}Deny no_grant\n +closest {3}p\/read: methods: The rule allows GET, not PUT\.\n +at {8}.*t\.yaml:\d+\n/,
    ],
    'for another reason': [
      {
        'p.yaml': rules(allow),
        't.yaml': policyTest({
          cases: [
            good,
            {
              name: 'c',
              request: { url: 'https://a.example/' },
              expect: { action: 'Deny', reason: 'denied_by_rule' },
            },
          ],
        }),
      },
      /expected {2}Deny denied_by_rule\n +got {7}Deny no_grant/,
    ],
    'for another rule, and says what that one lacks': [
      {
        'p.yaml': rules(allow, { ...allow, name: 'never', paths: ['/x'] }),
        't.yaml': policyTest({ cases: [{ ...good, expect: { action: 'Allow', rule: 'p/never' } }] }),
      },
      /expected {2}Allow by p\/never\n +got {7}Allow by p\/read\n +rule {6}p\/never: paths: .*\/x.*, not \/items\./,
    ],
    'for a rule that no policy of the agent has': [
      {
        'p.yaml': rules(allow),
        't.yaml': policyTest({ cases: [{ ...good, expect: { action: 'Allow', rule: 'p/gone' } }] }),
      },
      /rule {6}no policy that selects this agent has p\/gone/,
    ],
    'for a credential that was not to be there': [
      {
        'p.yaml': rules({ ...allow, credential: 'c' }),
        'c.yaml': credential({}),
        't.yaml': policyTest({ cases: [{ ...good, expect: { action: 'Allow', credential: null } }] }),
      },
      /expected {2}Allow without a credential\n +got {7}Allow by p\/read with the credential c/,
    ],
    'for an allow that was to be a Deny, and names the guard that came closest': [
      {
        'p.yaml': rules(allow, { name: 'stop', action: 'Deny', methods: ['DELETE'] }),
        't.yaml': policyTest({ cases: [{ ...good, expect: { action: 'Deny' } }] }),
      },
      /got {7}Allow by p\/read\n +closest {3}p\/stop: methods: .*not GET/,
    ],
    'for rules that no case reaches, a grant and a guard': [
      {
        'p.yaml': rules(
          allow,
          { ...allow, name: 'other', paths: ['/x'] },
          { name: 'stop', action: 'Deny', methods: ['DELETE'] },
        ),
        't.yaml': policyTest({}),
      },
      /rules that cases reach\n {2}✖ AgentPolicy default\/p: other\n.*unreached.*\n +at {8}.*p\.yaml:\d+\n {2}✖ AgentPolicy default\/p: stop\n/s,
    ],
    'for a guard that another one always precedes': [
      {
        'p.yaml': rules(
          allow,
          { name: 'a', action: 'Deny', methods: ['DELETE'] },
          { name: 'b', action: 'Deny', methods: ['DELETE'] },
        ),
        't.yaml': policyTest({
          cases: [
            good,
            { name: 'c', request: { method: 'DELETE', url }, expect: { action: 'Deny', rule: 'p/a' } },
          ],
        }),
      },
      /✖ AgentPolicy default\/p: b\n/,
    ],
    'for a counter that no limit has': [
      { 'p.yaml': rules(allow), 't.yaml': policyTest({ used: { 'p/read/day': 3 } }) },
      /used {6}p\/read\/day is no limit of this agent's rules; there are none/,
    ],
    'when a selector goes by labels of a namespace that nobody names': [
      {
        'p.yaml': rules(allow, { name: 'private', action: 'Allow', destination: 'd' }),
        'd.yaml': destination({
          host: { name: 'w.example', port: 1, cidrs: ['10.0.0.0/8'] },
          namespaceSelector: { matchLabels: { team: 'a' } },
        }),
        't.yaml': policyTest({}),
      },
      /AgentDestination d selects namespaces by label, and nobody says which labels default has: write spec\.agent\.namespaceLabels/,
    ],
    'for a finding that blocks': [
      {
        'p.yaml': rules(allow),
        'c.yaml': credential({ source: { vault: { role: 'r', kv: { mount: 's', path: 'p', field: 'f' } } } }),
        't.yaml': policyTest({}),
      },
      /lint\n {2}✖ AgentCredential default\/c: spec\.source\.vault\.store\n +StoreNotFound names no AgentSecretStore/,
    ],
  };
  for (const [what, [files, output]] of Object.entries(fails)) {
    it(what, async () => {
      const { code, stdout, stderr } = await outrider('test', directory(files));
      assert.match(stdout, output, stderr);
      assert.equal(code, 1);
    });
  }
});

describe('outrider test passes', () => {
  const stop = { name: 'stop', action: 'Deny', methods: ['DELETE'] };

  it('when every case is as expected and reaches every rule', async () => {
    const spec = {
      cases: [
        good,
        {
          name: 'stops',
          request: { method: 'DELETE', url },
          expect: { action: 'Deny', reason: 'denied_by_rule', rule: 'p/stop' },
        },
        {
          name: 'doubts',
          request: { url: 'https://api.example.com/a/../items' },
          expect: { action: 'Deny', reason: 'request_ambiguous' },
        },
      ],
    };
    const { code, stdout } = await outrider(
      'test',
      directory({ 'p.yaml': rules(allow, stop), 't.yaml': policyTest(spec) }),
    );
    assert.equal(
      stdout,
      'PolicyTest default/t\n  ✔ reads\n  ✔ stops\n  ✔ doubts\n\n3 cases, 2 rules: 5 good, 0 failed\n',
    );
    assert.equal(code, 0);
  });

  it('with rules that no case reaches, when told so', async () => {
    const { code, stdout } = await outrider(
      'test',
      '--allow-unreached',
      directory({ 'p.yaml': rules(allow, stop), 't.yaml': policyTest({}) }),
    );
    assert.match(stdout, /- AgentPolicy default\/p: stop\n.*1 skipped\n/s);
    assert.equal(code, 0);
  });

  it('with floors that no case reaches, and decides by them', async () => {
    const floors = directory({
      'f.yaml': clusterPolicy(
        { agents: {}, rules: [stop, { ...stop, name: 'more', methods: ['PUT'] }] },
        'floor',
      ),
    });
    const spec = {
      cases: [
        good,
        { name: 'floor', request: { method: 'DELETE', url }, expect: { action: 'Deny', rule: 'floor/stop' } },
      ],
    };
    const { code, stdout } = await outrider(
      'test',
      directory({ 'p.yaml': rules(allow), 't.yaml': policyTest(spec) }),
      '--with',
      floors,
    );
    assert.match(stdout, /2 cases, 1 rules: 3 good, 0 failed/);
    assert.equal(code, 0);
  });

  it('for the labels of pods and namespaces that select a policy and a floor', async () => {
    const files = {
      'p.yaml': policy({
        agents: { podSelector: { matchLabels: { app: 'a' } }, serviceAccounts: ['s'] },
        rules: [allow],
      }),
      'f.yaml': clusterPolicy(
        { agents: { namespaceSelector: { matchLabels: { team: 'x' } } }, rules: [stop] },
        'floor',
      ),
      'n.yaml': { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'default', labels: { team: 'x' } } },
      't.yaml': [
        policyTest({
          agent: { serviceAccount: 's', labels: { app: 'a' } },
          cases: [
            good,
            {
              name: 'floor',
              request: { method: 'DELETE', url },
              expect: { action: 'Deny', rule: 'floor/stop' },
            },
          ],
        }),
        {
          ...policyTest({
            agent: { serviceAccount: 's', namespaceLabels: {} },
            cases: [
              {
                name: 'nobody',
                request: { method: 'DELETE', url },
                expect: { action: 'Deny', reason: 'no_grant' },
              },
            ],
          }),
          metadata: { name: 'others' },
        },
      ],
    };
    const { code, stdout } = await outrider('test', directory(files));
    assert.equal(code, 0, stdout);
  });

  it('for limits, by what was used before', async () => {
    const limited = { ...allow, limits: [{ name: 'rate', max: 2, per: '1h' }] };
    const spec = {
      used: { 'p/read/rate': 1 },
      cases: [
        { name: 'the second', request: { url }, expect: { action: 'Allow' } },
        {
          name: 'the third',
          used: { 'p/read/rate': 2 },
          request: { url },
          expect: { action: 'Deny', reason: 'limit_exceeded', rule: 'p/read' },
        },
      ],
    };
    const { code, stdout } = await outrider(
      'test',
      directory({ 'p.yaml': rules(limited), 't.yaml': policyTest(spec) }),
    );
    assert.equal(code, 0, stdout);
  });

  it('for times, of the test and of a case', async () => {
    const during = { timeZone: 'Europe/Berlin', windows: [{ from: '08:00', to: '18:00' }] };
    const spec = {
      cases: [
        { name: 'in the morning', request: { url }, expect: { action: 'Allow' } },
        { name: 'at night', time: '2026-11-23T20:00:00+01:00', request: { url }, expect: { action: 'Deny' } },
      ],
    };
    const { code, stdout } = await outrider(
      'test',
      directory({ 'p.yaml': rules({ ...allow, during }), 't.yaml': policyTest(spec) }),
    );
    assert.equal(code, 0, stdout);
  });
});

describe('reports of outrider test', () => {
  const name = '<a & "b"> #1';
  const files = {
    'p.yaml': rules(allow, { name: 'stop', action: 'Deny', methods: ['DELETE'] }),
    't.yaml': policyTest({
      cases: [good, { name, request: { method: 'PUT', url }, expect: { action: 'Allow' } }],
    }),
  };

  it('are JUnit, which a name cannot break out of', async () => {
    const { code, stdout } = await outrider(
      'test',
      '--format',
      'junit',
      '--allow-unreached',
      directory(files),
    );
    assert.equal(code, 1);
    assert.match(
      stdout,
      /^<\?xml version="1\.0" encoding="UTF-8"\?>\n<testsuites name="outrider test" tests="4" failures="1" errors="0" skipped="1">/,
    );
    assert.match(
      stdout,
      /<testcase classname="PolicyTest default\/t" name="&lt;a &amp; &quot;b&quot;&gt; #1" file="[^"]*t\.yaml" line="\d+"><failure message="expected Allow; got Deny no_grant/,
    );
    assert.match(stdout, /<skipped message="unreached/);
  });

  it('never start a line with a name of others, which CI systems would take for a command', async () => {
    const evil = { name: 'a\n::add-mask::x', request: { method: 'PUT', url }, expect: { action: 'Allow' } };
    const p = rules(allow, {
      name: 'stop',
      action: 'Deny',
      methods: ['PUT'],
      message: 'No.\n::error::x\u202e',
    });
    for (const format of ['readable', 'tap', 'junit']) {
      const dir = directory({ 'p.yaml': p, 't.yaml': policyTest({ cases: [good, evil] }) });
      const { stdout } = await outrider('test', '--format', format, dir);
      assert.match(stdout, /::add-mask::x/);
      assert.doesNotMatch(stdout, /^\s*::/m, format);
    }
    const { stdout } = await outrider('explain', '-f', directory({ 'p.yaml': p }), 'PUT', url);
    assert.match(stdout, /^message {3}No\.\\n::error::x\\u\{202e\}\n/m);
  });

  it('are TAP 14', async () => {
    const { stdout } = await outrider('test', '--format', 'tap', '--allow-unreached', directory(files));
    assert.match(
      stdout,
      /^TAP version 14\n1\.\.4\nok 1 - PolicyTest default\/t: reads\nnot ok 2 - PolicyTest default\/t: <a & "b"> \\#1\n {2}---\n {2}expected: Allow\n/,
    );
    assert.match(stdout, /\nok 4 - rules that cases reach: .* # SKIP /);
  });

  it('go to a file, and are readable on the terminal beside', async () => {
    const { stdout } = await outrider(
      'test',
      '--format',
      'junit',
      '--output',
      'report.xml',
      directory(files),
    );
    assert.match(stdout, /2 cases, 2 rules: 2 good, 2 failed/);
    assert.match(readFileSync(join(folder, 'report.xml'), 'utf8'), /^<\?xml/);
  });
});

it('the PolicyTest of docs/cli.md is as the policies of examples/gitops decide', async () => {
  const [, block = ''] =
    /```yaml\n([^`]*kind: PolicyTest[^`]*)```/.exec(readFileSync(join(root, 'docs', 'cli.md'), 'utf8')) ?? [];
  const gitops = join(root, 'examples', 'gitops');
  const policies = readFileSync(join(gitops, 'teams/support/policies/refunds.yaml'), 'utf8');
  const name = directory({ 'p.yaml': policies, 't.yaml': block });
  const { code, stdout } = await outrider('test', name, '--with', join(gitops, 'clusters/prod/floor'));
  assert.match(stdout, /3 cases, 1 rules: 4 good, 0 failed/);
  assert.equal(code, 0);
});
