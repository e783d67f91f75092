import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { waitFor } from '../cluster/deadline.ts';
import { installChart, namespace, type InstalledChart } from '../support/installed-chart.ts';
import { kinds } from '../../policy/resources/kinds.ts';

const configuration = 'mutatingwebhookconfiguration/outrider';
const values = {
  defaultStore: {
    namespaceSelector: { matchLabels: { 'outrider.dev/agents': 'true' } },
    audience: 'outrider.dev/default',
    vault: { address: 'https://vault.vault.svc:8200', auth: { kubernetes: {} } },
  },
};

let chart: InstalledChart;

before(async () => {
  chart = await installChart(values);
});
after(() => chart?.cluster.stop());

describe('the installed chart', () => {
  test('has admission policies whose expressions the API server finds nothing wrong with', async () => {
    const { items } = await chart.read<{ items: { metadata: { name: string }; status?: { typeChecking?: object } }[] }>(
      'validatingadmissionpolicies',
    );
    assert.equal(items.length, 24);
    for (const { metadata, status } of items) assert.deepEqual(status?.typeChecking ?? {}, {}, metadata.name);
  });

  test('runs under the pod security level restricted', async () => {
    const level = 'pod-security.kubernetes.io/enforce=restricted';
    await chart.cluster.kubectl(['label', 'namespace', namespace, level]);
    await chart.cluster.kubectl(['delete', 'pods', '--all', '-n', namespace, '--grace-period=0']);
    await waitFor({ what: 'two pods of the operator', timeoutMs: 20_000, everyMs: 200 }, async () => {
      const { items } = await chart.read<{ items: object[] }>('pods', '-n', namespace);
      return items.length === 2;
    });
  });

  test('leaves the operator’s caBundle and CA as they are when it is upgraded', async () => {
    const caBundle = Buffer.from('-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n').toString('base64');
    const operations = [0, 1].map((index) => ({
      op: 'add',
      path: `/webhooks/${index}/clientConfig/caBundle`,
      value: caBundle,
    }));
    await chart.cluster.kubectl(['patch', configuration, '--type=json', '-p', JSON.stringify(operations)]);
    const data = { 'ca-1.crt': Buffer.from('certificate').toString('base64') };
    await chart.cluster.kubectl(['patch', 'secret', 'outrider-ca', '-n', namespace, '-p', JSON.stringify({ data })]);
    await chart.upgrade({ ...values, webhook: { timeoutSeconds: 7 } });
    const { webhooks } = await chart.read<{
      webhooks: { timeoutSeconds: number; clientConfig: { caBundle: string } }[];
    }>(configuration);
    for (const { timeoutSeconds, clientConfig } of webhooks) {
      assert.deepEqual([timeoutSeconds, clientConfig.caBundle], [7, caBundle]);
    }
    assert.deepEqual((await chart.read('secret', 'outrider-ca', '-n', namespace))['data'], data);
  });

  test('brings the default store, and an upgrade changes it in place', async () => {
    interface Store {
      metadata: { uid: string };
      spec: { audience: string };
    }
    const first = await chart.read<Store>('agentsecretstore', 'default');
    assert.equal(first.spec.audience, 'outrider.dev/default');
    await chart.upgrade({ defaultStore: { ...values.defaultStore, audience: 'outrider.dev/other' } });
    const second = await chart.read<Store>('agentsecretstore', 'default');
    assert.deepEqual([second.metadata.uid, second.spec.audience], [first.metadata.uid, 'outrider.dev/other']);
  });

  test('leaves the CRDs, and with them every policy, when it is uninstalled', async () => {
    await chart.helm(['uninstall', 'outrider', '--namespace', namespace]);
    const { items } = await chart.read<{ items: object[] }>('customresourcedefinitions');
    assert.equal(items.length, Object.keys(kinds).length);
    await assert.rejects(chart.read(configuration), /NotFound/);
    await chart.upgrade(values);
  });
});
