// The product's story, on a real Kubernetes with a real Vault and a real Jaeger: an agent without any secret calls
// an API that rejects every token but Vault's.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { startNode, type ClusterNode } from '../cluster/node.ts';
import { nodeSkipReason } from '../cluster/node-availability.ts';
import { createAgent, untilAnswer, type AgentHandle, type Answer } from './agent.ts';
import { allowVaultLogin, applyExample, installOutrider } from './installation.ts';
import { fileSearch, placesThatLeak } from './leak-hunt.ts';
import { everythingObservable, spansOf } from './observation.ts';
import { untilRow, warningOf } from './rows.ts';
import { startTracker, type Tracker } from './tracker.ts';

describe('one request, end to end', { skip: nodeSkipReason() ?? false, timeout: 600_000 }, () => {
  let node: ClusterNode;
  let tracker: Tracker;
  let triage: AgentHandle;
  const tokens = {
    old: `old-${randomBytes(12).toString('hex')}`,
    new: `new-${randomBytes(12).toString('hex')}`,
  };
  const writeToken = (token: string) =>
    node.vault.request('PUT', 'secret/data/agents/tracker', { data: { token } });
  const kubectl = (...args: string[]) => node.kubectl(['-n', 'research', ...args], { timeoutMs: 100_000 });

  before(async () => {
    node = await startNode();
    await installOutrider(node);
    tracker = await startTracker(node, tokens.old);
    await writeToken(tokens.old);
    await allowVaultLogin(node, 'research-agents', { name: 'triage', namespace: 'research' });
    await kubectl('create', 'namespace', 'research');
    await kubectl('label', 'namespace', 'research', 'team=research');
    await applyExample(node, 'first-policy/platform.yaml', { caBundle: tracker.caPem });
    for (const file of ['credential', 'policy', 'agent'])
      await applyExample(node, `first-policy/${file}.yaml`);
    await kubectl('rollout', 'status', 'deploy/triage', '--timeout=90s');
    triage = createAgent(node, 'triage');
  });
  after(async () => {
    tracker?.close();
    await node?.stop();
  });

  it('an agent without any secret is answered 200, and the API saw the token that only Vault has', async () => {
    const { status, text } = await triage.curl('/issues', ['-H', 'authorization: Bearer anything']);
    assert.equal(status, 200, text);
    assert.equal(tracker.seen.at(-1)?.authorization, `Bearer ${tokens.old}`);
    const placeholder = 'outrider-placeholder.research.tracker';
    assert.equal((await triage.exec(['sh', '-c', 'echo $TRACKER_TOKEN'])).trim(), placeholder);
  });

  it('another path is refused, and the refusal names the rule that came closest', async () => {
    const { status, headers, json } = await triage.curl('/admin/users');
    assert.deepEqual([status, headers['content-type']], [403, ['application/problem+json']]);
    assert.equal(json.code, 'no_grant');
    const message = 'The rule allows /issues, /issues/**, not /admin/users.';
    assert.deepEqual(json.closest, { policy: 'triage', rule: 'issues', field: 'paths', message });
  });

  it('a Deny is refused with its rule, its policy and its words', async () => {
    const { status, json } = await triage.curl('/issues/drafts/7');
    assert.deepEqual([status, json.code], [403, 'denied_by_rule']);
    assert.deepEqual([json.policy, json.rule], ['triage', 'drafts-stay-closed']);
    assert.equal(json.message, 'Drafts are for people. Ask in the triage channel.');
  });

  it('the API saw nothing of what was refused', async () => {
    const seen = tracker.seen.length;
    for (const path of ['/admin', '/issues/drafts/1', '/issues/%2e%2e/admin', '/issues?last']) {
      await triage.curl(path, ['--path-as-is']);
    }
    assert.deepEqual(
      tracker.seen.slice(seen).map(({ path }) => path),
      ['/issues?last'],
    );
  });

  it('Jaeger has the trace of an allowed and of a refused request, from the agent through to the API', async () => {
    for (const path of ['/issues', '/issues/drafts/1']) {
      const traceId = randomBytes(16).toString('hex');
      const { status } = await triage.curl(path, ['-H', `traceparent: 00-${traceId}-00f067aa0ba902b7-01`]);
      const spans = await spansOf(node, traceId);
      const server = spans.find(({ kind }) => kind === 'server');
      const upstream = spans.find(({ kind }) => kind === 'client');
      assert.equal(server?.parentId, '00f067aa0ba902b7');
      assert.equal(server.tags['http.response.status_code'], status);
      assert.equal(server.tags['outrider.policy'], 'triage');
      if (status === 200) {
        assert.equal(server.tags['outrider.decision'], 'allow');
        assert.equal(server.tags['outrider.rule'], 'issues');
        assert.equal(server.tags['outrider.credential'], 'tracker');
        assert.equal(tracker.seen.at(-1)?.traceparent, `00-${traceId}-${upstream?.id}-01`);
      } else {
        assert.equal(server.tags['outrider.decision'], 'deny');
        assert.equal(server.tags['outrider.rule'], 'drafts-stay-closed');
        assert.equal(upstream, undefined);
      }
    }
  });

  it('kubectl shows what is ready, and for how many agents', async () => {
    await untilRow(node, 'agcred/tracker', {
      ready: 'True',
      reason: /\w/,
      bound: '1',
      resolved: '1',
      failing: '0',
    });
    await untilRow(node, 'agpol/triage', { ready: 'True', reason: /\w/, agents: '1', rules: '2' });
  });

  it('an agent that no policy selects is refused everything', async () => {
    await kubectl('create', 'deployment', 'stranger', '--image=localhost/node:26', '--', 'sleep', 'infinity');
    const template = {
      metadata: { annotations: { 'outrider.dev/inject': 'true' } },
      spec: { containers: [] as object[] },
    };
    template.spec.containers = [
      { name: 'node', $patch: 'delete' },
      { name: 'agent', image: 'localhost/node:26', command: ['sleep', 'infinity'] },
    ];
    await kubectl('patch', 'deployment', 'stranger', '-p', JSON.stringify({ spec: { template } }));
    await kubectl('rollout', 'status', 'deploy/stranger', '--timeout=60s');
    const { status, json } = await createAgent(node, 'stranger').curl('/issues');
    assert.deepEqual([status, json.code, json.closest], [403, 'no_grant', null]);
  });

  it('a policy that halts, and one that is deleted, take effect within 2 s', async (test) => {
    const code = (wanted: string) => (answer: Answer) => answer.json.code === wanted;
    await kubectl('patch', 'agpol', 'triage', '--type=merge', '-p', '{"spec":{"haltAgents":true}}');
    const halted = await untilAnswer(triage, '/issues', code('halted'), 2000);
    await kubectl('delete', 'agpol', 'triage');
    const gone = await untilAnswer(triage, '/issues', code('no_grant'), 2000);
    test.diagnostic(
      `halted after ${halted.tookMs} ms; refused ${gone.tookMs} ms after the policy was deleted`,
    );
    await applyExample(node, 'first-policy/policy.yaml');
    await untilAnswer(triage, '/issues', ({ status }) => status === 200, 10_000);
  });

  it('a token that was rotated in Vault is used at the next refresh', async () => {
    await writeToken(tokens.new);
    tracker.accept(tokens.new);
    await untilAnswer(triage, '/issues', ({ status }) => status === 200, 15_000);
    assert.equal(tracker.seen.at(-1)?.authorization, `Bearer ${tokens.new}`);
  });

  it('a path that Vault lacks, a role that it refuses and a bad field are named, with what is allowed', async () => {
    const kv = { mount: 'secret', path: 'agents/nowhere', version: 2, field: 'token' };
    const use = async (name: string, vault: object): Promise<void> => {
      await applyExample(node, 'first-policy/credential.yaml', { source: { vault } }, name);
      const rule = { name, action: 'Allow', destination: 'tracker', paths: [`/${name}`], credential: name };
      const patch = [{ op: 'add', path: '/spec/rules/-', value: rule }];
      await kubectl('patch', 'agpol', 'triage', '--type=json', '-p', JSON.stringify(patch));
    };
    await use('lost', { role: 'research-agents', kv });
    await use('stranger', { role: 'nobody', kv });
    await untilRow(node, 'agcred/lost', { ready: 'False', message: /spec\.source\.vault\.kv\.path/ });
    await untilRow(node, 'agcred/stranger', { ready: 'False', message: /spec\.source\.vault\.role/ });
    await assert.rejects(
      use('bad', { role: 'r', kv: { ...kv, version: 3 } }),
      /spec\.source\.vault\.kv\.version.*1.*2/s,
    );
  });

  it('a pod that nothing opts in is not touched, and an annotation in the wrong place gets a warning', async () => {
    await kubectl('run', 'bare', '--image=localhost/node:26', '--command', '--', 'sleep', 'infinity');
    assert.doesNotMatch(await kubectl('get', 'pod', 'bare', '-o', 'json'), /outrider/);
    await kubectl('create', 'deployment', 'plain', '--image=localhost/node:26', '--replicas=0');
    const misplaced = ['-n', 'research', 'annotate', 'deployment', 'plain', 'outrider.dev/inject=true'];
    assert.match(await warningOf(node, misplaced), /spec\.template\.metadata\.annotations/);
  });

  it('the agent cannot find the secret: not in a file, its environment, a process or an answer', async () => {
    for (const token of Object.values(tokens)) {
      const search = await triage.exec(['node', '-e', fileSearch([token])], 60_000);
      const { read, hits } = JSON.parse(search) as { read: number; hits: string[] };
      assert.ok(read > 50, `only ${read} files could be read`);
      assert.deepEqual(hits, []);
      const answers = {
        environment: await triage.exec(['env']),
        answer: (await triage.curl('/issues', ['-i'])).text,
      };
      assert.deepEqual(placesThatLeak(answers, token), []);
    }
  });

  it('nor can anybody in a log, an event, a status, a span or a metric', async () => {
    const places = await everythingObservable(node);
    for (const token of Object.values(tokens)) assert.deepEqual(placesThatLeak(places, token), []);
  });
});
