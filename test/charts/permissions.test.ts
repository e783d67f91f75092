import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { waitFor } from '../cluster/deadline.ts';
import { callHttps } from '../cluster/https-call.ts';
import { installChart, operatorAccount, type InstalledChart } from '../support/installed-chart.ts';

let chart: InstalledChart;

before(async () => {
  chart = await installChart();
});
after(() => chart?.cluster.stop());

/** What RBAC says of `verb group/resource[/subresource][:name] [in namespace]`; the core group is written as v1. */
async function isAllowed(user: string, what: string): Promise<boolean> {
  const [, verb, group, resource, subresource, name, inNamespace] =
    /^(\w+) ([\w.]+)\/(\w+)(?:\/(\w+))?(?::([\w-]+))?(?: in ([\w-]+))?$/.exec(what) ?? [];
  assert.ok(verb, what);
  const resourceAttributes = {
    verb,
    group: group === 'v1' ? '' : group,
    resource,
    subresource,
    name,
    namespace: inNamespace,
  };
  const { status, text } = await callHttps({
    url: `${chart.cluster.server}/apis/authorization.k8s.io/v1/subjectaccessreviews`,
    method: 'POST',
    caPem: chart.cluster.caPem,
    certPem: chart.cluster.admin.certPem,
    keyPem: chart.cluster.admin.keyPem,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SubjectAccessReview',
      spec: { user, resourceAttributes },
    }),
  });
  assert.equal(status, 201, text);
  return (JSON.parse(text) as { status: { allowed: boolean } }).status.allowed;
}

describe('the operator’s ServiceAccount', () => {
  const forbidden = [
    'get v1/secrets',
    'list v1/secrets',
    'watch v1/secrets in outrider-system',
    'get v1/secrets:other in outrider-system',
    'update v1/secrets:other in outrider-system',
    'get v1/secrets:outrider-ca in default',
    'create v1/secrets in outrider-system',
    'delete v1/secrets:outrider-ca in outrider-system',
    'get v1/pods in outrider-system',
    'create v1/pods in outrider-system',
    'create v1/pods/exec in outrider-system',
    'create v1/serviceaccounts/token in outrider-system',
    'get v1/configmaps in default',
    'update v1/configmaps in kube-system',
    'delete v1/configmaps in outrider-system',
    'patch v1/namespaces',
    'get v1/nodes/proxy',
    'patch v1/nodes/status',
    'update networking.k8s.io/servicecidrs',
    'create outrider.dev/agentpolicies',
    'update outrider.dev/agentcredentials',
    'patch outrider.dev/agentpolicies',
    'patch outrider.dev/agentsecretstores',
    'create outrider.dev/clusteragentpolicies',
    'patch outrider.dev/clusteragentpolicies',
    'patch admissionregistration.k8s.io/mutatingwebhookconfigurations:other',
    'update admissionregistration.k8s.io/mutatingwebhookconfigurations:outrider',
    'create admissionregistration.k8s.io/mutatingwebhookconfigurations',
    'patch admissionregistration.k8s.io/validatingwebhookconfigurations:other',
    'patch admissionregistration.k8s.io/validatingadmissionpolicies',
    'create authorization.k8s.io/subjectaccessreviews',
    'update coordination.k8s.io/leases:other in outrider-system',
    'create coordination.k8s.io/leases in default',
    'list events.k8s.io/events in default',
    'delete events.k8s.io/events in default',
    'create v1/events in default',
    'impersonate v1/serviceaccounts',
    'escalate rbac.authorization.k8s.io/clusterroles',
  ];
  for (const what of forbidden) {
    test(`may not ${what} (O-09)`, async () => {
      assert.equal(await isAllowed(operatorAccount, what), false);
    });
  }

  test('may do what it needs', async () => {
    for (const what of [
      'get v1/secrets:outrider-ca in outrider-system',
      'update v1/secrets:outrider-ca in outrider-system',
      'patch admissionregistration.k8s.io/mutatingwebhookconfigurations:outrider',
      'patch admissionregistration.k8s.io/validatingwebhookconfigurations:outrider',
      'patch outrider.dev/agentpolicies/status in default',
      'patch outrider.dev/clusteragentpolicies/status',
      'watch outrider.dev/clusteragentpolicies',
      'watch v1/pods',
      'watch v1/nodes',
      'list networking.k8s.io/servicecidrs',
      'create events.k8s.io/events in default',
      'patch events.k8s.io/events in default',
      'list v1/configmaps in outrider-system',
      'update v1/configmaps in outrider-system',
    ]) {
      assert.equal(await isAllowed(operatorAccount, what), true, what);
    }
  });
});

describe('the roles for people', () => {
  test('lets admins of a namespace write credentials, editors policies, and neither any store', async () => {
    for (const role of ['admin', 'edit', 'view']) {
      const binding = [role, '-n', 'default', `--clusterrole=${role}`, `--user=${role}`];
      await chart.cluster.kubectl(['create', 'rolebinding', ...binding]);
    }
    await waitFor({ what: 'the roles in those of Kubernetes', timeoutMs: 10_000 }, () =>
      isAllowed('admin', 'create outrider.dev/agentcredentials in default'),
    );
    const table = {
      'create outrider.dev/agentcredentials in default': [true, false, false],
      'update outrider.dev/agentpolicies in default': [true, true, false],
      'list outrider.dev/agentcredentials in default': [true, true, true],
      'patch outrider.dev/agentpolicies/status in default': [false, false, false],
      'create outrider.dev/agentsecretstores': [false, false, false],
      'create outrider.dev/agentdestinations': [false, false, false],
      'create outrider.dev/clusteragentpolicies': [false, false, false],
      'delete outrider.dev/clusteragentpolicies': [false, false, false],
      'get outrider.dev/clusteragentpolicies': [false, false, false],
      // Whoever may label a namespace may have its agents observed.
      'patch v1/namespaces in default': [false, false, false],
    };
    for (const [what, expected] of Object.entries(table)) {
      const answers = await Promise.all(['admin', 'edit', 'view'].map((user) => isAllowed(user, what)));
      assert.deepEqual(answers, expected, what);
    }
  });

  test('leaves the kinds of the cluster to those whom the platform binds, who get no status and no credential', async () => {
    const binding = ['platform', '--clusterrole=outrider-platform', '--user=platform'];
    await chart.cluster.kubectl(['create', 'clusterrolebinding', ...binding]);
    const table = {
      'create outrider.dev/clusteragentpolicies': true,
      'delete outrider.dev/agentsecretstores': true,
      'watch outrider.dev/agentdestinations': true,
      'patch outrider.dev/clusteragentpolicies/status': false,
      'create outrider.dev/agentcredentials in default': false,
      'list outrider.dev/agentpolicies': false,
    };
    await waitFor({ what: 'the binding', timeoutMs: 10_000 }, () =>
      isAllowed('platform', 'create outrider.dev/clusteragentpolicies'),
    );
    for (const [what, expected] of Object.entries(table)) {
      assert.equal(await isAllowed('platform', what), expected, what);
    }
  });
});
