// The origin: nginx with one worker and TLS, which answers 1 KB to the real token and 401 to any other.

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Authority } from '../test/cluster/certificates.ts';
import { callHttps } from '../test/cluster/https-call.ts';
import type { RunFolder } from '../test/cluster/run-folder.ts';
import { startServer, type ServerProcess } from '../test/cluster/server-process.ts';

export interface Origin {
  readonly host: string;
  readonly address: string;
  readonly port: number;
  /** Where it speaks HTTP without TLS, and asks for no token. */
  readonly plainPort: number;
  readonly caPem: string;
  readonly caPath: string;
  readonly process: ServerProcess;
}

export const originHost = 'api.bench.internal';
/** Free in the room's own network; rules that name hosts mean this port, so all of them are looked at. */
const port = 443;
const plainPort = 80;
const answerBytes = 1024;

export async function startOrigin(run: RunFolder, authority: Authority, token: string): Promise<Origin> {
  const address = '127.0.0.1';
  const { certPath, keyPath } = await authority.issue({
    name: 'origin',
    subject: `/CN=${originHost}`,
    alternativeNames: [`DNS:${originHost}`, `IP:${address}`],
    usages: ['serverAuth'],
  });
  const configPath = join(run.path, 'nginx.conf');
  await writeFile(configPath, nginxConfig({ folder: run.path, address, port, certPath, keyPath, token }));
  const server = startServer(run, 'origin', 'nginx', ['-e', 'stderr', '-c', configPath]);
  await server.waitFor('the origin', 10_000, async () => {
    const { status, text } = await callHttps({
      url: `https://${address}:${port}/`,
      caPem: authority.certPem,
      headers: { authorization: `Bearer ${token}` },
      timeoutMs: 2000,
    });
    return status === 200 && text.length === answerBytes;
  });
  return {
    host: originHost,
    address,
    port,
    plainPort,
    caPem: authority.certPem,
    caPath: authority.certPath,
    process: server,
  };
}

interface NginxOptions {
  readonly folder: string;
  readonly address: string;
  readonly port: number;
  readonly certPath: string;
  readonly keyPath: string;
  readonly token: string;
}

function nginxConfig({ folder, address, port, certPath, keyPath, token }: NginxOptions): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `  ${name}_temp_path ${join(folder, `nginx-${name}`)};`,
  );
  const answer = JSON.stringify({ data: 'x'.repeat(answerBytes - 11) });
  return `
daemon off;
user root;  # it runs in a room of its own, and its folder is root's
worker_processes 1;
pid ${join(folder, 'nginx.pid')};
error_log stderr;
events { worker_connections 1024; }
http {
  access_log off;
${temporary.join('\n')}
  keepalive_timeout 1h;
  keepalive_requests 1000000000;
  default_type application/json;
  server {
    listen ${address}:${port} ssl;
    ssl_certificate ${certPath};
    ssl_certificate_key ${keyPath};
    location / {
      if ($http_authorization != "Bearer ${token}") { return 401; }
      return 200 '${answer}';
    }
  }
  server {
    listen ${address}:${plainPort};
    location / { return 200 '${answer}'; }
  }
}
`;
}
