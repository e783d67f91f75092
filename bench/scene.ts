// What both figures need: the origin, what a sidecar speaks to, and the request that is sent.

import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { capturePorts } from '../policy/capture-plan.ts';
import { placeholder, sidecarPorts } from '../policy/contract.ts';
import { createAuthority } from '../test/cluster/certificates.ts';
import type { RunFolder } from '../test/cluster/run-folder.ts';
import type { Contestant } from './contestant.ts';
import { startLoad, type Load } from './load-client.ts';
import { startNeighbours, type Neighbours } from './neighbours-client.ts';
import { agent, askedPath, credentialName } from './neighbours/policies.ts';
import { startOrigin, type Origin } from './origin.ts';
import type { Way } from './tunnel.ts';

export interface Scene {
  readonly origin: Origin;
  readonly neighbours: Neighbours;
  /** What the origin wants to see, and the load never has. */
  readonly token: string;
  /** Opens tunnels through a contestant. */
  load(contestant: Contestant, connections: number): Promise<Load>;
  /** One connection, to the sidecar with this CA or to the origin itself. */
  loadBy(way: Way, sidecarCa: string): Promise<Load>;
}

export async function setScene(run: RunFolder): Promise<Scene> {
  const token = 'bench-real-token-0123456789abcdef0123456789abcdef';
  // Others than root pass through to what is theirs.
  chmodSync(run.path, 0o711);
  const authority = await createAuthority(join(run.path, 'pki'), 'bench-ca');
  const origin = await startOrigin(run, authority, token);
  const neighbours = await startNeighbours(authority, origin, token);
  const request = [
    `GET ${askedPath} HTTP/1.1`,
    `Host: ${origin.host}`,
    `Authorization: Bearer ${placeholder(agent.namespace, credentialName)}`,
    'Accept: application/json',
    'Accept-Encoding: gzip, deflate',
    'User-Agent: bench/1.0',
    '\r\n',
  ].join('\r\n');
  function loadBy(way: Way, sidecarCa: string): Promise<Load> {
    const isPlain = way === 'captured_http' || way === 'direct_http';
    const isDirect = way === 'direct_tls' || way === 'direct_http';
    const ports = {
      connect: sidecarPorts.proxy,
      absolute: sidecarPorts.proxy,
      captured_tls: capturePorts.tls,
      captured_http: capturePorts.http,
      direct_tls: origin.port,
      direct_http: origin.plainPort,
    };
    const bytes =
      way === 'absolute' ? request.replace(askedPath, `https://${origin.host}${askedPath}`) : request;
    const bare = bytes.replace(
      /Authorization: .*\r\n/,
      isDirect && !isPlain ? `Authorization: Bearer ${token}\r\n` : '',
    );
    return startLoad(way, {
      way,
      proxyPort: ports[way],
      ca: isDirect ? origin.caPem : sidecarCa,
      host: origin.host,
      port: origin.port,
      request: isDirect || isPlain ? bare : bytes,
      connections: 1,
    });
  }

  return {
    loadBy,
    origin,
    neighbours,
    token,
    load: ({ name, proxyPort, ca }, connections) =>
      startLoad(name, {
        way: 'connect',
        proxyPort,
        ca,
        host: origin.host,
        port: origin.port,
        request,
        connections,
      }),
  };
}
