import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { controlPaths } from '../../../policy/contract.ts';
import { waitFor } from '../../cluster/deadline.ts';
import {
  startTestCluster,
  type AgentPod,
  type RunningReplica,
  type TestCluster,
} from '../operator-under-test.ts';
import { call, openStream, report, tryStream, type Answer, type OpenStream } from './sidecar-client.ts';

describe('who may open a ruleset stream', () => {
  let test: TestCluster;
  let replica: RunningReplica;
  let ca: string;
  let agent: AgentPod;
  let other: AgentPod;

  before(async () => {
    test = await startTestCluster();
    await test.createNamespace('team');
    agent = await test.createAgent({ namespace: 'team', name: 'agent' });
    other = await test.createAgent({ namespace: 'team', name: 'other' });
    replica = await test.startReplica();
    ca = await test.operatorCas();
  });

  after(() => test?.stop());

  const attempt = (token?: string): Promise<OpenStream | Answer> =>
    tryStream({ port: replica.ports.control, ca, ...(token === undefined ? {} : { token }) });

  async function refusal(answer: Promise<OpenStream | Answer>): Promise<string> {
    const outcome = await answer;
    if (!('status' in outcome)) {
      outcome.close();
      return 'a stream';
    }
    assert.equal(outcome.headers['content-type'], 'application/problem+json; charset=utf-8');
    return `${outcome.status} ${String(outcome.body['code'])}`;
  }

  const refusals: Readonly<Record<string, { token: () => Promise<string | undefined>; answer: string }>> = {
    'no token': { token: async () => undefined, answer: '401 TOKEN_MISSING' },
    'text that is no token': { token: async () => 'open-sesame', answer: '401 TOKEN_REFUSED' },
    'O-05: a token of another audience': {
      token: () => test.token(agent, { audience: 'outrider.dev/corp-vault' }),
      answer: '401 TOKEN_REFUSED',
    },
    'O-05: the pod’s general token for the API server': {
      token: () => test.token(agent, { audience: 'https://kubernetes.default.svc' }),
      answer: '401 TOKEN_REFUSED',
    },
    'O-05: a token that is bound to no pod': {
      token: () => test.token(agent, { bound: false }),
      answer: '403 TOKEN_NOT_POD_BOUND',
    },
    'O-05: a token whose claims were changed after it was signed': {
      token: async () => {
        const [head, payload = '', signature] = (await test.token(agent)).split('.');
        const claims = Buffer.from(payload, 'base64url').toString().replaceAll(agent.uid, other.uid);
        return [head, Buffer.from(claims).toString('base64url'), signature].join('.');
      },
      answer: '401 TOKEN_REFUSED',
    },
    'O-05: a token of a pod that was deleted': {
      token: async () => {
        const gone = await test.createAgent({ namespace: 'team', name: 'gone' });
        const token = await test.token(gone);
        await test.deletePod(gone);
        return token;
      },
      answer: '401 TOKEN_REFUSED',
    },
    'O-05: a token of a pod that was deleted and made anew under the same name': {
      token: async () => {
        const first = await test.createAgent({ namespace: 'team', name: 'reborn' });
        const token = await test.token(first);
        await test.deletePod(first);
        await test.createAgent({ namespace: 'team', name: 'reborn' });
        return token;
      },
      answer: '401 TOKEN_REFUSED',
    },
    'O-05: a token of a pod that is not injected': {
      token: async () =>
        test.token(
          await test.createAgent({
            namespace: 'team',
            name: 'plain',
            labels: { 'outrider.dev/injected': 'no' },
          }),
        ),
      answer: '403 POD_UNKNOWN',
    },
    'a token that has ended': { token: () => test.shortToken(agent, -5), answer: '401 TOKEN_REFUSED' },
  };

  for (const [what, { token, answer }] of Object.entries(refusals)) {
    it(`${what} is refused`, async () => {
      const shown = await token();
      const outcome = await refusal(attempt(shown));
      // A deletion reaches the API server's own lister, and ours, a moment after it was answered.
      if (outcome !== 'a stream' || !what.includes('deleted')) return assert.equal(outcome, answer);
      const refused = async (): Promise<boolean> => (await refusal(attempt(shown))) === answer;
      await waitFor({ what: `the refusal of ${what}`, timeoutMs: 5_000 }, refused);
    });
  }

  it('O-05: a token is its own pod’s and no other’s: the ruleset is of the pod in the token', async () => {
    const special = await test.createAgent({ namespace: 'team', name: 'special', serviceAccount: 'special' });
    const stream = await openStream({ port: replica.ports.control, ca, token: await test.token(special) });
    const { data } = await stream.ruleset('the ruleset', () => true);
    assert.deepEqual(data.ruleset.agent, { namespace: 'team', serviceAccount: 'special' });
    stream.close();
  });

  it('O-05: a pod has one stream: a second one ends the first', async () => {
    const token = await test.token(agent);
    const first = await openStream({ port: replica.ports.control, ca, token });
    await first.ruleset('the first', () => true);
    const second = await openStream({ port: replica.ports.control, ca, token });
    await second.ruleset('the second', () => true);
    await waitFor({ what: 'the end of the first', timeoutMs: 2_000 }, async () => first.endedAtMs() !== null);
    assert.equal(second.endedAtMs(), null);
    second.close();
  });

  it('a stream ends when its token does', async () => {
    const stream = await openStream({
      port: replica.ports.control,
      ca,
      token: await test.shortToken(agent, 3),
    });
    await stream.ruleset('the ruleset', () => true);
    await waitFor({ what: 'the end', timeoutMs: 6_000 }, async () => stream.endedAtMs() !== null);
  });

  it('a stream ends when its pod goes', async () => {
    const brief = await test.createAgent({ namespace: 'team', name: 'brief' });
    const stream = await openStream({ port: replica.ports.control, ca, token: await test.token(brief) });
    await stream.ruleset('the ruleset', () => true);
    await test.deletePod(brief);
    await waitFor({ what: 'the end', timeoutMs: 2_000 }, async () => stream.endedAtMs() !== null);
  });

  it('O-05: only a replica may post aggregates', async () => {
    const caller = { port: replica.ports.control, ca, token: await test.token(agent) };
    const answer = await call(caller, {
      path: controlPaths.aggregates,
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"agents":[]}',
    });
    assert.equal(`${answer.status} ${String(answer.body['code'])}`, '403 REPLICA_UNKNOWN');
  });

  const garbage: Readonly<Record<string, { body: string; answer: string }>> = {
    'no JSON': { body: '{', answer: '400 REQUEST_INVALID' },
    'no report': { body: '[]', answer: '400 REQUEST_INVALID' },
    'a state that is none': {
      body: '{"revision":"","credentials":[{"name":"a","state":"Broken"}]}',
      answer: '400 REQUEST_INVALID',
    },
    'O-04: a code that is a text': {
      body: '{"revision":"","credentials":[{"name":"a","state":"Failing","code":"the secret is hunter2"}]}',
      answer: '400 REQUEST_INVALID',
    },
    'more credentials than any agent has': {
      body: JSON.stringify({
        revision: '',
        credentials: Array.from({ length: 300 }, (_, index) => ({ name: `c${index}`, state: 'Resolved' })),
      }),
      answer: '400 REQUEST_INVALID',
    },
    'too much': {
      body: JSON.stringify({ revision: 'x'.repeat(70_000), credentials: [] }),
      answer: '413 BODY_TOO_LARGE',
    },
  };
  for (const [what, { body, answer }] of Object.entries(garbage)) {
    it(`a report that is ${what} is refused`, async () => {
      const outcome = await report({ port: replica.ports.control, ca, token: await test.token(agent) }, body);
      assert.equal(`${outcome.status} ${String(outcome.body['code'])}`, answer);
    });
  }

  it('the answer to a bad report names the field and repeats no value', async () => {
    const token = await test.token(agent);
    const body = { revision: '', credentials: [{ name: 'a', state: 'Failing', code: 'hunter2' }] };
    const outcome = await report({ port: replica.ports.control, ca, token }, body);
    assert.match(String(outcome.body['detail']), /^credentials\[0\]\.code: /);
    assert.doesNotMatch(JSON.stringify(outcome.body), /hunter2/);
  });

  for (const watermark of [
    '{',
    '[]',
    '{"AgentPolicy":7}',
    '{"AgentPolicy":"-1"}',
    `"${'9'.repeat(3_000)}"`,
  ]) {
    it(`a watermark header that begins ${watermark.slice(0, 20)} is refused`, async () => {
      const token = await test.token(agent);
      const outcome = tryStream({ port: replica.ports.control, ca, token, watermark });
      assert.equal(await refusal(outcome), '400 REQUEST_INVALID');
    });
  }

  it('there is nothing at other paths and methods, whoever asks', async () => {
    const caller = { port: replica.ports.control, ca, token: await test.token(agent) };
    for (const [method, path] of [
      ['GET', '/'],
      ['POST', controlPaths.ruleset],
      ['GET', '/v1/ruleset/../reports'],
    ] as const) {
      const { status, body } = await call(caller, { path, method });
      assert.equal(`${status} ${String(body['code'])}`, '404 PATH_UNKNOWN', `${method} ${path}`);
    }
  });

  it('no token is in any log line', async () => {
    const token = await test.token(agent);
    const stream = await openStream({ port: replica.ports.control, ca, token });
    await stream.ruleset('the ruleset', () => true);
    await report({ port: replica.ports.control, ca, token }, '{"revision":"","credentials":[]}');
    await refusal(attempt(`${token}x`));
    stream.close();
    const log = replica.log();
    assert.ok(log.length > 1_000);
    for (const part of token.split('.').slice(1)) assert.ok(!log.includes(part));
    assert.doesNotMatch(log, /Bearer [\w-]/);
  });
});
