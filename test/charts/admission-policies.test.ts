import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { waitFor } from '../cluster/deadline.ts';
import { installChart, namespace, operatorAccount, type InstalledChart } from '../support/installed-chart.ts';

const configuration = 'mutatingwebhookconfiguration/outrider';
const caBundle = Buffer.from(
  '-----BEGIN CERTIFICATE-----\nnobody checks more than that it is PEM\n-----END CERTIFICATE-----\n',
).toString('base64');

const change = (operations: object[], ...options: string[]): Promise<string> => {
  const what = [configuration, '--type=json', '-p', JSON.stringify(operations)];
  return chart.cluster.kubectl(['patch', ...what, `--as=${operatorAccount}`, ...options]);
};

let chart: InstalledChart;

before(async () => {
  chart = await installChart();
  // The API server takes a moment to compile a new policy.
  await waitFor({ what: 'the admission policy', timeoutMs: 20_000 }, async () => {
    const answer = change([{ op: 'add', path: '/metadata/labels/x', value: 'y' }], '--dry-run=server');
    return answer.then(
      () => false,
      () => true,
    );
  });
});
after(() => chart?.cluster.stop());

describe('in its webhook configuration the operator', () => {
  const refused: Record<string, { operations: object[]; says: RegExp }> = {
    'may not send pods elsewhere': {
      operations: [{ op: 'replace', path: '/webhooks/0/clientConfig/service/namespace', value: 'evil' }],
      says: /nothing but clientConfig.caBundle/,
    },
    'may not send pods to a URL': {
      operations: [
        { op: 'remove', path: '/webhooks/0/clientConfig/service' },
        { op: 'add', path: '/webhooks/0/clientConfig/url', value: 'https://evil.example' },
      ],
      says: /nothing but clientConfig.caBundle/,
    },
    'may not ask for Secrets': {
      operations: [{ op: 'replace', path: '/webhooks/0/rules/0/resources', value: ['secrets'] }],
      says: /nothing but clientConfig.caBundle/,
    },
    'may not ask for every namespace': {
      operations: [{ op: 'replace', path: '/webhooks/1/namespaceSelector', value: {} }],
      says: /nothing but clientConfig.caBundle/,
    },
    'may not let pods through unreviewed': {
      operations: [{ op: 'replace', path: '/webhooks/0/failurePolicy', value: 'Ignore' }],
      says: /nothing but clientConfig.caBundle/,
    },
    'may not drop what it is asked about': {
      operations: [{ op: 'remove', path: '/webhooks/1/matchConditions' }],
      says: /nothing but clientConfig.caBundle/,
    },
    'may not remove an entry': {
      operations: [{ op: 'remove', path: '/webhooks/1' }],
      says: /nothing but clientConfig.caBundle/,
    },
    'may not rename an entry': {
      operations: [{ op: 'replace', path: '/webhooks/0/name', value: 'other.outrider.dev' }],
      says: /nothing but clientConfig.caBundle/,
    },
    'may not change labels': {
      operations: [{ op: 'add', path: '/metadata/labels/evil', value: 'true' }],
      says: /may not change the metadata/,
    },
    'may not add annotations': {
      operations: [{ op: 'add', path: '/metadata/annotations', value: { evil: 'true' } }],
      says: /may not change the metadata/,
    },
  };
  for (const [sentence, { operations, says }] of Object.entries(refused)) {
    test(sentence, async () => {
      await assert.rejects(change(operations, '--dry-run=server'), says);
    });
  }

  test('may replace the caBundle', async () => {
    await change([{ op: 'add', path: '/webhooks/0/clientConfig/caBundle', value: caBundle }], '--dry-run=server');
  });

  test('may replace that of the one that validates, and nothing else', async () => {
    const validating = (operation: object): Promise<string> => {
      const what = ['validatingwebhookconfiguration/outrider', '--type=json', '-p', JSON.stringify([operation])];
      return chart.cluster.kubectl(['patch', ...what, `--as=${operatorAccount}`, '--dry-run=server']);
    };
    await validating({ op: 'add', path: '/webhooks/0/clientConfig/caBundle', value: caBundle });
    await assert.rejects(
      validating({ op: 'replace', path: '/webhooks/0/failurePolicy', value: 'Ignore' }),
      /nothing but clientConfig.caBundle/,
    );
  });

  test('is not the one that holds others back', async () => {
    const body = JSON.stringify([{ op: 'replace', path: '/webhooks/0/timeoutSeconds', value: 6 }]);
    await chart.cluster.kubectl(['patch', configuration, '--type=json', '-p', body, '--dry-run=server']);
  });

  test('is held to every field that the API has', async () => {
    const document = JSON.parse(
      await chart.cluster.kubectl(['get', '--raw', '/openapi/v3/apis/admissionregistration.k8s.io/v1']),
    ) as { components: { schemas: Record<string, { properties: Record<string, unknown> }> } };
    const fields = (type: string): string[] =>
      Object.keys(document.components.schemas[`io.k8s.api.admissionregistration.v1.${type}`]?.properties ?? {});
    const policy = JSON.stringify(await chart.read('validatingadmissionpolicy/outrider-own-webhook'));
    const compared = new Set([...policy.matchAll(/(?:new|new\.clientConfig)\.\??(\w+) ==/g)].map(([, name]) => name));
    const expected = [...fields('MutatingWebhook'), ...fields('WebhookClientConfig')].filter(
      (field) => field !== 'clientConfig' && field !== 'caBundle',
    );
    assert.deepEqual(compared, new Set(expected));
  });
});

test('the operator may not change which pods are admitted, and may count limits', async () => {
  const write = (name: string, ...how: string[]): Promise<string> => {
    const map = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace }, data: { level: 'cooperative' } };
    const as = [`--as=${operatorAccount}`, '--dry-run=server'];
    return chart.cluster.kubectl([...how, ...as, '-f', '-'], { stdin: JSON.stringify(map) });
  };
  await assert.rejects(
    write('outrider-admission', 'replace'),
    /the operator may not change which pods the admission policies let in/,
  );
  await write('outrider-limits', 'create');
});

describe('of a namespace, who may change it but is not of the platform', () => {
  const label = (what: string, ...options: string[]): Promise<string> =>
    chart.cluster.kubectl(['label', 'namespace', 'labelled', '--overwrite', what, ...options]);
  before(async () => {
    const { kubectl } = chart.cluster;
    await kubectl(['create', 'namespace', 'labelled']);
    await label('outrider.dev/inject=enabled');
    await kubectl(['create', 'clusterrole', 'labeller', '--verb=get,create,patch', '--resource=namespaces']);
    await kubectl(['create', 'clusterrolebinding', 'labeller', '--clusterrole=labeller', '--user=labeller']);
    await waitFor({ what: 'the role', timeoutMs: 10_000 }, () =>
      label('a=b', '--as=labeller').then(
        () => true,
        () => false,
      ),
    );
  });
  for (const what of ['inject-', 'opt-out=allowed', 'capture=cooperative', 'observe-until=2030-01-01']) {
    test(`K-19: may not weaken its agents by outrider.dev/${what}`, async () => {
      const key = what.replace(/(?:=.*|-)$/, '');
      await assert.rejects(
        label(`outrider.dev/${what}`, '--as=labeller'),
        (error: Error) =>
          error.message.includes(`metadata.labels[outrider.dev/${key}] must stay as it is`) &&
          error.message.includes('those who may update ClusterAgentPolicies (the role outrider-platform)'),
      );
    });
  }
  test('K-19: may not create one whose agents are weak', async () => {
    const manifest = {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name: 'weak', labels: { 'outrider.dev/capture': 'cooperative' } },
    };
    await assert.rejects(
      chart.cluster.kubectl(['create', '--as=labeller', '-f', '-'], { stdin: JSON.stringify(manifest) }),
      /metadata\.labels\[outrider\.dev\/capture\] must stay as it is/,
    );
  });
  test('may make it one of agents, have them captured, and set other labels', async () => {
    await label('outrider.dev/inject-');
    for (const what of ['outrider.dev/inject=enabled', 'outrider.dev/capture=captured', 'team=research']) {
      await label(what, '--as=labeller');
    }
  });
});

describe('a workload that carries the annotation itself', () => {
  const marked = (where: 'annotations' | 'labels') => ({ [where]: { 'outrider.dev/inject': 'true' } });
  const template = (metadata: object = {}) => ({
    metadata: { labels: { app: 'triage' }, ...metadata },
    spec: { restartPolicy: 'Always', containers: [{ name: 'agent', image: 'registry.example/triage:1' }] },
  });
  const workload = (kind: string, metadata: object, pod: object): Record<string, unknown> => ({
    apiVersion: 'apps/v1',
    kind,
    metadata: { name: 'triage', namespace: 'default', ...metadata },
    spec: { selector: { matchLabels: { app: 'triage' } }, template: pod },
  });
  const job = { ...template(), spec: { ...template().spec, restartPolicy: 'Never' } };
  const warned: Record<string, { manifest: object; says: string }> = {
    'is warned about on a Deployment': {
      manifest: workload('Deployment', marked('annotations'), template()),
      says: 'outrider.dev/inject on the Deployment itself has no effect: Outrider reads it from the pod template, so write it under spec.template.metadata.annotations',
    },
    'is warned about on a Deployment, as a label': {
      manifest: workload('Deployment', marked('labels'), template()),
      says: 'spec.template.metadata.labels',
    },
    'is warned about on a DaemonSet': {
      manifest: workload('DaemonSet', marked('annotations'), template()),
      says: 'on the DaemonSet itself',
    },
    'is warned about on a StatefulSet': {
      manifest: workload('StatefulSet', marked('annotations'), template()),
      says: 'on the StatefulSet itself',
    },
    'is warned about on a Job': {
      manifest: {
        apiVersion: 'batch/v1',
        kind: 'Job',
        metadata: { name: 'triage', ...marked('annotations') },
        spec: { template: { spec: job.spec } },
      },
      says: 'on the Job itself',
    },
    'is warned about on a CronJob': {
      manifest: {
        apiVersion: 'batch/v1',
        kind: 'CronJob',
        metadata: { name: 'triage', ...marked('annotations') },
        spec: { schedule: '0 0 * * *', jobTemplate: { spec: { template: job } } },
      },
      says: 'write it under spec.jobTemplate.spec.template.metadata.annotations',
    },
  };
  for (const [sentence, { manifest, says }] of Object.entries(warned)) {
    test(sentence, async () => {
      // kubectl turns the API server's warnings into a failure that repeats them.
      const answer = chart.cluster.kubectl(['create', '--dry-run=server', '--warnings-as-errors', '-f', '-'], {
        stdin: JSON.stringify(manifest),
      });
      await assert.rejects(answer, (error: Error) => error.message.includes(says));
    });
  }

  test('goes without a warning where its pod template carries it too, or neither does', async () => {
    for (const manifest of [
      workload('Deployment', marked('annotations'), template(marked('annotations'))),
      workload('Deployment', {}, template(marked('annotations'))),
      workload('Deployment', {}, template()),
    ]) {
      await chart.cluster.kubectl(['create', '--dry-run=server', '--warnings-as-errors', '-f', '-'], {
        stdin: JSON.stringify(manifest),
      });
    }
  });
});

