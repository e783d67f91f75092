import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { clusterPolicy, credential, policy } from '../policy/resources/examples.ts';
import { createCommandLine } from './command-line.ts';

const { outrider, directory, folder, remove } = createCommandLine();
after(remove);

const url = 'https://api.example.com/items';
const read = {
  name: 'read',
  action: 'Allow',
  hosts: ['api.example.com'],
  methods: ['GET'],
  paths: ['/items'],
};

function rules(...all: readonly object[]): object {
  return policy({ agents: {}, rules: all });
}

function policyTest(...cases: readonly object[]): object {
  return {
    apiVersion: 'outrider.dev/v1alpha1',
    kind: 'PolicyTest',
    metadata: { name: 't' },
    spec: { cases },
  };
}

const reads = { name: 'reads', request: { url }, expect: { action: 'Allow' } };
const deletes = { name: 'deletes', request: { method: 'DELETE', url }, expect: { action: 'Deny' } };
const old = directory({ 'p.yaml': rules(read), 't.yaml': policyTest(reads, deletes) });

function line(fields: object): string {
  return JSON.stringify({
    time: '2026-11-21T12:00:00.000Z',
    kind: 'decision',
    decision: 'allow',
    method: 'GET',
    scheme: 'https',
    host: 'api.example.com',
    port: 443,
    path: '/items',
    requestBytes: 0,
    ...fields,
  });
}

describe('outrider diff refuses', () => {
  const cases: Record<string, [args: () => string[], message: RegExp]> = {
    'one directory': [() => [old], /write two directories, OLD and NEW\n\nUsage: outrider diff/],
    'a directory that does not exist': [() => [old, 'nowhere'], /nowhere does not exist/],
    'resources that the cluster would refuse': [
      () => [old, directory({ 'p.yaml': rules({ ...read, methods: ['get'] }) })],
      /AgentPolicy: spec\.rules\[0\]\.methods\[0\]: is no method/,
    ],
    'recorded lines that are none, with their number': [
      () => {
        writeFileSync(join(folder, 'bad.jsonl'), `${line({})}\n\n{"kind":"decision"}\n`);
        return [old, old, '--requests', 'bad.jsonl'];
      },
      /bad\.jsonl:3: is no decision line: time is missing or wrong/,
    ],
    'recorded lines that are not there': [() => [old, old, '--requests', 'gone'], /gone cannot be read/],
  };
  for (const [what, [args, message]] of Object.entries(cases)) {
    it(what, async () => {
      const { code, stderr } = await outrider('diff', ...args());
      assert.equal(code, 2);
      assert.match(stderr, message);
    });
  }
});

describe('outrider diff', () => {
  it('finds nothing between equals, nor when a rule only gets another name', async () => {
    const same = await outrider('diff', old, old);
    assert.equal(same.stdout, '2 requests: 0 are decided differently\n');
    assert.equal(same.code, 0);
    const renamed = await outrider('diff', old, directory({ 'p.yaml': rules({ ...read, name: 'other' }) }));
    assert.equal(renamed.code, 0, renamed.stdout);
  });

  it('finds what a rule opens, also by the tests of the old side alone', async () => {
    const { code, stdout } = await outrider(
      'diff',
      old,
      directory({ 'p.yaml': rules({ ...read, methods: ['GET', 'DELETE'] }) }),
    );
    assert.equal(
      stdout,
      'PolicyTest default/t: deletes\n  default/default  DELETE https://api.example.com/items\n  - Deny no_grant\n  + Allow by p/read\n\n2 requests: 1 are decided differently\n',
    );
    assert.equal(code, 1);
  });

  const changes: Record<string, [change: () => Record<string, unknown>, output: RegExp]> = {
    'a refusal for another reason': [
      () => ({ 'p.yaml': rules(read, { name: 'stop', action: 'Deny', methods: ['DELETE'] }) }),
      /- Deny no_grant\n {2}\+ Deny denied_by_rule by p\/stop\n/,
    ],
    'a credential that is put on': [
      () => ({ 'p.yaml': rules({ ...read, credential: 'c' }), 'c.yaml': credential({}) }),
      /- Allow by p\/read\n {2}\+ Allow by p\/read with the credential c\n/,
    ],
    'an approval': [
      () => ({ 'p.yaml': rules({ ...read, action: 'RequireApproval', approval: { groups: ['leads'] } }) }),
      /- Allow by p\/read\n {2}\+ Hold by p\/read, to be approved by leads\n/,
    ],
    'a limit': [
      () => ({ 'p.yaml': rules({ ...read, limits: [{ name: 'rate', max: 3, per: '1h' }] }) }),
      /\+ Allow by p\/read, limits rate: 1 of 3 requests per 3600s and Policy, then Deny\n/,
    ],
    'an answer of which only the status is left': [
      () => ({ 'p.yaml': rules({ ...read, response: { return: 'StatusOnly' } }) }),
      /\+ Allow by p\/read, status only\n/,
    ],
    'a halt': [
      () => ({ 'p.yaml': policy({ agents: {}, haltAgents: true, rules: [read] }) }),
      /\+ Deny halted by p\n/,
    ],
    'a floor': [
      () => ({
        'p.yaml': rules(read),
        'f.yaml': clusterPolicy({ agents: {}, rules: [{ name: 'f', action: 'Deny' }] }),
      }),
      /\+ Deny denied_by_rule by cp\/f\n/,
    ],
  };
  for (const [what, [change, output]] of Object.entries(changes)) {
    it(`finds ${what}`, async () => {
      const { code, stdout } = await outrider('diff', old, directory(change()));
      assert.match(stdout, output);
      assert.equal(code, 1);
    });
  }

  it('asks recorded requests, each once, and says what their lines do not hold', async () => {
    const lines = [
      line({}),
      line({ time: '2026-11-21T12:00:01.000Z' }),
      line({ method: 'POST', requestBytes: 7 }),
      line({ method: 'DELETE', decision: 'deny' }),
      line({ method: null, path: null, decision: 'deny' }),
      line({ path: '/a//b', decision: 'deny' }),
    ];
    writeFileSync(join(folder, 'lines.jsonl'), `${lines.join('\n')}\n`);
    const write = {
      name: 'write',
      action: 'Allow',
      hosts: ['api.example.com'],
      methods: ['POST'],
      body: { fields: { '/a': { equals: 'b' } } },
    };
    const [before, now] = [
      directory({ 'p.yaml': rules(read, write) }),
      directory({ 'p.yaml': rules({ ...read, paths: ['/other'] }, write) }),
    ];
    const { code, stdout } = await outrider('diff', before, now, '--requests', 'lines.jsonl');
    assert.match(
      stdout,
      /^recorded \(2\)\n {2}default\/default {2}GET https:\/\/api\.example\.com\/items\n {2}- Allow by p\/read\n {2}\+ Deny no_grant\n/,
    );
    assert.match(
      stdout,
      /3 requests: 1 are decided differently\n1 recorded requests are decided by a body, .*:\n {2}POST https:\/\/api\.example\.com\/items\n2 lines are of requests that no rule was asked about/,
    );
    assert.match(stdout, /without query and headers/);
    assert.equal(code, 1);
  });

  it('writes JSON for machines', async () => {
    const now = directory({ 'p.yaml': rules({ ...read, methods: ['GET', 'DELETE'] }) });
    const { code, stdout } = await outrider('diff', '--output', 'json', old, now);
    const { compared, differences } = JSON.parse(stdout) as {
      compared: number;
      differences: { source: string; before: { action: string }; after: { action: string; rule: string } }[];
    };
    assert.equal(compared, 2);
    assert.deepEqual(
      differences.map(({ source, before, after }) => [source, before.action, after.action, after.rule]),
      [['PolicyTest default/t: deletes', 'deny', 'allow', 'read']],
    );
    assert.equal(code, 1);
  });
});
