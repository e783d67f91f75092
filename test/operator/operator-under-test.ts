// The operator as it runs in a cluster, against a real API server: its own user with its own rights and no more, pods
// that exist as objects (there is no kubelet), and tokens that the API server signs for them.

import { createPrivateKey, randomUUID, sign } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fastify from 'fastify';
import { stringify } from 'yaml';
import { apiVersion, labels, operatorAudience } from '../../policy/contract.ts';
import { kinds } from '../../policy/resources/kinds.ts';
import { parseConfig } from '../../operator/config.ts';
import { createKubeClient, type KubeClient, type KubeObject } from '../../operator/kube/client.ts';
import { createReplica, type ReplicaTiming } from '../../operator/replica.ts';
import { startControlPlane, type ControlPlane } from '../cluster/control-plane.ts';
import { waitFor } from '../cluster/deadline.ts';
import { findFreePort } from '../cluster/free-port.ts';

export const operatorNamespace = 'outrider-system';
/** The name in the operator's certificate. */
export const serverName = `outrider.${operatorNamespace}.svc.cluster.local`;

/** What a test would otherwise wait for too long. */
export const fastTiming: ReplicaTiming = {
  watchSeconds: 2,
  watchProofMs: 4_000,
  statusIntervalMs: 500,
  gatherMs: 200,
  settleMs: 500,
  streams: { heartbeatMs: 1_000, slowMs: 2_000 },
  election: { leaseMs: 4_000, renewDeadlineMs: 3_000, retryMs: 500 },
};

export interface PreparedReplica {
  readonly name: string;
  readonly ports: { readonly webhook: number; readonly control: number; readonly health: number };
  /** What the chart would set. */
  readonly environment: Readonly<Record<string, string>>;
}

export interface RunningReplica extends Pick<PreparedReplica, 'name' | 'ports'> {
  /** All that it logged so far. */
  readonly log: () => string;
  stop(): Promise<void>;
}

export interface AgentPod {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly serviceAccount: string;
}

export interface TestCluster {
  readonly cluster: ControlPlane;
  readonly client: KubeClient;
  startReplica(options?: {
    readonly timing?: ReplicaTiming;
    readonly environment?: Readonly<Record<string, string>>;
  }): Promise<RunningReplica>;
  /** A pod, a token and free ports, for a test that starts the process itself. */
  prepareReplica(): Promise<PreparedReplica>;
  /** Path of the kubeconfig of the operator's user. */
  readonly kubeconfig: string;
  /** PEM of the operator's CAs, as the Secret has them. */
  operatorCas(): Promise<string>;
  apply(...objects: readonly object[]): Promise<void>;
  createNamespace(name: string, namespaceLabels?: Readonly<Record<string, string>>): Promise<void>;
  createAgent(agent: {
    readonly namespace: string;
    readonly name: string;
    readonly serviceAccount?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  }): Promise<AgentPod>;
  deletePod(pod: { readonly namespace: string; readonly name: string }): Promise<void>;
  /** Of the pod's ServiceAccount, bound to the pod unless `bound` is false. */
  token(pod: AgentPod, options?: { readonly audience?: string; readonly bound?: boolean }): Promise<string>;
  /** Such a token, signed with the cluster's key, that ends sooner than the API server's ten minutes. */
  shortToken(pod: AgentPod, seconds: number): Promise<string>;
  stop(): Promise<void>;
}

const rights = [
  { apiGroups: ['outrider.dev'], resources: ['*'], verbs: ['list', 'watch'] },
  {
    apiGroups: ['outrider.dev'],
    resources: [
      'agentcredentials/status',
      'agentpolicies/status',
      'clusteragentpolicies/status',
      'agentsecretstores/status',
      'agentdestinations/status',
    ],
    verbs: ['patch'],
  },
  { apiGroups: [''], resources: ['namespaces'], verbs: ['get', 'list', 'watch'] },
  { apiGroups: [''], resources: ['pods', 'nodes'], verbs: ['list', 'watch'] },
  { apiGroups: ['networking.k8s.io'], resources: ['servicecidrs'], verbs: ['list', 'watch'] },
  { apiGroups: ['authentication.k8s.io'], resources: ['tokenreviews'], verbs: ['create'] },
  {
    apiGroups: ['admissionregistration.k8s.io'],
    resources: ['mutatingwebhookconfigurations', 'validatingwebhookconfigurations'],
    verbs: ['get', 'patch'],
  },
  { apiGroups: [''], resources: ['secrets'], resourceNames: ['outrider-ca'], verbs: ['get', 'update'] },
  { apiGroups: [''], resources: ['configmaps'], verbs: ['list', 'create', 'update'] },
  { apiGroups: ['events.k8s.io'], resources: ['events'], verbs: ['create', 'patch'] },
  { apiGroups: ['coordination.k8s.io'], resources: ['leases'], verbs: ['create', 'get', 'update'] },
];

const namespaceObject = (name: string, namespaceLabels: Readonly<Record<string, string>> = {}): object => ({
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: { name, labels: namespaceLabels },
});

const surroundings = [
  namespaceObject(operatorNamespace),
  { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'outrider-ca', namespace: operatorNamespace } },
  { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'outrider', namespace: operatorNamespace } },
  {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'MutatingWebhookConfiguration',
    metadata: { name: 'outrider' },
  },
  {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'ValidatingWebhookConfiguration',
    metadata: { name: 'outrider' },
  },
  {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRole',
    metadata: { name: 'outrider' },
    rules: rights,
  },
  {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRoleBinding',
    metadata: { name: 'outrider' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'outrider' },
    subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'outrider' }],
  },
];

export async function startTestCluster(): Promise<TestCluster> {
  const cluster = await startControlPlane();
  const client = createKubeClient({ kubeconfig: cluster.kubeconfig });
  const kubeconfig = await cluster.kubeconfigFor({ user: 'outrider' });
  const replicas = new Set<RunningReplica>();
  let started = 0;

  async function apply(...objects: readonly object[]): Promise<void> {
    const stdin = objects.map((object) => stringify(object)).join('---\n');
    await cluster.kubectl(['apply', '--server-side', '-f', '-'], { stdin });
  }

  await cluster.kubectl(['apply', '-f', 'crds/']);
  await apply(...surroundings);
  await waitFor({ what: 'the kinds', timeoutMs: 20_000 }, async () =>
    Promise.all(
      Object.values(kinds).map(({ plural }) =>
        client.request({ method: 'GET', path: `/apis/${apiVersion}/${plural}` }),
      ),
    ),
  );

  async function post<T>(path: string, body: object): Promise<T> {
    return client.request<T>({ method: 'POST', path, body });
  }

  async function createPod(agent: Parameters<TestCluster['createAgent']>[0]): Promise<AgentPod> {
    const { namespace, name, serviceAccount = 'default' } = agent;
    await apply({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: serviceAccount, namespace } });
    const { metadata } = await post<KubeObject>(`/api/v1/namespaces/${namespace}/pods`, {
      metadata: {
        name,
        labels: { [labels.injected]: 'true', ...agent.labels },
        annotations: agent.annotations ?? {},
      },
      spec: { serviceAccountName: serviceAccount, containers: [{ name: 'agent', image: 'agent' }] },
    });
    return { namespace, name, uid: metadata.uid ?? '', serviceAccount };
  }

  async function token(
    { namespace, name, uid, serviceAccount }: AgentPod,
    {
      audience = operatorAudience,
      bound = true,
    }: { readonly audience?: string; readonly bound?: boolean } = {},
  ): Promise<string> {
    const answer = await post<{ readonly status: { readonly token: string } }>(
      `/api/v1/namespaces/${namespace}/serviceaccounts/${serviceAccount}/token`,
      {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenRequest',
        spec: {
          audiences: [audience],
          expirationSeconds: 600,
          ...(bound ? { boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name, uid } } : {}),
        },
      },
    );
    return answer.status.token;
  }

  async function shortToken(pod: AgentPod, seconds: number): Promise<string> {
    const [, payload = ''] = (await token(pod)).split('.');
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as Record<string, unknown>;
    const ends = { ...claims, jti: randomUUID(), exp: Math.floor(Date.now() / 1000) + seconds };
    const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    const signed = `${encode({ alg: 'ES256', typ: 'JWT' })}.${encode(ends)}`;
    const key = createPrivateKey(await readFile(cluster.apiServer.tokenKeyPath));
    const signature = sign('sha256', Buffer.from(signed), { key, dsaEncoding: 'ieee-p1363' });
    return `${signed}.${signature.toString('base64url')}`;
  }

  async function prepareReplica(): Promise<PreparedReplica> {
    const name = `outrider-${++started}`;
    const tokenFile = join(cluster.folder, `${name}.token`);
    const self = await createPod({
      namespace: operatorNamespace,
      name,
      serviceAccount: 'outrider',
      labels: { [labels.injected]: 'false' },
    });
    await writeFile(tokenFile, await token(self));
    const ports = {
      webhook: await findFreePort('127.0.0.1'),
      control: await findFreePort('127.0.0.1'),
      health: await findFreePort('127.0.0.1'),
    };
    const environment = {
      OUTRIDER_POD_NAME: name,
      OUTRIDER_POD_NAMESPACE: operatorNamespace,
      OUTRIDER_POD_IP: '127.0.0.1',
      OUTRIDER_KUBECONFIG: kubeconfig,
      OUTRIDER_TOKEN_FILE: tokenFile,
      OUTRIDER_SIDECAR_IMAGE: 'outrider-sidecar',
      OUTRIDER_DNS_SERVERS: '10.96.0.10',
      OUTRIDER_WEBHOOK_PORT: String(ports.webhook),
      OUTRIDER_CONTROL_PORT: String(ports.control),
      OUTRIDER_HEALTH_PORT: String(ports.health),
      OUTRIDER_LOG_LEVEL: 'trace',
    };
    return { name, ports, environment };
  }

  async function startReplica(
    options: Parameters<TestCluster['startReplica']>[0] = {},
  ): Promise<RunningReplica> {
    const { name, ports, environment } = await prepareReplica();
    const config = parseConfig({ ...environment, ...options.environment });
    const lines: string[] = [];
    const { log } = fastify({
      logger: { level: 'trace', stream: { write: (line: string) => void lines.push(line) } },
    });
    const replica = await createReplica(config, log, options.timing ?? fastTiming);
    const running: RunningReplica = {
      name,
      ports,
      log: () => lines.join(''),
      stop: async () => {
        if (!replicas.delete(running)) return;
        await replica.stop();
      },
    };
    replicas.add(running);
    const late = new Promise<never>((_, reject) => {
      setTimeout(
        () => reject(new Error(`${name} does not serve after 30 s\n${lines.slice(-20).join('')}`)),
        30_000,
      ).unref();
    });
    await Promise.race([replica.start(), late]);
    return running;
  }

  return {
    cluster,
    client,
    kubeconfig,
    prepareReplica,
    startReplica,
    operatorCas: async () => {
      const path = `/api/v1/namespaces/${operatorNamespace}/secrets/outrider-ca`;
      const secret = await client.request<{ readonly data?: Readonly<Record<string, string>> }>({
        method: 'GET',
        path,
      });
      return Object.entries(secret.data ?? {})
        .filter(([name]) => name.endsWith('.crt'))
        .map(([, value]) => Buffer.from(value, 'base64').toString())
        .join('\n');
    },
    apply,
    createNamespace: (name, namespaceLabels) => apply(namespaceObject(name, namespaceLabels)),
    createAgent: createPod,
    deletePod: async ({ namespace, name }) => {
      const path = `/api/v1/namespaces/${namespace}/pods/${name}`;
      await client.request({ method: 'DELETE', path, query: { gracePeriodSeconds: '0' } });
    },
    token,
    shortToken,
    stop: async () => {
      await Promise.all([...replicas].map((replica) => replica.stop()));
      await client.close();
      await cluster.stop();
    },
  };
}
