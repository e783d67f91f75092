import { stringify } from 'yaml';
import type { Kubectl } from './kubectl.ts';
import { nodeAddress } from './node-network.ts';

export interface HostService {
  readonly namespace: string;
  readonly name: string;
  /** What pods connect to: https://NAME.NAMESPACE.svc:PORT */
  readonly port: number;
  /** Where a process of the host listens, on the node's address. */
  readonly hostPort: number;
  readonly protocols?: readonly ('TCP' | 'UDP')[];
  readonly clusterIp?: string;
}

/** Makes a server that runs beside the cluster look like one inside it: a Service without a selector. */
export async function publishHostService(kubectl: Kubectl, service: HostService): Promise<void> {
  const { namespace, name } = service;
  const protocols = service.protocols ?? ['TCP'];
  const objects = [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name, namespace },
      spec: {
        ...(service.clusterIp === undefined ? {} : { clusterIP: service.clusterIp }),
        ports: protocols.map((protocol) => ({ name: protocol.toLowerCase(), protocol, port: service.port })),
      },
    },
    {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name, namespace, labels: { 'kubernetes.io/service-name': name } },
      addressType: 'IPv4',
      endpoints: [{ addresses: [nodeAddress], conditions: { ready: true } }],
      ports: protocols.map((protocol) => ({
        name: protocol.toLowerCase(),
        protocol,
        port: service.hostPort,
      })),
    },
  ];
  await kubectl(['apply', '-f', '-'], { stdin: objects.map((object) => stringify(object)).join('---\n') });
}
