import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { parse, parseAllDocuments } from 'yaml';
import { parseConfig } from '../../operator/config.ts';
import { chartPath, createHelm, type Helm } from '../support/helm.ts';
import { kinds } from '../../policy/resources/kinds.ts';

interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly annotations?: Readonly<Record<string, string>> };
  readonly [field: string]: unknown;
}

const folder = mkdtempSync(join(tmpdir(), 'outrider-helm-'));
let helm: Helm;

before(async () => {
  helm = await createHelm(folder);
});
after(() => rmSync(folder, { recursive: true, force: true }));

async function render(values: object = {}): Promise<readonly Manifest[]> {
  const text = await helm(
    ['template', 'outrider', chartPath, '--namespace', 'outrider-system', '--values', '-'],
    JSON.stringify(values),
  );
  return parseAllDocuments(text).flatMap((document) => (document.toJS() as Manifest | null) ?? []);
}

const find = (manifests: readonly Manifest[], kind: string): Manifest => {
  const found = manifests.find((manifest) => manifest.kind === kind);
  assert.ok(found, kind);
  return found;
};

interface PodSpec {
  readonly containers: readonly {
    readonly image: string;
    readonly env: readonly { readonly name: string; readonly value?: string }[];
  }[];
  readonly volumes: readonly { readonly name: string }[];
}

async function operatorPod(values: object = {}): Promise<PodSpec> {
  const deployment = find(await render(values), 'Deployment');
  return (deployment['spec'] as { template: { spec: PodSpec } }).template.spec;
}

async function environment(values: object = {}): Promise<Record<string, string>> {
  const pod = await operatorPod(values);
  const fromThePod: Record<string, string> = {
    OUTRIDER_POD_NAME: 'outrider-1',
    OUTRIDER_POD_NAMESPACE: 'outrider-system',
    OUTRIDER_POD_IP: '10.0.0.1',
  };
  const { env = [] } = pod.containers[0] ?? {};
  return Object.fromEntries(env.map(({ name, value }) => [name, value ?? fromThePod[name] ?? '']));
}

describe('the chart refuses', () => {
  const refused: Record<string, { values: object; says: RegExp }> = {
    'a value that it does not have': { values: { replica: 2 }, says: /replica/ },
    'a misspelt value further down': { values: { sidecar: { memroy: '1Gi' } }, says: /memroy/ },
    'no replicas': { values: { replicas: 0 }, says: /replicas/ },
    'memory without a unit': { values: { sidecar: { memory: '128' } }, says: /sidecar.memory/ },
    'a lifetime in days': { values: { ca: { lifetime: '365d' } }, says: /ca.lifetime/ },
    'a digest that is none': { values: { images: { sidecar: { digest: 'latest' } } }, says: /digest/ },
    'spans over plain HTTP unless that is asked for (T-07)': {
      values: { telemetry: { endpoint: 'http://collector:4318' } },
      says: /telemetry/,
    },
    'a CA bundle that is no PEM': { values: { telemetry: { caBundle: 'x' } }, says: /caBundle/ },
    'a default store whose audience is not ours (K-02)': {
      values: { defaultStore: { namespaceSelector: {}, audience: 'vault', vault: {} } },
      says: /audience/,
    },
    'a default store without a Vault': {
      values: { defaultStore: { namespaceSelector: {}, audience: 'outrider.dev/default' } },
      says: /vault/,
    },
  };
  for (const [sentence, { values, says }] of Object.entries(refused)) {
    test(sentence, async () => {
      await assert.rejects(render(values), says);
    });
  }
});

describe('the chart', () => {
  test('passes helm lint', async () => {
    await helm(['lint', '--strict', chartPath]);
  });

  test('says of every value what it is for', () => {
    const lines = readFileSync(join(chartPath, 'values.yaml'), 'utf8').split('\n');
    const isComment = (line = ''): boolean => /^\s*#/.test(line);
    const undocumented = lines.filter(
      (line, index) => /^\w+:/.test(line) && !isComment(lines[index - 1]) && !isComment(lines[index + 1]),
    );
    assert.deepEqual(undocumented, []);
  });

  test('has a schema for every value and a value for every schema', () => {
    const values = parse(readFileSync(join(chartPath, 'values.yaml'), 'utf8')) as Record<string, unknown>;
    const schema = JSON.parse(readFileSync(join(chartPath, 'values.schema.json'), 'utf8')) as {
      properties: Record<string, unknown>;
    };
    assert.deepEqual(Object.keys(schema.properties).toSorted(), [...Object.keys(values), 'global'].toSorted());
  });

  test('never renders a caBundle of the webhook: it is the operator’s to write', async () => {
    const webhook = JSON.stringify(find(await render(), 'MutatingWebhookConfiguration'));
    assert.doesNotMatch(webhook, /caBundle/);
  });

  test('keeps the CRDs when it is uninstalled', async () => {
    const crds = (await render()).filter(({ kind }) => kind === 'CustomResourceDefinition');
    assert.equal(crds.length, Object.keys(kinds).length);
    for (const { metadata } of crds) assert.equal(metadata.annotations?.['helm.sh/resource-policy'], 'keep');
  });

  test('gives the operator settings that it takes, whatever the values', async () => {
    const caBundle = '-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n';
    const telemetry = { endpoint: 'https://collector.tracing:4318', caBundle };
    const config = parseConfig(await environment({ telemetry, images: { registry: 'registry.example:5000/team' } }));
    assert.equal(config.OUTRIDER_SIDECAR_IMAGE, 'registry.example:5000/team/outrider-sidecar:0.1.0');
    assert.equal(config.OUTRIDER_OTLP_ENDPOINT, 'https://collector.tracing:4318');
    assert.equal(config.OUTRIDER_OTLP_CA_FILE, '/etc/outrider/telemetry/ca.crt');
    assert.equal(parseConfig(await environment()).OUTRIDER_OTLP_ENDPOINT, null);
    const insecure = { telemetry: { endpoint: 'http://collector:4318', insecure: true } };
    assert.equal(parseConfig(await environment(insecure)).OUTRIDER_OTLP_INSECURE, 'true');
  });

  test('pins images by digest', async () => {
    const digest = `sha256:${'0'.repeat(64)}`;
    const pod = await operatorPod({ images: { operator: { digest, tag: '1.2.3' }, sidecar: { digest } } });
    assert.equal(pod.containers[0]?.image, `outrider-operator:1.2.3@${digest}`);
    const { OUTRIDER_SIDECAR_IMAGE } = await environment({ images: { sidecar: { digest } } });
    assert.equal(OUTRIDER_SIDECAR_IMAGE, `outrider-sidecar:0.1.0@${digest}`);
  });

  test('never lets the webhook see its own namespace and the system’s (K-34)', async () => {
    const manifests = await render({ webhook: { excludedNamespaces: ['storage'] } });
    const { webhooks } = find(manifests, 'MutatingWebhookConfiguration') as unknown as {
      webhooks: { namespaceSelector: { matchExpressions: { values: string[] }[] } }[];
    };
    for (const { namespaceSelector } of webhooks) {
      assert.deepEqual(namespaceSelector.matchExpressions[0]?.values, [
        'outrider-system',
        'kube-system',
        'kube-public',
        'kube-node-lease',
        'storage',
      ]);
    }
  });
});
