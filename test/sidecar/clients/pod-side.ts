// Run in namespaces of its own: the sidecar of a captured pod, netfilter that leads everybody else's connections to it, the
// name server of agents, and APIs that real clients call. Agents are whoever has another gid. pod-side.ts FOLDER GIT-BACKEND

import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { capturePorts, type CapturePlan } from '../../../policy/capture-plan.ts';
import type { RulesetDestination, RulesetRule } from '../../../policy/ruleset.ts';
import type { RulesetCredential } from '../../../policy/ruleset-credential.ts';
import { createNft } from '../../../sidecar/capture/nft.ts';
import { captureRules, replacement } from '../../../sidecar/capture/rules.ts';
import type { SnapshotSource } from '../../../sidecar/control/snapshot.ts';
import { Secret } from '../../../sidecar/credentials/secret.ts';
import { createAgentNames } from '../../../sidecar/dns/agent-names.ts';
import { createResolver } from '../../../sidecar/dns/resolver.ts';
import { createDnsServer } from '../../../sidecar/dns/server.ts';
import { writeTrustStore } from '../../../sidecar/tls/trust-store.ts';
import { awsKeys, awsMaterial } from '../../support/s3-agent.ts';
import { startFixture } from '../proxy/fixture.ts';
import { createTestCa } from '../proxy/origin.ts';
import { startApis } from './apis.ts';
import { apiHosts, secrets, type ApiHost, type FromPod, type ToPod } from './pod.ts';

const [folder = '', backend = ''] = process.argv.slice(2);
const plan: CapturePlan = { ports: [], relays: [] };
const loopback = ['127.0.0.1', '::1'];

const run = (line: string): void => void execFileSync('/bin/sh', ['-c', line], { stdio: 'inherit' });
// A link that leads nowhere: netfilter sees packets before a neighbour is looked for.
for (const line of [
  'ip link set lo up',
  'ip link add eth0 type veth peer name far0',
  'ip address add 10.9.0.2/24 dev eth0',
  'ip link set eth0 up',
  'ip link set far0 up',
  'ip route add default via 10.9.0.1',
])
  run(line);
// As the kubelet writes it.
const searched = ['research.svc.cluster.local', 'svc.cluster.local', 'cluster.local'];
const resolvConf = `search ${searched.join(' ')}\nnameserver 10.96.0.10\noptions ndots:5\n`;
writeFileSync(join(folder, 'resolv.conf'), resolvConf);
run(`mount --bind ${join(folder, 'resolv.conf')} /etc/resolv.conf`);

const key = (host: ApiHost, scheme: string): string => `${host.replaceAll('.', '-')}-${scheme}`;
const ca = await createTestCa();
const apis = await startApis({ ca, backend, gitRoot: join(folder, 'git') });

const destinations: Record<string, RulesetDestination> = {};
for (const name of apiHosts) {
  const place = { names: [name], cidrs: ['127.0.0.0/8'] };
  const caBundle = ca.authority.certPem;
  destinations[key(name, 'https')] = { ...place, port: 443, scheme: 'https', caBundle };
  destinations[key(name, 'http')] = { ...place, port: 80, scheme: 'http' };
}

const grant = (host: ApiHost, rule: Partial<RulesetRule>, schemes = ['https']): RulesetRule[] =>
  schemes.map((scheme) => {
    const name = key(host, scheme);
    return { policy: 'team', name, action: 'Allow', destination: name, ...rule };
  });
const grants: RulesetRule[] = [
  ...grant('api.example.test', { paths: ['/plain/**'] }, ['https', 'http']),
  ...grant('api.example.test', { paths: ['/token/**'], credential: 'token' }),
  ...grant('s3.eu-central-1.amazonaws.com', {
    opens: ['EncodedSlash', 'PathParameters'],
    credential: 'aws',
  }),
  ...grant('registry.npmjs.org', { methods: ['GET'], paths: ['/@acme*'], opens: ['EncodedSlash'] }),
  ...grant('api.github.com', {
    methods: ['GET'],
    paths: ['/repos/acme/docs/git/ref/heads*'],
    opens: ['EncodedSlash'],
  }),
  ...grant('gitlab.com', { methods: ['GET'], paths: ['/api/v4/projects/*/issues'], opens: ['EncodedSlash'] }),
  ...grant('generativelanguage.googleapis.com', { paths: ['/v1beta/models/*:generateContent'] }),
  ...grant('api.anthropic.com', { paths: ['/v1/messages'], credential: 'llm' }),
  ...grant('api.stripe.com', { paths: ['/v1/**'], credential: 'stripe' }),
  ...grant('github.com', { paths: ['/acme/**'] }, ['https', 'http']),
];

const credential = (host: ApiHost, inject: RulesetCredential['inject']): RulesetCredential => ({
  source: { kind: 'file', path: 'x' },
  allow: [{ destination: key(host, 'https') }],
  inject,
  refreshIntervalMs: 60_000,
});
const credentials = {
  token: credential('api.example.test', { kind: 'bearer' }),
  stripe: credential('api.stripe.com', { kind: 'bearer' }),
  llm: credential('api.anthropic.com', { kind: 'bearer' }),
  aws: credential('s3.eu-central-1.amazonaws.com', {
    kind: 'awsSigV4',
    service: 's3',
    regions: ['eu-central-1'],
  }),
};

let snapshots: SnapshotSource | null = null;
const resolve = async (name: string): Promise<ReturnType<typeof awsMaterial>> =>
  name === 'aws'
    ? awsMaterial(awsKeys)
    : new Map([['value', new Secret(secrets[name as keyof typeof secrets])]]);
const fixture = await startFixture({
  ca,
  origin: { port: 443 },
  ruleset: { guards: [], grants, destinations, credentials },
  resolver: createResolver({ overrides: Object.fromEntries(apiHosts.map((name) => [name, '127.0.0.1'])) }),
  hosts: loopback,
  capture: plan,
  capturePorts,
  credentials: (parts) => {
    ({ snapshots } = parts);
    return { resolve, replace: resolve, close: async () => {} };
  },
});
if (snapshots === null) throw new Error('the fixture has no snapshots');
const clock = { nowMs: () => Date.now() };
const names = createDnsServer({
  ...createAgentNames({ snapshots, clock, plan }),
  families: ['four'],
  onRefused: () => {},
});
await names.listen(capturePorts.dns, loopback);
const refusal = await createNft({ program: '/usr/sbin/nft' }).apply(
  replacement(captureRules({ uid: 0, gid: 0 }, plan)),
);
if (refusal !== null) throw new Error(refusal);
const trust = join(folder, 'trust');
mkdirSync(trust);
writeTrustStore({ directory: trust, certificatePem: fixture.caPem });

let taken = 0;
const say = (message: FromPod): void => void process.send?.(message);
process.on('message', (message: ToPod) => {
  if (message === 'end') process.exit(0);
  const records = fixture.records
    .slice(taken)
    .map(({ entry, request, decision, refusal: refused, status }) => ({
      entry,
      status,
      method: request?.method ?? '',
      host: request?.host ?? '',
      path: request?.path ?? '',
      reason: refused?.reason ?? (decision?.action === 'allow' ? null : (decision?.reason ?? null)),
    }));
  taken = fixture.records.length;
  say({ records, received: apis.received.splice(0) });
});
process.on('disconnect', () => process.exit(0));
process.on('exit', () => ca.close());
say({ proxyPort: fixture.port });
