import { generateKeyPairSync } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { Authority, Certificate } from './certificates.ts';
import { startOnFreePort } from './free-port.ts';
import { callHttps } from './https-call.ts';
import type { RunFolder } from './run-folder.ts';
import { startServer } from './server-process.ts';
import type { ServerProcess } from './server-process.ts';

/** One that can be taken away from under a test: the same data, port and keys after each start. */
export interface ApiServer {
  readonly url: string;
  readonly auditLogPath: string;
  /** PEM: the key that ServiceAccount tokens are signed with. */
  readonly tokenKeyPath: string;
  logTail(): string;
  start(): Promise<void>;
  /** As on an upgrade: SIGTERM, and no more than ten seconds for open watches to end. */
  stop(): Promise<void>;
  /** As on a crash. */
  kill(): Promise<void>;
}

export interface ApiServerOptions {
  /** Where it listens; by default loopback. */
  readonly address?: string;
  readonly alternativeNames?: readonly string[];
  readonly flags?: readonly string[];
  /** A document of audit.k8s.io/v1; by default the metadata of every request, without bodies. */
  readonly auditPolicy?: object;
}

export const serviceRange = '10.198.0.0/16';
const serviceAddress = '10.198.0.1';

// RequestReceived would put every request into the log twice.
const everyRequest = {
  apiVersion: 'audit.k8s.io/v1',
  kind: 'Policy',
  omitStages: ['RequestReceived'],
  rules: [{ level: 'Metadata' }],
};

export async function launchApiServer(
  deps: {
    readonly run: RunFolder;
    readonly bin: string;
    readonly authority: Authority;
    readonly admin: Certificate;
    readonly etcd: string;
  },
  options: ApiServerOptions,
): Promise<ApiServer> {
  const { run, bin, authority, admin } = deps;
  const address = options.address ?? '127.0.0.1';
  const pki = join(run.path, 'pki');
  const auditPolicyPath = join(run.path, 'audit-policy.yaml');
  const auditLogPath = join(run.path, 'logs', 'audit.jsonl');
  const tokenKeyPath = join(pki, 'service-account.key');
  const tokenPublicKeyPath = join(pki, 'service-account.pub');

  const tokenKey = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const [serving] = await Promise.all([
    authority.issue({
      name: 'apiserver',
      subject: '/CN=kube-apiserver',
      alternativeNames: [
        'DNS:kubernetes',
        'DNS:kubernetes.default',
        'DNS:kubernetes.default.svc',
        'DNS:localhost',
        'IP:127.0.0.1',
        `IP:${serviceAddress}`,
        ...(options.alternativeNames ?? []),
      ],
      usages: ['serverAuth'],
    }),
    writeFile(tokenKeyPath, tokenKey.privateKey.export({ type: 'sec1', format: 'pem' }), { mode: 0o600 }),
    writeFile(tokenPublicKeyPath, tokenKey.publicKey.export({ type: 'spki', format: 'pem' })),
    writeFile(auditPolicyPath, stringify(options.auditPolicy ?? everyRequest)),
  ]);

  const flags = [
    `--etcd-servers=${deps.etcd}`,
    `--bind-address=${address}`,
    `--tls-cert-file=${serving.certPath}`,
    `--tls-private-key-file=${serving.keyPath}`,
    `--client-ca-file=${authority.certPath}`,
    `--service-account-key-file=${tokenPublicKeyPath}`,
    `--service-account-signing-key-file=${tokenKeyPath}`,
    '--service-account-issuer=https://kubernetes.default.svc',
    `--service-cluster-ip-range=${serviceRange}`,
    '--authorization-mode=Node,RBAC',
    '--enable-admission-plugins=NodeRestriction',
    '--allow-privileged=true',
    `--audit-policy-file=${auditPolicyPath}`,
    `--audit-log-path=${auditLogPath}`,
    // Endpoints may not be loopback addresses, so an API server on one cannot publish its own.
    ...(address.startsWith('127.')
      ? ['--endpoint-reconciler-type=none']
      : [`--advertise-address=${address}`]),
    ...(options.flags ?? []),
  ];
  let server: ServerProcess | undefined;
  const start = async (port: number): Promise<void> => {
    const args = [...flags, `--secure-port=${port}`];
    const started = startServer(run, 'kube-apiserver', join(bin, 'kube-apiserver'), args);
    server = started;
    await started.waitFor('API server', 60_000, async () => {
      const answer = await callHttps({
        url: `https://${address}:${port}/readyz`,
        caPem: authority.certPem,
        certPem: admin.certPem,
        keyPem: admin.keyPem,
      });
      if (answer.status !== 200) throw new Error(answer.text);
      return true;
    });
  };

  const { port } = await startOnFreePort(address, start);
  return {
    url: `https://${address}:${port}`,
    auditLogPath,
    tokenKeyPath,
    logTail: () => server?.logTail() ?? '',
    start: () => start(port),
    stop: async () => server?.stop(),
    kill: async () => server?.kill(),
  };
}
