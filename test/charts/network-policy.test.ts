// The second fence, as a real API server reads it. Whether it holds is for a network plugin that enforces it.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { parse } from 'yaml';
import { containsRange, parseRange, type AddressRange } from '../../policy/address-ranges.ts';
import { specialRanges } from '../../policy/special-ranges.ts';
import { installChart, namespace, type InstalledChart } from '../support/installed-chart.ts';

const path = join(import.meta.dirname, '../../examples/network-policy/agents.yaml');

interface NetworkPolicy {
  readonly spec: {
    readonly podSelector: object;
    readonly ingress: readonly { from?: object[]; ports: { port: number | string }[] }[];
    readonly egress: readonly {
      readonly to?: readonly { readonly ipBlock?: { readonly cidr: string; readonly except?: readonly string[] } }[];
      readonly ports: readonly { readonly port: number | string }[];
    }[];
  };
}

let chart: InstalledChart;

before(async () => {
  chart = await installChart({
    networkPolicy: { enabled: true, apiServerCidrs: ['10.0.0.1/32', 'fd00::1/128'] },
    telemetry: { endpoint: 'https://collector.tracing:4318' },
  });
});
after(() => chart?.cluster.stop());

function range(text: string): AddressRange {
  const parsed = parseRange(text);
  assert.ok(parsed, text);
  return parsed;
}

describe('the policy for agents', () => {
  const { spec } = parse(readFileSync(path, 'utf8')) as NetworkPolicy;
  const blocks = spec.egress.flatMap(({ to = [] }) => to.flatMap(({ ipBlock }) => ipBlock ?? []));

  test('is one that the API server takes', async () => {
    await chart.cluster.kubectl(['create', 'namespace', 'research']);
    await chart.cluster.kubectl(['create', '-f', path]);
  });

  test('K-06: opens no range that the sidecar refuses', () => {
    assert.equal(blocks.length, 2);
    for (const special of specialRanges) {
      const open = blocks.filter(
        ({ cidr, except = [] }) =>
          containsRange(range(cidr), range(special.range)) &&
          !except.some((each) => containsRange(range(each), range(special.range))),
      );
      assert.deepEqual(open, [], special.range);
    }
  });

  test('closes no range that the sidecar opens', () => {
    for (const except of blocks.flatMap((block) => block.except ?? [])) {
      assert.ok(specialRanges.some((special) => containsRange(range(special.range), range(except))), except);
    }
  });

  test('K-35: lets nobody in, and agents out to public HTTPS alone', () => {
    assert.deepEqual(spec.ingress, []);
    for (const { to = [], ports } of spec.egress) {
      assert.ok(to.length > 0);
      if (to.some(({ ipBlock }) => ipBlock)) assert.deepEqual(ports, [{ protocol: 'TCP', port: 443 }]);
    }
  });
});

describe('the policy of the chart', () => {
  test('K-35: opens the operator’s streams to agents and replicas alone', async () => {
    const { spec } = await chart.read<NetworkPolicy>('networkpolicy', 'outrider', '-n', namespace);
    const [open, streams, ...more] = spec.ingress;
    assert.deepEqual(more, []);
    assert.deepEqual(
      open?.ports.map(({ port }) => port),
      ['webhook', 'health'],
    );
    assert.deepEqual(
      streams?.ports.map(({ port }) => port),
      ['control'],
    );
    assert.equal(streams?.from?.length, 2);
  });

  test('lets the operator out to the API server, its replicas, DNS and the collector', async () => {
    const { spec } = await chart.read<NetworkPolicy>('networkpolicy', 'outrider', '-n', namespace);
    assert.deepEqual(
      spec.egress.map(({ ports }) => ports.map(({ port }) => port)),
      [[443, 6443], ['control'], [53, 53], [4318]],
    );
    assert.deepEqual(spec.egress[0]?.to, [
      { ipBlock: { cidr: '10.0.0.1/32' } },
      { ipBlock: { cidr: 'fd00::1/128' } },
    ]);
  });

  test('selects the operator’s pods, whose ports it names', async () => {
    const { spec } = await chart.read<NetworkPolicy>('networkpolicy', 'outrider', '-n', namespace);
    const deployment = await chart.read<{
      spec: {
        selector: object;
        template: { spec: { containers: { ports: { name: string }[] }[] } };
      };
    }>('deployment', 'outrider', '-n', namespace);
    assert.deepEqual(spec.podSelector, deployment.spec.selector);
    const names = deployment.spec.template.spec.containers[0]?.ports.map(({ name }) => name);
    for (const { ports } of [...spec.ingress, ...spec.egress]) {
      for (const { port } of ports) assert.ok(typeof port === 'number' || names?.includes(port), String(port));
    }
  });

  test('is not there unless it is asked for', async () => {
    await chart.upgrade({ networkPolicy: { enabled: false } });
    await assert.rejects(chart.read('networkpolicy', 'outrider', '-n', namespace), /NotFound/);
  });
});
