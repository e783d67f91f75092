import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:tls';
import { createWebhookApp, type AdmissionOutcome } from '../../../operator/webhook/app.ts';
import type { PatchOperation } from '../../../operator/injector/patch.ts';
import { callHttps, type HttpsAnswer } from '../../cluster/https-call.ts';
import { countingIds, settings } from '../../golden/cases.ts';
import { applyPatch } from '../../support/apply-patch.ts';
import { createFixedAuthority } from '../../support/fixed-authority.ts';

const secret = 'hvs.CANARY';
const authority = createFixedAuthority(['localhost']);
const outcomes: AdmissionOutcome[] = [];
const failures: unknown[] = [];

const app = createWebhookApp({
  authority,
  settings,
  drawId: countingIds(),
  observe: (outcome) => outcomes.push(outcome),
  fail: (error) => failures.push(error),
  cluster: {
    namespaceLabels: async (namespace) => {
      if (namespace === 'broken') throw new Error(`token ${secret}`);
      return namespace === 'unknown' ? null : {};
    },
    stores: () => [],
    isInjected: async (_, name) => {
      if (name === 'unknown') throw new Error(`token ${secret}`);
      return name === 'injected';
    },
    destinations: () => [],
    credentials: () => [],
    policies: () => [],
  },
});

const agent = {
  metadata: { generateName: 'triage-', annotations: { 'outrider.dev/inject': 'true' } },
  spec: { containers: [{ name: 'agent', image: 'a' }] },
};

function reviewOf(object: unknown, request: object = {}): object {
  return {
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    request: {
      uid: 'f3a1',
      operation: 'CREATE',
      namespace: 'research',
      resource: { group: '', version: 'v1', resource: 'pods' },
      object,
      ...request,
    },
  };
}

let port = 0;
const call = (body: string, path = '/mutate', method = 'POST'): Promise<HttpsAnswer> =>
  callHttps({
    url: `https://localhost:${port}${path}`,
    caPem: authority.bundle(),
    method,
    headers: { 'content-type': 'application/json' },
    ...(method === 'GET' ? {} : { body }),
  });
const ask = async (review: object): Promise<Record<string, unknown>> => {
  const { status, text } = await call(JSON.stringify(review));
  assert.equal(status, 200, text);
  return (JSON.parse(text) as { response: Record<string, unknown> }).response;
};

before(async () => {
  await app.listen({ host: '127.0.0.1', port: 0 });
  port = (app.server.address() as AddressInfo).port;
});
after(() => app.close());
beforeEach(() => {
  outcomes.length = 0;
  failures.length = 0;
});

describe('the webhook answers 400 to', () => {
  const bodies: Record<string, { body: unknown; says: RegExp }> = {
    'what is no JSON': { body: '{', says: /JSON/ },
    'another kind of object': { body: { kind: 'Pod' }, says: /body|apiVersion/ },
    'another version of the review': {
      body: { ...reviewOf(agent), apiVersion: 'admission.k8s.io/v1beta1' },
      says: /apiVersion/,
    },
    'a review without a uid': { body: reviewOf(agent, { uid: '' }), says: /request\.uid/ },
    'an update': { body: reviewOf(agent, { operation: 'UPDATE' }), says: /request\.operation/ },
    'another resource': {
      body: reviewOf(agent, { resource: { group: 'apps', version: 'v1', resource: 'deployments' } }),
      says: /request\.resource\.group/,
    },
    'a subresource': { body: reviewOf(agent, { subResource: 'ephemeralcontainers' }), says: /subResource/ },
    'no pod at all': { body: reviewOf(null), says: /the pod cannot be read/ },
    'a pod without containers': { body: reviewOf({ metadata: {}, spec: {} }), says: /spec\.containers/ },
    'a container without a name': {
      body: reviewOf({ metadata: {}, spec: { containers: [{}] } }),
      says: /spec\.containers\.0\.name/,
    },
    'a key that would change prototypes': {
      body: '{"__proto__":{"request":1}}',
      says: /JSON/,
    },
    'a million brackets (K-34)': { body: '['.repeat(1_000_000), says: /JSON/ },
  };
  for (const [sentence, { body, says }] of Object.entries(bodies)) {
    test(sentence, async () => {
      const { status, text } = await call(typeof body === 'string' ? body : JSON.stringify(body));
      assert.equal(status, 400, text);
      assert.match(text, says);
    });
  }
});

describe('the validating webhook answers 400 to', () => {
  const connect = { operation: 'CONNECT', subResource: 'portforward', name: 'triage' };
  const bodies: Record<string, { request: object; says: RegExp }> = {
    'a deletion': { request: { operation: 'DELETE' }, says: /request\.operation/ },
    'another subresource of a change': {
      request: { operation: 'UPDATE', subResource: 'resize', oldObject: agent },
      says: /request\.subResource/,
    },
    'a change without what was before': {
      request: { operation: 'UPDATE' },
      says: /request\.oldObject|cannot be read/,
    },
    'a connection to something else': {
      request: { ...connect, subResource: 'log' },
      says: /request\.subResource/,
    },
    'a connection without a name': { request: { ...connect, name: '' }, says: /request\.name/ },
    'another resource': {
      request: { resource: { group: 'apps', version: 'v1', resource: 'deployments' } },
      says: /request\.resource/,
    },
  };
  for (const [sentence, { request, says }] of Object.entries(bodies)) {
    test(sentence, async () => {
      const { status, text } = await call(JSON.stringify(reviewOf(agent, request)), '/validate');
      assert.equal(status, 400, text);
      assert.match(text, says);
    });
  }
});

describe('the validating webhook', () => {
  const judge = async (review: object): Promise<Record<string, unknown>> => {
    const { status, text } = await call(JSON.stringify(review), '/validate');
    assert.equal(status, 200, text);
    return (JSON.parse(text) as { response: Record<string, unknown> }).response;
  };
  const injected = async (): Promise<object> => {
    const { patch } = await ask(reviewOf(agent));
    const operations = JSON.parse(Buffer.from(String(patch), 'base64').toString()) as PatchOperation[];
    return applyPatch(agent, operations);
  };

  test('lets what the mutating one wrote pass, and never patches', async () => {
    assert.deepEqual(await judge(reviewOf(await injected())), {
      uid: 'f3a1',
      allowed: true,
      auditAnnotations: { verdict: 'whole' },
    });
  });

  test('refuses a pod that asked and has no sidecar (K-34)', async () => {
    const response = await judge(reviewOf(agent));
    assert.equal(response['allowed'], false);
    assert.match(
      JSON.stringify(response['status']),
      /spec\.initContainers must begin with outrider-capture, outrider/,
    );
    assert.deepEqual(response['auditAnnotations'], { verdict: 'refused: not what was injected' });
  });

  test('answers 500, without the cause, when nobody can tell whether a pod is an agent’s (S-13)', async () => {
    const request = { operation: 'CONNECT', subResource: 'portforward', name: 'unknown' };
    const { status, text } = await call(JSON.stringify(reviewOf(null, request)), '/validate');
    assert.equal(status, 500);
    assert.deepEqual(JSON.parse(text), { message: 'the review failed' });
  });

  test('answers 99 of 100 reviews within 100 ms (I11; the budget is 20 ms)', async (t) => {
    const review = reviewOf(await injected());
    outcomes.length = 0;
    for (let count = 0; count < 300; count++) await judge(review);
    const durations = outcomes.map(({ durationMs }) => durationMs).toSorted((a, b) => a - b);
    const p99 = durations[Math.floor(durations.length * 0.99)] ?? Infinity;
    t.diagnostic(`p99 of a review: ${p99.toFixed(2)} ms`);
    assert.ok(p99 < 100, `${p99} ms`);
  });
});

describe('the webhook refuses', () => {
  test('a body beyond 3 MiB (K-34)', async () => {
    const padding = 'x'.repeat(3 * 1024 * 1024);
    const answer = await call(JSON.stringify(reviewOf(agent, { padding }))).catch((error: unknown) => error);
    // The server may end the connection before the client has sent it all.
    if (!(answer instanceof Error)) assert.equal((answer as HttpsAnswer).status, 413);
    assert.equal(outcomes.length, 0);
  });

  test('every other path and method', async () => {
    assert.equal((await call('', '/mutate', 'GET')).status, 404);
    assert.equal((await call('{}', '/validation')).status, 404);
  });

  test('a pod of a namespace that nobody knows', async () => {
    const response = await ask(reviewOf(agent, { namespace: 'unknown' }));
    assert.equal(response['allowed'], false);
    assert.match((response['status'] as { message: string }).message, /namespace unknown/);
  });

  test('with 500, and without the cause, when the cluster cannot be asked (S-13)', async () => {
    const { status, text } = await call(JSON.stringify(reviewOf(agent, { namespace: 'broken' })));
    assert.equal(status, 500);
    assert.deepEqual(JSON.parse(text), { message: 'the review failed' });
    assert.match(String(failures[0]), new RegExp(secret));
  });

  test('a pod that cannot be injected, and names field and fix (K-07)', async () => {
    const pod = { ...agent, spec: { ...agent.spec, shareProcessNamespace: true } };
    const response = await ask(reviewOf(pod));
    assert.deepEqual(
      { allowed: response['allowed'], status: response['status'], patch: response['patch'] },
      {
        allowed: false,
        status: {
          code: 403,
          reason: 'Forbidden',
          message:
            'outrider cannot inject this pod: spec.shareProcessNamespace must be false: the agent would see the files of the sidecar under /proc',
        },
        patch: undefined,
      },
    );
    assert.equal(outcomes[0]?.verdict, 'deny');
  });
});

describe('the webhook', () => {
  test('answers a pod that opted in with a patch, under the uid of the review', async () => {
    const response = await ask(reviewOf(agent));
    assert.equal(response['uid'], 'f3a1');
    assert.equal(response['allowed'], true);
    assert.equal(response['patchType'], 'JSONPatch');
    const operations = JSON.parse(Buffer.from(String(response['patch']), 'base64').toString()) as {
      path: string;
    }[];
    assert.ok(operations.some(({ path }) => path === '/spec/initContainers'));
    assert.deepEqual(response['auditAnnotations'], { verdict: 'injected: the pod asks for it' });
    const [outcome] = outcomes;
    assert.deepEqual(
      { ...outcome, durationMs: 0 },
      {
        namespace: 'research',
        pod: 'triage-',
        verdict: 'patch',
        note: 'injected: the pod asks for it',
        durationMs: 0,
      },
    );
  });

  test('lets a pod pass that nothing opts in, without a patch', async () => {
    const response = await ask(reviewOf({ ...agent, metadata: { name: 'web' } }));
    assert.deepEqual(response, {
      uid: 'f3a1',
      allowed: true,
      auditAnnotations: { verdict: 'not injected: neither the pod nor its namespace asks for it' },
    });
  });

  test('says in a warning, cut to what the API server takes, what it replaced', async () => {
    const name = 'a'.repeat(300);
    const container = { name, image: 'a', env: [{ name: 'HTTPS_PROXY', value: 'http://corp:1' }] };
    const response = await ask(reviewOf({ ...agent, spec: { containers: [container] } }));
    const [warning] = response['warnings'] as string[];
    assert.equal(warning?.length, 256);
    assert.match(warning, /^spec\.containers\[a+…$/);
  });

  test('serves a renewed certificate on new connections and keeps the old ones', async () => {
    const before_ = authority.bundle();
    const open = (ca: string) =>
      new Promise<ReturnType<typeof connect>>((resolve, reject) => {
        const socket = connect({ host: '127.0.0.1', port, ca, servername: 'localhost' }, () =>
          resolve(socket),
        );
        socket.on('error', reject);
      });
    const old = await open(before_);
    authority.renew();
    await assert.rejects(open(before_), /certificate|signature/);
    (await open(authority.bundle())).destroy();
    assert.equal(old.destroyed, false);
    old.destroy();
  });

  test('answers 99 of 100 reviews within 100 ms (I11; the budget is 20 ms)', async (t) => {
    for (let count = 0; count < 300; count++) await ask(reviewOf(agent));
    const durations = outcomes.map(({ durationMs }) => durationMs).toSorted((a, b) => a - b);
    const p99 = durations[Math.floor(durations.length * 0.99)] ?? Infinity;
    t.diagnostic(`p99 of a review: ${p99.toFixed(2)} ms`);
    assert.ok(p99 < 100, `${p99} ms`);
  });
});
