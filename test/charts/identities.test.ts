// Whoever has a token for a store's audience is the sidecar, as far as the store can tell; and whoever may read Secrets or
// make tokens needs none. On the real API server, with its own authorizer.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { waitFor } from '../cluster/deadline.ts';
import { chartOfInjectedPods, injectedPod } from '../support/injected-pod.ts';
import { installChart, namespace, type InstalledChart } from '../support/installed-chart.ts';

let chart: InstalledChart;

before(async () => {
  chart = await installChart({ ...chartOfInjectedPods, capture: { allowCooperative: true } });
  // Some of these pods ask for the sidecar, and no webhook runs.
  await chart.cluster.kubectl(['delete', 'mutatingwebhookconfiguration,validatingwebhookconfiguration', 'outrider']);
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
    await assert.rejects(create(asking('outrider.dev/vault', { labels })), /denied request/);
  });
  test('K-02: to a pod that opts out where it may, also when it says that it was injected', async () => {
    const { kubectl } = chart.cluster;
    await kubectl(['create', 'namespace', 'lenient']);
    await kubectl(['create', 'serviceaccount', 'triage', '-n', 'lenient']);
    await kubectl(['label', 'namespace', 'lenient', 'outrider.dev/inject=enabled', 'outrider.dev/opt-out=allowed']);
    const declining = { namespace: 'lenient', annotations: { 'outrider.dev/inject': 'false' } };
    await assert.rejects(create(asking('outrider.dev/vault', declining)), /spec\.volumes\[mine\] asks for a token/);
    const injected = injectedPod(pod({}, { automountServiceAccountToken: false }));
    await assert.rejects(
      create({ ...injected, metadata: { ...injected.metadata, ...declining } }),
      /spec\.volumes\[outrider-tokens\] asks for a token/,
    );
  });
  test('K-02: to a pod of a namespace that is never looked at, whatever it asks', async () => {
    const metadata = { namespace: 'kube-public', annotations: { 'outrider.dev/inject': 'true' } };
    await chart.cluster.kubectl(['create', 'serviceaccount', 'triage', '-n', 'kube-public']);
    await assert.rejects(create(asking('outrider.dev/vault', metadata)), /spec\.volumes\[mine\]/);
  });
});

const rights: readonly string[] = [
  'get secrets',
  'watch secrets',
  'create serviceaccounts/token',
  'impersonate serviceaccounts',
  'create pods',
  'patch pods',
  'patch pods/ephemeralcontainers',
  'create pods/exec',
  // Over a WebSocket it is a GET.
  'get pods/exec',
  'create pods/attach',
  'create pods/portforward',
  'get pods/proxy',
  'create deployments.apps',
  'patch cronjobs.batch',
  'create agentpolicies.outrider.dev',
  'update agentcredentials.outrider.dev',
  'bind roles.rbac.authorization.k8s.io',
  'create pods/binding',
];

const clusterWide: readonly string[] = [
  'get nodes/proxy',
  'impersonate users',
  'escalate clusterroles.rbac.authorization.k8s.io',
  'patch agentsecretstores.outrider.dev',
  'create agentdestinations.outrider.dev',
  'list secrets',
  'update validatingadmissionpolicies.admissionregistration.k8s.io',
  'delete validatingadmissionpolicybindings.admissionregistration.k8s.io',
  'create mutatingadmissionpolicies.admissionregistration.k8s.io',
  'create mutatingwebhookconfigurations.admissionregistration.k8s.io',
  'patch validatingwebhookconfigurations.admissionregistration.k8s.io',
  'patch nodes',
];

/** A ServiceAccount with that right alone. */
async function accountThatMay(right: string, scope: 'role' | 'clusterrole'): Promise<string> {
  const [verb = '', resource = ''] = right.split(' ');
  const name = `${scope}-${right.replaceAll(/[ /.]/g, '-')}`;
  const { kubectl } = chart.cluster;
  const where = scope === 'role' ? ['-n', 'research'] : [];
  await kubectl(['create', 'serviceaccount', name, '-n', 'research']);
  const rule = {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: scope === 'role' ? 'Role' : 'ClusterRole',
    metadata: { name },
    rules: [{ verbs: [verb], apiGroups: [resource.split('.').slice(1).join('.')], resources: [resource.split('.')[0]] }],
  };
  await kubectl(['create', ...where, '-f', '-'], { stdin: JSON.stringify(rule) });
  const account = [`--${scope}`, name, '--serviceaccount', `research:${name}`];
  await kubectl(['create', `${scope}binding`, name, ...where, ...account]);
  return name;
}

const agentPod = (name: string, level: 'captured' | 'cooperative') =>
  injectedPod(pod({}, { serviceAccountName: name, automountServiceAccountToken: false }), { level });

describe('a captured agent is refused', () => {
  for (const [scope, each] of [
    ['role', rights],
    ['clusterrole', clusterWide],
  ] as const) {
    for (const right of each) {
      test(`K-03: whose ServiceAccount may ${right}, by a ${scope}`, async () => {
        const name = await accountThatMay(right, scope);
        const [what = ''] = right.split('.');
        await assert.rejects(
          create(agentPod(name, 'captured')),
          (error: Error) =>
            error.message.includes(`spec.serviceAccountName ${name} may ${what}, and with that`) &&
            error.message.includes('take that right from it in RBAC, or name another ServiceAccount'),
        );
      });
    }
  }
  test('K-03: and a cooperative one is warned about', async () => {
    await chart.cluster.kubectl(['label', 'namespace', 'research', 'outrider.dev/capture=cooperative']);
    const cooperative = agentPod('role-get-secrets', 'cooperative');
    await create(cooperative);
    await assert.rejects(create(cooperative, '--warnings-as-errors'), /role-get-secrets may get secrets, and with that/);
    await chart.cluster.kubectl(['label', 'namespace', 'research', 'outrider.dev/capture-']);
  });
  test('but not one that may nothing, nor one that reads ConfigMaps and pods, nor a pod that is no agent', async () => {
    await create(agentPod('triage', 'captured'), '--warnings-as-errors');
    await chart.cluster.kubectl(['create', 'serviceaccount', 'viewer', '-n', 'research']);
    const viewer = ['--clusterrole', 'view', '--serviceaccount', 'research:viewer'];
    await chart.cluster.kubectl(['create', 'rolebinding', 'viewer', '-n', 'research', ...viewer]);
    await create(agentPod('viewer', 'captured'), '--warnings-as-errors');
    await create(pod({}, { serviceAccountName: 'role-get-secrets' }), '--warnings-as-errors');
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
  test('to pods for other audiences, and none to those that project nothing', async () => {
    await create(asking('vault'));
    await create(pod({}, { volumes: [{ name: 'mine', projected: {} }] }));
  });
  test('to the replicas of the operator', async () => {
    await chart.cluster.kubectl(['create', 'serviceaccount', 'triage', '-n', namespace]);
    await create(asking('outrider.dev/operator', { namespace }));
  });
  test('to pods that the webhook looks at, in the volume that is the sidecar’s', async () => {
    await create(agentPod('triage', 'captured'));
  });
});
