// Whoever has a token for a store's audience is the sidecar, as far as the store can tell; and whoever may read Secrets or
// make tokens needs none. On the real API server, with its own authorizer.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { waitFor } from '../cluster/deadline.ts';
import { installChart, namespace, type InstalledChart } from '../support/installed-chart.ts';

let chart: InstalledChart;

before(async () => {
  chart = await installChart();
  await chart.cluster.kubectl(['create', 'namespace', 'research']);
  await chart.cluster.kubectl(['create', 'serviceaccount', 'triage', '-n', 'research']);
  // The API server takes a moment to compile a new policy.
  await waitFor({ what: 'the admission policies', timeoutMs: 20_000 }, async () =>
    Promise.all([token('outrider.dev/vault'), create(asking('outrider.dev/vault'))]).then(
      () => false,
      () => true,
    ),
  );
});
after(() => chart?.cluster.stop());

function token(audience: string, ...options: string[]): Promise<string> {
  return chart.cluster.kubectl(['create', 'token', 'triage', '-n', 'research', '--audience', audience, ...options]);
}

const agent = { name: 'agent', image: 'registry.example/triage:1' };

function pod(metadata: object = {}, spec: object = {}): Record<string, unknown> {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'triage', namespace: 'research', ...metadata },
    spec: { serviceAccountName: 'triage', containers: [agent], ...spec },
  };
}

const source = (audience: string) => ({ serviceAccountToken: { audience, path: 'token' } });

function asking(audience: string, metadata: object = {}): Record<string, unknown> {
  const sources = [{ downwardAPI: { items: [] } }, source('other.example'), source(audience)];
  return pod(metadata, { volumes: [{ name: 'mine', projected: { sources } }] });
}

function create(manifest: object, ...options: string[]): Promise<string> {
  const where = ['create', '--dry-run=server', ...options, '-f', '-'];
  return chart.cluster.kubectl(where, { stdin: JSON.stringify(manifest) });
}

describe('a token for an audience of ours is refused', () => {
  for (const audience of ['outrider.dev/vault', 'outrider.dev/operator', 'outrider.dev/']) {
    test(`K-03: to whoever asks the API server for one, ${audience}`, async () => {
      await assert.rejects(token(audience), /spec.audiences names an audience under outrider.dev/);
    });
  }
  test('K-03: as one of several', async () => {
    await assert.rejects(token('other.example', '--audience', 'outrider.dev/vault'), /spec.audiences names/);
  });
  test('K-02: to a pod that no webhook looks at, between other sources', async () => {
    await assert.rejects(
      create(asking('outrider.dev/vault')),
      /spec\.volumes\[mine\] asks for a token with an audience under outrider\.dev/,
    );
  });
  test('K-02: to a pod that only says that it was injected', async () => {
    const labels = { 'outrider.dev/injected': 'true' };
    await assert.rejects(create(asking('outrider.dev/vault', { labels })), /spec\.volumes\[mine\]/);
  });
  test('K-02: to a pod of a namespace that is never looked at, whatever it asks', async () => {
    const metadata = { namespace: 'kube-public', annotations: { 'outrider.dev/inject': 'true' } };
    await chart.cluster.kubectl(['create', 'serviceaccount', 'triage', '-n', 'kube-public']);
    await assert.rejects(create(asking('outrider.dev/vault', metadata)), /spec\.volumes\[mine\]/);
  });
});

describe('an agent is warned about', () => {
  const injected = { labels: { 'outrider.dev/injected': 'true' } };
  const rights: Record<string, [verb: string, resource: string]> = {
    'read Secrets': ['get', 'secrets'],
    'list Secrets': ['list', 'secrets'],
    'make tokens of ServiceAccounts': ['create', 'serviceaccounts/token'],
    'exec into pods': ['create', 'pods/exec'],
    'add containers to pods': ['update', 'pods/ephemeralcontainers'],
    'create pods': ['create', 'pods'],
  };
  for (const [what, [verb, resource]] of Object.entries(rights)) {
    test(`K-03: whose ServiceAccount may ${what}`, async () => {
      const name = `may-${what.toLowerCase().replaceAll(' ', '-')}`;
      await chart.cluster.kubectl(['create', 'serviceaccount', name, '-n', 'research']);
      await chart.cluster.kubectl(['create', 'role', name, '-n', 'research', '--verb', verb, '--resource', resource]);
      const binding = ['rolebinding', name, '-n', 'research', '--role', name];
      await chart.cluster.kubectl(['create', ...binding, '--serviceaccount', `research:${name}`]);
      await assert.rejects(
        create(pod(injected, { serviceAccountName: name }), '--warnings-as-errors'),
        new RegExp(`the ServiceAccount ${name} may ${what} in research`),
      );
    });
  }
  test('and one whose ServiceAccount may nothing is not, nor is a pod that is no agent', async () => {
    await create(pod(injected), '--warnings-as-errors');
    await create(pod({}, { serviceAccountName: 'may-read-secrets' }), '--warnings-as-errors');
  });
});

describe('tokens are given', () => {
  test('for other audiences, and for none', async () => {
    assert.match(await token('vault'), /^eyJ/);
    assert.match(await chart.cluster.kubectl(['create', 'token', 'triage', '-n', 'research']), /^eyJ/);
  });
  test('for ours to kubelets, for pods of their own', async () => {
    const asKubelet = ['--as', 'system:node:n1', '--as-group', 'system:nodes'];
    // Its pod is not there: what stops it is no policy of ours.
    await assert.rejects(token('outrider.dev/vault', ...asKubelet), /^(?!.*spec.audiences names)/s);
  });
  test('to pods for other audiences', async () => {
    await create(asking('vault'));
  });
  test('to the replicas of the operator', async () => {
    await chart.cluster.kubectl(['create', 'serviceaccount', 'triage', '-n', namespace]);
    await create(asking('outrider.dev/operator', { namespace }));
  });
  test('to pods that the webhook looks at, which has its own say', async () => {
    await chart.cluster.kubectl(['delete', 'mutatingwebhookconfiguration', 'outrider']);
    const annotations = { 'outrider.dev/inject': 'true' };
    await create(asking('outrider.dev/vault', { annotations }));
    await chart.cluster.kubectl(['label', 'namespace', 'research', 'outrider.dev/inject=enabled']);
    await create(asking('outrider.dev/vault'));
  });
});
