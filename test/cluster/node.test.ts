import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { stringify } from 'yaml';
import { waitFor } from './deadline.ts';
import { acquireHostLock } from './host-lock.ts';
import { nodeSkipReason, requireNodeHost } from './node-availability.ts';
import { cleanUpNode, nodeRuntimeFolder, processesOfNode } from './node-cleanup.ts';
import { nodeAddressSix, readSettings } from './node-network.ts';
import { nodeLock, startNode } from './node.ts';
import type { ClusterNode } from './node.ts';
import { absentStrayFolders } from './stray-files.ts';

describe('a whole node for tests', { skip: nodeSkipReason() ?? false }, () => {
  let hostBefore: object;
  let killedFolder: string;
  let node: ClusterNode; // undefined if it could not start

  before(async () => {
    requireNodeHost();
    hostBefore = await describeHost();
    killedFolder = await killNodeWithPod();
    node = await startNode({ lockTimeoutMs: 10 * 60_000 });
  });
  after(() => node?.stop());

  const exec = (...command: string[]): Promise<string> => node.kubectl(['exec', 'probe', '--', ...command]);

  it('is refused while another one runs, with the name of its holder', async () => {
    await assert.rejects(startNode({ lockTimeoutMs: 0 }), new RegExp(`in use by process ${process.pid} `));
  });

  it('has cleaned up after a run that was killed', () => {
    assert.deepEqual(processesOfNode(killedFolder), []);
    assert.ok(!existsSync(killedFolder));
    assert.ok(!readFileSync('/proc/self/mountinfo', 'utf8').includes(killedFolder));
  });

  it('runs a pod that its Service leads to, even from itself', async () => {
    await node.kubectl(['apply', '-f', '-'], { stdin: probe(node) });
    await node.kubectl(['wait', '--for=condition=Ready', 'pod/probe', '--timeout=60s'], {
      timeoutMs: 70_000,
    });
    await waitFor({ what: 'the Service', timeoutMs: 10_000 }, () => exec('curl', '-sSf', 'http://hello'));
    assert.equal(await exec('curl', '-sSf', 'http://hello.default.svc.cluster.local'), 'hello');
  });

  it('gives a pod an address of each family, and a way out by both', async () => {
    const podIps = await node.kubectl(['get', 'pod', 'probe', '-o', 'jsonpath={.status.podIPs[*].ip}']);
    assert.match(podIps, /^10\.199\.0\.\d+ fd00:10:199::[0-9a-f]+$/);
    const server = createServer((socket) => socket.end(`${socket.remoteAddress}`)).listen(0, '::');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    try {
      const [, six = ''] = podIps.split(' ');
      assert.equal(await exec('nc', nodeAddressSix, `${port}`), six);
    } finally {
      server.close();
    }
  });

  it('answers that an unknown name does not exist, and learns the names that a test gives', async () => {
    await assert.rejects(exec('nslookup', 'api.example.com'), /NXDOMAIN/);
    await node.dns.setName('api.example.com', node.address);
    const answer = await waitFor({ what: 'the name', timeoutMs: 5_000 }, () =>
      exec('nslookup', 'api.example.com'),
    );
    assert.match(answer, /Address: 10\.199\.0\.1\n/);
  });

  it("lets a pod log in to Vault with a token of the role's audience, and with no other", async () => {
    await node.vault.request('POST', 'auth/kubernetes/role/probe', {
      bound_service_account_names: 'default',
      bound_service_account_namespaces: 'default',
      audience: 'outrider.dev/test-vault',
    });
    const logIn = (token: string): Promise<string> =>
      exec(
        'sh',
        '-c',
        `curl -sS --cacert /trust/vault.pem -d "{\\"role\\":\\"probe\\",\\"jwt\\":\\"$(cat /trust/${token})\\"}" \
        ${node.vault.serviceAddress}/v1/auth/kubernetes/login`,
      );
    assert.match(await logIn('other-token'), /invalid audience/);
    const { auth } = JSON.parse(await logIn('vault-token')) as { auth: { metadata: Record<string, string> } };
    assert.equal(auth.metadata['service_account_name'], 'default');
  });

  it('shows in Jaeger a span that a pod exported over TLS', async () => {
    const traceId = '0af7651916cd43dd8448eb211c80319c';
    const span = {
      traceId,
      spanId: 'b7ad6b7169203331',
      name: 'probed',
      kind: 2,
      startTimeUnixNano: '1',
      endTimeUnixNano: '2',
    };
    const body = JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans: [span] }] }] });
    const json = 'content-type: application/json';
    const url = `${node.jaeger.serviceEndpoint}/v1/traces`;
    await exec('curl', '-sSf', '--cacert', '/trust/jaeger.pem', '-H', json, '-d', body, url);
    const trace = await (await fetch(`${node.jaeger.queryUrl}/api/traces/${traceId}`)).text();
    assert.match(trace, /"operationName":"probed"/);
  });

  it('builds an image from a Dockerfile of several stages and runs it', async () => {
    const context = join(node.folder, 'image');
    await mkdir(context);
    await writeFile(
      join(context, 'main.js'),
      'console.log(require("fs").readFileSync("/app/stamp", "utf8"));',
    );
    await writeFile(
      join(context, 'Dockerfile'),
      `ARG NODE_IMAGE
FROM $NODE_IMAGE AS build
COPY main.js /build/
RUN ["node", "-e", "require('fs').writeFileSync('/build/stamp', 'built by Node ' + process.version)"]
FROM $NODE_IMAGE
COPY --from=build /build /app
USER 1000
ENTRYPOINT ["node", "/app/main.js"]
`,
    );
    const tag = 'localhost/built:1';
    const buildArgs = { NODE_IMAGE: 'localhost/node:26' };
    await node.buildImage({ dockerfile: join(context, 'Dockerfile'), context, buildArgs, tag });
    await node.kubectl(['run', 'built', `--image=${tag}`, '--restart=Never']);
    await node.kubectl(['wait', '--for=jsonpath={.status.phase}=Succeeded', 'pod/built', '--timeout=20s']);
    assert.equal(await node.kubectl(['logs', 'built']), `built by Node ${process.version}\n`);
  });

  it('restarts a container whose process is killed', async () => {
    const wanted = { namespace: 'default', pod: 'probe', container: 'probe' };
    const { pid } = await node.containerd.findContainer(wanted);
    await node.killContainer(wanted);
    await waitFor({ what: 'the restarted container', timeoutMs: 30_000 }, async () => {
      return (await node.containerd.findContainer(wanted)).pid !== pid;
    });
  });

  it('lives on when the API server is killed and started again', async () => {
    await node.apiServer.kill();
    await assert.rejects(node.kubectl(['get', 'pods']));
    await node.apiServer.start();
    await node.kubectl([
      'run',
      'later',
      '--image=localhost/node:26',
      '--restart=Never',
      '--',
      'node',
      '--version',
    ]);
    await node.kubectl(['wait', '--for=jsonpath={.status.phase}=Succeeded', 'pod/later', '--timeout=30s'], {
      timeoutMs: 40_000,
    });
  });

  it('records what ServiceAccounts ask of the API server', async () => {
    const reviews = (await readFile(node.auditLogPath, 'utf8'))
      .split('\n')
      .filter((line) => line.includes('"username":"system:serviceaccount:vault:vault"'));
    assert.ok(reviews.some((line) => line.includes('"resource":"tokenreviews"')));
  });

  it('leaves nothing behind, neither when it is stopped nor when it cannot start', async () => {
    await node.stop();
    assert.deepEqual(processesOfNode(node.folder), []);
    assert.deepEqual(await describeHost(), hostBefore);

    await assert.rejects(startNode({ apiServerFlags: ['--no-such-flag'] }), /unknown flag: --no-such-flag/);
    assert.deepEqual(await describeHost(), hostBefore);
  });
});

/** All that a node changes on its host, looked at while nobody else has one. */
async function describeHost(): Promise<object> {
  const lock = await acquireHostLock({ name: nodeLock, timeoutMs: 10 * 60_000 });
  try {
    await cleanUpNode(); // of an earlier run that was killed
    return {
      links: readdirSync('/sys/class/net').toSorted(),
      tables: execFileSync('nft', ['list', 'tables'], { encoding: 'utf8' }),
      mounts: readFileSync('/proc/self/mounts', 'utf8'),
      settings: readSettings(),
      absentFolders: absentStrayFolders(),
      runtimeFolder: existsSync(nodeRuntimeFolder),
      addresses: execFileSync('ip', ['-brief', 'address'], { encoding: 'utf8' }),
    };
  } finally {
    await lock.release();
  }
}

async function killNodeWithPod(): Promise<string> {
  const script = `
    import { startNode } from ${JSON.stringify(join(import.meta.dirname, 'node.ts'))};
    const node = await startNode();
    await node.kubectl(['run', 'left', '--image=localhost/node:26', '--', 'sleep', '1000']);
    await node.kubectl(['wait', '--for=condition=Ready', 'pod/left', '--timeout=25s']);
    console.log(node.folder);
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [output] = (await once(child.stdout, 'data')) as [Buffer];
  const folder = output.toString().trim();
  assert.ok(processesOfNode(folder).length > 0);
  child.kill('SIGKILL');
  await once(child, 'exit');
  return folder;
}

function probe(node: ClusterNode): string {
  const token = (path: string, audience: string): object => ({ serviceAccountToken: { path, audience } });
  const objects = [
    {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'trust' },
      data: { 'vault.pem': node.vault.caPem, 'jaeger.pem': node.jaeger.caPem },
    },
    {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'probe', labels: { app: 'probe' } },
      spec: {
        terminationGracePeriodSeconds: 0,
        containers: [
          {
            name: 'probe',
            image: 'localhost/node:26',
            command: ['node', '-e', 'require("http").createServer((_, r) => r.end("hello")).listen(8080)'],
            readinessProbe: { httpGet: { port: 8080 }, periodSeconds: 1 },
            volumeMounts: [{ name: 'trust', mountPath: '/trust' }],
          },
        ],
        volumes: [
          {
            name: 'trust',
            projected: {
              sources: [
                { configMap: { name: 'trust' } },
                token('vault-token', 'outrider.dev/test-vault'),
                token('other-token', 'outrider.dev/operator'),
              ],
            },
          },
        ],
      },
    },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'hello' },
      spec: { selector: { app: 'probe' }, ports: [{ port: 80, targetPort: 8080 }] },
    },
  ];
  return objects.map((object) => stringify(object)).join('---\n');
}
