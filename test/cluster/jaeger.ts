import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { builtServer } from './build.ts';
import { createAuthority } from './certificates.ts';
import { findFreePort, startOnFreePort } from './free-port.ts';
import { requireCommands } from './packages.ts';
import { createRunFolder, removeAbandonedRunFolders, removeRunFolder } from './run-folder.ts';
import type { RunFolder } from './run-folder.ts';
import { startServer } from './server-process.ts';

export interface Jaeger {
  /** OTLP over HTTP with TLS: https://address:port, to which exporters add /v1/traces. */
  readonly otlpEndpoint: string;
  readonly caPem: string;
  /** The query API, plain HTTP on loopback: GET {queryUrl}/api/traces/{traceId} */
  readonly queryUrl: string;
}

export interface JaegerOptions {
  readonly address?: string;
  /** DNS names for its certificate, beside its address. */
  readonly names?: readonly string[];
}

/** A Jaeger of its own on loopback that keeps traces in memory. */
export async function startJaeger(options: JaegerOptions = {}): Promise<Jaeger & { stop(): Promise<void> }> {
  await requireCommands(['openssl', 'setpriv']);
  const bin = await builtServer('jaeger');
  await removeAbandonedRunFolders();
  const run = createRunFolder();
  const stop = (): Promise<void> => removeRunFolder(run.path);
  try {
    return { ...(await launchJaeger(run, bin, options)), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

export async function launchJaeger(run: RunFolder, bin: string, options: JaegerOptions): Promise<Jaeger> {
  const address = options.address ?? '127.0.0.1';
  const authority = await createAuthority(join(run.path, 'pki'), 'jaeger-ca');
  const certificate = await authority.issue({
    name: 'jaeger',
    subject: '/CN=jaeger',
    alternativeNames: [`IP:${address}`, ...(options.names ?? []).map((name) => `DNS:${name}`)],
    usages: ['serverAuth'],
  });
  const { port, started } = await startOnFreePort(address, async (otlpPort) => {
    const [queryPort, queryGrpcPort] = [await findFreePort(), await findFreePort()];
    const configPath = join(run.path, 'jaeger.yaml');
    const configuration = {
      service: {
        extensions: ['jaeger_storage', 'jaeger_query'],
        // No batch processor: a span can be asked for as soon as its export was answered.
        pipelines: { traces: { receivers: ['otlp'], exporters: ['jaeger_storage_exporter'] } },
        telemetry: { metrics: { level: 'none' } },
      },
      extensions: {
        jaeger_storage: { backends: { memory: { memory: { max_traces: 100_000 } } } },
        jaeger_query: {
          storage: { traces: 'memory' },
          http: { endpoint: `127.0.0.1:${queryPort}` },
          grpc: { endpoint: `127.0.0.1:${queryGrpcPort}` },
        },
      },
      receivers: {
        otlp: {
          protocols: {
            http: {
              endpoint: `${address}:${otlpPort}`,
              tls: { cert_file: certificate.certPath, key_file: certificate.keyPath },
            },
          },
        },
      },
      exporters: { jaeger_storage_exporter: { trace_storage: 'memory' } },
    };
    await writeFile(configPath, stringify(configuration));
    const server = startServer(run, 'jaeger', join(bin, 'jaeger'), [`--config=${configPath}`]);
    const queryUrl = `http://127.0.0.1:${queryPort}`;
    await server.waitFor('Jaeger', 30_000, async () => (await fetch(`${queryUrl}/api/services`)).ok);
    return queryUrl;
  });
  return { otlpEndpoint: `https://${address}:${port}`, caPem: authority.certPem, queryUrl: started };
}
