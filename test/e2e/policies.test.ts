// What policies say, in a real pod: bodies, MCP, limits that pods share, shadows, and a cluster's floor.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { stringify } from 'yaml';
import { waitFor } from '../cluster/deadline.ts';
import { startNode, type ClusterNode } from '../cluster/node.ts';
import { nodeSkipReason } from '../cluster/node-availability.ts';
import { createAgent, untilAnswer, type AgentHandle, type Answer } from './agent.ts';
import { applyExample, installOutrider } from './installation.ts';
import { untilRow } from './rows.ts';
import { startWiki, type Wiki } from './wiki.ts';

const wikiUrl = 'http://wiki.tools.svc:8080';
const grant = { action: 'Allow', destination: 'wiki' } as const;

const forms = {
  name: 'forms',
  ...grant,
  methods: ['POST'],
  paths: ['/forms'],
  body: { types: ['Form'], fields: { '/amount': { min: 1, max: 500 } } },
};
const counted = {
  name: 'counted',
  ...grant,
  paths: ['/counted'],
  limits: [{ name: 'hour', max: 20, per: '1h', scope: 'Policy' }],
};

function object(kind: string, name: string, spec: object): object {
  const isCluster = kind === 'ClusterAgentPolicy';
  const metadata = isCluster ? { name } : { name, namespace: 'research' };
  return { apiVersion: 'outrider.dev/v1alpha1', kind, metadata, spec };
}

describe('policies in a pod', { skip: nodeSkipReason() ?? false, timeout: 600_000 }, () => {
  let node: ClusterNode;
  let wiki: Wiki;
  let triage: AgentHandle;
  const kubectl = (...args: string[]) => node.kubectl(['-n', 'research', ...args], { timeoutMs: 100_000 });
  const apply = (value: object) => node.kubectl(['apply', '-f', '-'], { stdin: stringify(value) });
  const policy = (name: string, rules: readonly object[], rest: object = {}) =>
    apply(object('AgentPolicy', name, { agents: { serviceAccounts: ['triage'] }, ...rest, rules }));
  const hasCode = (code: string) => (answer: Answer) => answer.json.code === code;
  const isFound = ({ status }: Answer): boolean => status === 200;
  const post = (path: string, data: string, type: string) =>
    triage.curl(wikiUrl + path, ['-H', `content-type: ${type}`, '--data-binary', data]);
  const form = (data: string) => post('/forms', data, 'application/x-www-form-urlencoded');
  const call = (tool: string) => {
    const message = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: tool, arguments: {} } };
    return post('/mcp', JSON.stringify(message), 'application/json');
  };

  before(async () => {
    node = await startNode();
    await installOutrider(node);
    wiki = await startWiki(node);
    await kubectl('create', 'namespace', 'research');
    await kubectl('label', 'namespace', 'research', 'team=research');
    await applyExample(node, 'ten/09-wiki.yaml');
    await policy('more', [
      forms,
      counted,
      { name: 'pages', ...grant, methods: ['GET'], paths: ['/pages/**'] },
    ]);
    await applyExample(node, 'first-policy/agent.yaml');
    await kubectl('scale', 'deployment', 'triage', '--replicas=2');
    await kubectl('rollout', 'status', 'deploy/triage', '--timeout=90s');
    triage = createAgent(node, 'triage');
    await untilAnswer(triage, `${wikiUrl}/pages/1`, isFound, 20_000);
  });
  after(async () => {
    wiki?.close();
    await node?.stop();
  });

  it('a body that breaks its rule is refused with the field, and the server sees nothing of it', async () => {
    const seen = wiki.seen.length;
    const { status, json } = await form('amount=5000');
    assert.deepEqual([status, json.code], [403, 'no_grant'], JSON.stringify(json));
    assert.equal((json.closest as { field: string }).field, 'body.fields[/amount]');
    assert.equal((await form('amount=5&amount=5000')).status, 403);
    const long = await form(`amount=5&note=${'x'.repeat(70_000)}`);
    assert.deepEqual([long.status, long.json.code], [413, 'body_too_large']);
    assert.equal(wiki.seen.length, seen);
  });

  it('a body that keeps to it arrives byte for byte', async () => {
    const { status, text } = await form('amount=500&note=a%20b');
    assert.equal(status, 200, text);
    assert.equal(wiki.seen.at(-1)?.body, 'amount=500&note=a%20b');
  });

  it('recipe 9: a tool that is granted is called over plain HTTP, and another is refused', async () => {
    const refused = await call('delete_page');
    assert.deepEqual([refused.status, refused.json.code], [403, 'no_grant']);
    const { status, json } = await call('search_pages');
    assert.equal(status, 200, JSON.stringify(json));
    assert.match(wiki.seen.at(-1)?.body ?? '', /search_pages/);
    assert.ok(wiki.seen.every(({ body }) => !body.includes('delete_page')));
  });

  it('a limit of a policy is shared by its pods: together they never go beyond it', async (test) => {
    const pods = (await kubectl('get', 'pods', '-l', 'app=triage', '-o', 'name')).trim().split('\n');
    assert.equal(pods.length, 2);
    const script = `for i in $(seq 25); do curl -s -m 20 -o /dev/null -w '%{http_code}\\n' ${wikiUrl}/counted; done`;
    const outputs = await Promise.all(
      pods.map((pod) => kubectl('exec', pod, '-c', 'agent', '--', 'sh', '-c', script)),
    );
    const statuses = outputs.map((output) => output.trim().split('\n'));
    const allowed = statuses.map((each) => each.filter((status) => status === '200').length);
    const arrived = wiki.seen.filter(({ path }) => path === '/counted').length;
    test.diagnostic(`of 2 × 25 calls ${allowed.join(' and ')} were allowed`);
    assert.ok(arrived <= 20, `${arrived} arrived`);
    assert.equal(arrived, (allowed[0] ?? 0) + (allowed[1] ?? 0));
    // A share that waits unspent in one pod is lost to the other for a while, but not most of the limit.
    assert.ok(arrived >= 10, `only ${arrived} arrived`);
    const others = new Set(statuses.flat().filter((status) => status !== '200'));
    assert.ok(
      [...others].every((status) => status === '429' || status === '503'),
      [...others].join(),
    );
  });

  it('a policy in mode Audit changes nothing, and its status counts what it would have changed', async () => {
    await policy('draft', [{ name: 'pages', action: 'Deny', destination: 'wiki', paths: ['/pages/**'] }], {
      mode: 'Audit',
    });
    const shadow = async (): Promise<number> => {
      assert.equal((await triage.curl(`${wikiUrl}/pages/1`)).status, 200);
      const count = await kubectl('get', 'agpol', 'draft', '-o', 'jsonpath={.status.shadow.wouldDeny}');
      return Number(count);
    };
    await waitFor(
      { what: 'status.shadow', timeoutMs: 60_000, everyMs: 500 },
      async () => (await shadow()) > 0,
    );
    await kubectl('delete', 'agpol', 'draft');
  });

  it('what no rule grants is forwarded under observe-until, marked, and no longer once the label is gone', async () => {
    // A public address, as far as the sidecar can tell: without a rule no other is dialled.
    const publicAddress = '25.0.0.1';
    const addresses = JSON.stringify({ spec: { externalIPs: [publicAddress] } });
    await node.kubectl(['patch', 'service', '-n', 'tools', 'wiki', '-p', addresses]);
    const path = `http://${publicAddress}:8080/unruled`;
    assert.equal((await triage.curl(path)).json.code, 'no_grant');
    await kubectl('label', 'namespace', 'research', 'outrider.dev/observe-until=2999-12-31');
    await untilAnswer(triage, path, isFound, 40_000);
    const own = await triage.curl(path, ['-H', 'authorization: Bearer own']);
    assert.equal(own.status, 200, own.text);
    assert.equal(wiki.seen.at(-1)?.authorization, 'Bearer own');
    const logs = await kubectl('logs', '-l', 'app=triage', '-c', 'outrider', '--tail=50');
    assert.match(logs, /"decision":"allow".*"path":"\/unruled","status":200.*"observed":true/);
    await kubectl('label', 'namespace', 'research', 'outrider.dev/observe-until-');
    await untilAnswer(triage, path, hasCode('no_grant'), 20_000);
  });

  it("a cluster's policy stops what policies grant within a second, and kubectl shows it", async (test) => {
    const rule = { name: 'no-pages', action: 'Deny', destination: 'wiki', paths: ['/pages/**'] };
    const message = 'Pages are closed today.';
    const spec = { agents: {}, rules: [{ ...rule, message }] };
    assert.equal((await triage.curl(`${wikiUrl}/pages/1`)).status, 200);
    await apply(object('ClusterAgentPolicy', 'floor', spec));
    const { answer, tookMs } = await untilAnswer(
      triage,
      `${wikiUrl}/pages/1`,
      hasCode('denied_by_rule'),
      10_000,
    );
    assert.equal(answer.json.message, message);
    test.diagnostic(`refused ${tookMs} ms after kubectl apply had ended`);
    await untilRow(node, 'clusteragentpolicies/floor', { ready: 'True', agents: '2', rules: '1' });
    await node.kubectl(['delete', 'cagpol', 'floor']);
    await untilAnswer(triage, `${wikiUrl}/pages/1`, isFound, 10_000);
  });
});
