// Which container of an admitted pod can reach what: the volumes of secrets and the tokens on a real API server.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Container, Pod } from '../../../operator/injector/pod.ts';
import { policy } from '../resources.ts';
import { asks, podIn, startReviewedCluster, type ReviewedCluster } from './reviewed-cluster.ts';

const apiVersion = 'outrider.dev/v1alpha1';
const storeOf = (name: string, spec: object): object => ({
  apiVersion,
  kind: 'AgentSecretStore',
  metadata: { name },
  spec: { namespaceSelector: {}, audience: `outrider.dev/${name}`, ...spec },
});
const credentialOf = (name: string, source: object, more: object = {}): object => ({
  apiVersion,
  kind: 'AgentCredential',
  metadata: { name, namespace: 'plain' },
  spec: { source, allow: [{ hosts: ['api.example.com'] }], inject: { bearer: {} }, ...more },
});
const kv = { mount: 'secret', path: 'agents/a', field: 'token' };
const vault = { address: 'https://vault.vault.svc:8200' };
const aws = { region: 'eu-central-1' };

const stores = [
  storeOf('kubernetes', { vault: { ...vault, auth: { kubernetes: {} } } }),
  storeOf('approle', { vault: { ...vault, auth: { appRole: { secretId: { secret: 'vault-approle' } } } } }),
  storeOf('web-identity', { awsSecretsManager: aws }),
  storeOf('pod-identity', { awsSecretsManager: { ...aws, auth: { podIdentity: {} } } }),
  storeOf('static', { awsSecretsManager: { ...aws, auth: { staticKeys: { secret: 'aws-keys' } } } }),
];
const credentials = [
  credentialOf('kubernetes', { vault: { store: 'kubernetes', role: 'agents', kv } }),
  credentialOf('approle', { vault: { store: 'approle', role: '59d6d1ca', kv } }),
  credentialOf('static', { awsSecretsManager: { store: 'static', secretId: 'agents/stripe' } }),
  credentialOf('synced', { file: { path: 'token', volume: { secret: 'synced.by.external-secrets' } } }),
  credentialOf('mounted', { file: { path: 'key', volume: { csi: { secretProviderClass: 'vault' } } } }),
  credentialOf(
    'google',
    { file: { path: 'key.json', volume: { secret: 'google' } } },
    {
      inject: { googleServiceAccount: { scopes: ['https://www.googleapis.com/auth/calendar'] } },
      placeholderFile: { env: 'GOOGLE_APPLICATION_CREDENTIALS' },
    },
  ),
];
const policies = ['kubernetes', 'approle', 'static', 'synced', 'mounted', 'google'].map((name) =>
  policy({ namespace: 'plain', name, credential: name }),
);

const directories = [
  'csi.vault',
  'secret.aws-keys',
  'secret.google',
  'secret.synced.by.external-secrets',
  'secret.vault-approle',
];
const synced = 'outrider-secret-synced-by-external-secrets-d025eae3f8cd';

let cluster: ReviewedCluster;

before(async () => {
  cluster = await startReviewedCluster({ stores, credentials, policies });
});
after(() => cluster?.stop());

const image = 'registry.example/triage:1';
const agent = (more: object = {}): object => ({ name: 'agent', image, ...more });
const create = (spec: object = {}, annotations: object = {}): Promise<Pod> =>
  cluster.create(podIn('plain', { annotations: { ...asks, ...annotations } }, spec));
const containersOf = ({ spec }: Pod): readonly Container[] => [
  ...(spec.initContainers ?? []),
  ...spec.containers,
];

/** Every volume of ours but the one that agents read our CA from. */
function assertOursAlone(pod: Pod): void {
  const ours = (pod.spec.volumes ?? []).map(({ name }) => name).filter((name) => name.startsWith('outrider'));
  const [capture, sidecar, ...others] = containersOf(pod);
  assert.equal(capture?.name, 'outrider-capture');
  assert.equal(sidecar?.name, 'outrider');
  const mounts = (container: Container): string[] => (container.volumeMounts ?? []).map(({ name }) => name);
  assert.deepEqual(mounts(capture), ['outrider-keys']);
  assert.deepEqual(mounts(sidecar).toSorted(), ours.toSorted());
  for (const container of others) {
    const reached = mounts(container).filter((name) => name.startsWith('outrider'));
    assert.deepEqual(reached, ['outrider-trust'], container.name);
    assert.equal(container.volumeDevices, undefined);
  }
  const tokens = (pod.spec.volumes ?? []).find(({ name }) => name === 'outrider-tokens');
  const audiences = tokens?.projected?.sources?.map(
    ({ serviceAccountToken }) => serviceAccountToken?.audience,
  );
  assert.deepEqual(audiences, [
    'outrider.dev/operator',
    'outrider.dev/kubernetes',
    'pods.eks.amazonaws.com',
    'outrider.dev/web-identity',
  ]);
}

describe('the API server refuses', () => {
  const cases: Record<string, { spec: object; says: RegExp }> = {
    'a volume of the sidecar in an agent, by the name that it will have (K-01)': {
      spec: { containers: [agent({ volumeMounts: [{ name: synced, mountPath: '/secret' }] })] },
      says: /containers\[agent\]\.volumeMounts\[outrider-secret-.* must be removed/,
    },
    'one file of it, by subPath (K-01)': {
      spec: {
        containers: [agent({ volumeMounts: [{ name: synced, mountPath: '/secret', subPath: 'token' }] })],
      },
      says: /containers\[agent\]\.volumeMounts\[outrider-secret-.* must be removed/,
    },
    'the tokens in an init container, by subPathExpr (K-01)': {
      spec: {
        initContainers: [
          {
            name: 'fetch',
            image,
            volumeMounts: [{ name: 'outrider-tokens', mountPath: '/t', subPathExpr: '$(HOSTNAME)' }],
          },
        ],
      },
      says: /initContainers\[fetch\]\.volumeMounts\[outrider-tokens\] must be removed/,
    },
    'a volume of the sidecar as a device (K-01)': {
      spec: { containers: [agent({ volumeDevices: [{ name: synced, devicePath: '/dev/secret' }] })] },
      says: /containers\[agent\]\.volumeDevices\[outrider-secret-.* must be removed/,
    },
    'an ephemeral container with a volume of the sidecar (K-01)': {
      spec: {
        ephemeralContainers: [
          { name: 'debug', image, volumeMounts: [{ name: synced, mountPath: '/secret' }] },
        ],
      },
      says: /ephemeralContainers/,
    },
    'a volume under a name of ours (K-09)': {
      spec: { volumes: [{ name: synced, secret: { secretName: 'other' } }] },
      says: /spec\.volumes\[outrider-secret-.* differs from what the webhook writes/,
    },
    'a volume under a name that ours could have (K-09)': {
      spec: { volumes: [{ name: 'outrider-secret-mine', emptyDir: {} }] },
      says: /spec\.volumes\[outrider-secret-mine\] must have another name/,
    },
    'the audience of a store in a volume of the author, between others (K-02)': {
      spec: {
        volumes: [
          {
            name: 'mine',
            projected: {
              sources: [
                { downwardAPI: { items: [{ path: 'name', fieldRef: { fieldPath: 'metadata.name' } }] } },
                { configMap: { name: 'kube-root-ca.crt' } },
                { serviceAccountToken: { audience: 'vault', path: 'vault' } },
                { serviceAccountToken: { audience: 'outrider.dev/kubernetes', path: 'token' } },
              ],
            },
          },
        ],
      },
      says: /spec\.volumes\[mine\]\.projected must not ask for the audience outrider\.dev\/kubernetes/,
    },
    'the Secret that the sidecar reads, in a volume of the author (K-01)': {
      spec: { volumes: [{ name: 'mine', secret: { secretName: 'synced.by.external-secrets' } }] },
      says: /spec\.volumes\[mine\] must be removed: an AgentCredential or AgentSecretStore reads this secret/,
    },
    'the Secret that the sidecar reads, given to a driver of the node (K-01)': {
      spec: {
        volumes: [
          {
            name: 'mine',
            csi: { driver: 'smb.example', nodePublishSecretRef: { name: 'synced.by.external-secrets' } },
          },
        ],
      },
      says: /spec\.volumes\[mine\] must be removed: an AgentCredential or AgentSecretStore reads this secret/,
    },
    'the same by the driver that fills it (K-02)': {
      spec: {
        volumes: [
          {
            name: 'mine',
            csi: {
              driver: 'secrets-store.csi.k8s.io',
              readOnly: true,
              volumeAttributes: { secretProviderClass: 'vault' },
            },
          },
        ],
      },
      says: /spec\.volumes\[mine\] must be removed/,
    },
    'the secret_id that the sidecar logs in with, in a variable (K-01)': {
      spec: {
        containers: [
          agent({
            env: [{ name: 'ID', valueFrom: { secretKeyRef: { name: 'vault-approle', key: 'secret-id' } } }],
          }),
        ],
      },
      says: /containers\[agent\]\.env\[ID\] must be removed/,
    },
    'all keys that the sidecar logs in with, as variables (K-01)': {
      spec: { containers: [agent({ envFrom: [{ secretRef: { name: 'aws-keys' } }] })] },
      says: /containers\[agent\]\.envFrom\[aws-keys\] must be removed/,
    },
    'an AWS identity that the author wrote (K-05)': {
      spec: { containers: [agent({ env: [{ name: 'AWS_ROLE_ARN', value: 'arn:aws:iam::1:role/a' }] })] },
      says: /containers\[agent\]\.env\[AWS_ROLE_ARN\] must be removed: it gives the agent an AWS identity/,
    },
  };
  for (const [sentence, { spec, says }] of Object.entries(cases)) {
    test(sentence, async () => {
      await assert.rejects(create(spec), says);
    });
  }
});

describe('the API server admits', () => {
  test('secrets where the sidecar looks for them, whether or not they are there yet (K-01)', async () => {
    const pod = await create();
    assertOursAlone(pod);
    const paths = pod.spec.initContainers?.[1]?.volumeMounts?.map(({ mountPath }) => mountPath) ?? [];
    assert.deepEqual(
      paths.filter((path) => path.startsWith('/var/run/outrider/secrets/')),
      directories.map((directory) => `/var/run/outrider/secrets/${directory}`),
    );
    const sources = (pod.spec.volumes ?? []).flatMap(({ secret }) => (secret === undefined ? [] : [secret]));
    assert.ok(sources.every(({ optional, defaultMode }) => optional === true && defaultMode === 0o444));
    const keys = sources.map(({ secretName, items }) => [secretName, items?.map(({ key }) => key)]);
    assert.deepEqual(Object.fromEntries(keys), {
      'aws-keys': ['access-key-id', 'secret-access-key', 'session-token'],
      google: undefined,
      'synced.by.external-secrets': undefined,
      'vault-approle': ['secret-id'],
    });
    const status = JSON.parse(pod.metadata.annotations?.['outrider.dev/status'] ?? '') as object;
    assert.deepEqual(status, {
      ...status,
      stores: ['kubernetes', 'pod-identity', 'web-identity'],
      volumes: directories,
      placeholders: { GOOGLE_APPLICATION_CREDENTIALS: 'google' },
    });
  });

  test('a key file’s place in every agent container, with a warning where there was another', async () => {
    const keyFile = { name: 'GOOGLE_APPLICATION_CREDENTIALS', value: '/keys/google.json' };
    const spec = { containers: [agent({ env: [keyFile] }), { name: 'helper', image }] };
    for (const { name, env = [] } of (await create(spec)).spec.containers) {
      const value = env.find((variable) => variable.name === keyFile.name)?.value;
      assert.equal(value, '/var/run/outrider/trust/placeholder.google.json', name);
    }
    await assert.rejects(
      cluster.create(podIn('plain', { annotations: asks }, spec), '--warnings-as-errors'),
      /env\[GOOGLE_APPLICATION_CREDENTIALS\] is replaced by the placeholder of AgentCredential google/,
    );
  });

  const emptyDir = { name: 'work', emptyDir: {} };
  const mounted = { volumeMounts: [{ name: 'work', mountPath: '/work' }] };
  const own = { name: 'own', secret: { secretName: 'own' } };
  const containers: Record<string, object> = {
    'one container': { containers: [agent()] },
    'three containers': { containers: [agent(), { name: 'b', image }, { name: 'c', image }] },
    'an init container': { initContainers: [{ name: 'fetch', image }] },
    'a native sidecar of another': { initContainers: [{ name: 'mesh', image, restartPolicy: 'Always' }] },
    'all of these': {
      initContainers: [
        { name: 'fetch', image },
        { name: 'mesh', image, restartPolicy: 'Always' },
      ],
      containers: [agent(), { name: 'b', image }],
    },
    'variables of its own Secrets': {
      containers: [
        agent({
          envFrom: [{ secretRef: { name: 'own' } }],
          env: [{ name: 'OWN', valueFrom: { secretKeyRef: { name: 'own', key: 'a' } } }],
        }),
      ],
    },
  };
  const volumes: Record<string, { volumes?: object[]; mount?: object }> = {
    'no volumes': {},
    'a volume of its own': { volumes: [emptyDir], mount: mounted },
    'a Secret of its own': {
      volumes: [own],
      mount: { volumeMounts: [{ name: 'own', mountPath: '/own', subPath: 'a' }] },
    },
    'tokens and Secrets of its own in one volume': {
      volumes: [
        {
          name: 'own',
          projected: {
            sources: [
              { secret: { name: 'own' } },
              { serviceAccountToken: { audience: 'other.example', path: 't' } },
            ],
          },
        },
      ],
      mount: { volumeMounts: [{ name: 'own', mountPath: '/own' }] },
    },
  };
  const automount = { 'the pod’s token': true, 'no token': false };
  for (const [whose, shape] of Object.entries(containers)) {
    test(`pods with ${whose}, and none of their containers but ours mounts ours (K-01)`, async () => {
      for (const [with_, { volumes: list, mount = {} }] of Object.entries(volumes)) {
        for (const [token, automountServiceAccountToken] of Object.entries(automount)) {
          const spec = JSON.parse(
            JSON.stringify({ containers: [agent()], ...shape, automountServiceAccountToken, volumes: list }),
          ) as { containers: object[] };
          spec.containers = spec.containers.map((container) => ({ ...container, ...mount }));
          const pod = await create(spec);
          assert.doesNotThrow(() => assertOursAlone(pod), `${with_}, ${token}`);
        }
      }
    });
  }
});
