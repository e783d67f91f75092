import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { stringify } from 'yaml';
import { startControlPlane } from './control-plane.ts';
import type { ControlPlane } from './control-plane.ts';
import { waitFor } from './deadline.ts';
import { processesOf } from './run-folder.ts';

describe('a control plane for tests', () => {
  let cluster: ControlPlane;
  before(async () => {
    cluster = await startControlPlane();
  });
  after(() => cluster.stop());

  it('fails with what the API server said, and leaves nothing, when a flag is wrong', async () => {
    let folder = '';
    await assert.rejects(startControlPlane({ flags: ['--no-such-flag'] }), (error: Error) => {
      folder = /\/\S*outrider-test-[^/\s]+/.exec(error.message)?.[0] ?? '';
      return /API server: not there .*kube-apiserver ended with 1[^]*unknown flag: --no-such-flag/.test(
        error.message,
      );
    });
    assert.ok(!existsSync(folder));
  });

  it('says what kubectl complained about', async () => {
    await assert.rejects(
      cluster.kubectl(['get', 'configmap', 'none']),
      /kubectl get configmap none .* not found/,
    );
  });

  it('grants nothing to a user whom no role names', async () => {
    const eve = await cluster.kubeconfigFor({ user: 'eve', groups: ['strangers'] });
    await assert.rejects(
      cluster.kubectl(['--kubeconfig', eve, 'get', 'secrets']),
      /secrets is forbidden: User "eve" cannot list/,
    );
  });

  it('has the API server of the oldest Kubernetes that is supported, when asked', async () => {
    const oldest = await startControlPlane({ version: 'floor' });
    try {
      const { serverVersion } = JSON.parse(await oldest.kubectl(['version', '-o', 'json'])) as {
        serverVersion: { gitVersion: string };
      };
      assert.match(serverVersion.gitVersion, /^v1\.33\./);
      await oldest.kubectl(['create', 'configmap', 'here']);
    } finally {
      await oldest.stop();
    }
  });

  it('runs beside another one', async () => {
    const other = await startControlPlane();
    try {
      await cluster.kubectl(['create', 'namespace', 'here']);
      await assert.rejects(other.kubectl(['get', 'namespace', 'here']), /not found/);
      assert.notEqual(other.server, cluster.server);
    } finally {
      await other.stop();
    }
    assert.deepEqual(processesOf(other.folder), []);
    assert.ok(!existsSync(other.folder));
  });

  it('keeps its data, keys and port when the API server is killed and when it is restarted', async () => {
    await cluster.kubectl(['create', 'configmap', 'kept']);
    await cluster.kubectl(['create', 'serviceaccount', 'kept']);
    const token = (await cluster.kubectl(['create', 'token', 'kept'])).trim();
    const kept = await cluster.kubeconfigFor({ token });
    for (const end of ['kill', 'stop'] as const) {
      await cluster.apiServer[end]();
      await assert.rejects(cluster.kubectl(['get', 'configmap', 'kept']), /refused/);
      await cluster.apiServer.start();
      assert.match(await cluster.kubectl(['get', 'configmap', 'kept']), /kept/);
      assert.match(
        await cluster.kubectl(['--kubeconfig', kept, 'auth', 'whoami']),
        /system:serviceaccount:default:kept/,
      );
    }
  });

  it('reaches a webhook on loopback', async () => {
    const certificate = await cluster.authority.issue({
      name: 'webhook',
      subject: '/CN=webhook',
      alternativeNames: ['IP:127.0.0.1'],
      usages: ['serverAuth'],
    });
    const webhook = createServer(
      { cert: certificate.certPem, key: certificate.keyPem },
      (_request, response) => {
        response.statusCode = 500;
        response.end('no thank you');
      },
    );
    webhook.listen(0, '127.0.0.1');
    await once(webhook, 'listening');
    const configuration = {
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'ValidatingWebhookConfiguration',
      metadata: { name: 'reached' },
      webhooks: [
        {
          name: 'reached.outrider.dev',
          clientConfig: {
            url: `https://127.0.0.1:${(webhook.address() as AddressInfo).port}/`,
            caBundle: Buffer.from(cluster.caPem).toString('base64'),
          },
          rules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['secrets'] }],
          sideEffects: 'None',
          admissionReviewVersions: ['v1'],
        },
      ],
    };
    try {
      await cluster.kubectl(['apply', '-f', '-'], { stdin: stringify(configuration) });
      // The API server learns of its own webhooks by a watch.
      await waitFor({ what: 'a refusal by the webhook', timeoutMs: 10_000 }, async () => {
        const create = cluster.kubectl(['create', 'secret', 'generic', 'x', '--dry-run=server']);
        return create.then(() => false).catch((error: Error) => error.message.includes('no thank you'));
      });
    } finally {
      webhook.close();
      webhook.closeAllConnections();
    }
  });

  it('records who did what in its audit log, once', async () => {
    await cluster.kubectl(['create', 'configmap', 'audited']);
    const events = (await readFile(cluster.auditLogPath, 'utf8'))
      .split('\n')
      .filter((line) => line.includes('"name":"audited"'))
      .map(
        (line) => JSON.parse(line) as { user: { username: string }; verb: string; requestObject?: unknown },
      );
    assert.deepEqual(
      events.map((event) => [event.user.username, event.verb, event.requestObject]),
      [['admin', 'create', undefined]],
    );
  });

  it('ends with a test that is killed, and the next run removes its folder', async () => {
    const script = `
      import { startControlPlane } from ${JSON.stringify(join(import.meta.dirname, 'control-plane.ts'))};
      console.log((await startControlPlane()).folder);
      setInterval(() => {}, 1000);`;
    const test = spawn(process.execPath, ['--input-type=module', '--eval', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [output] = (await once(test.stdout, 'data')) as [Buffer];
    const folder = output.toString().trim();
    assert.equal(processesOf(folder).length, 2);
    test.kill('SIGKILL');
    await once(test, 'exit');
    await waitFor(
      { what: 'the end of its servers', timeoutMs: 5_000 },
      async () => processesOf(folder).length === 0,
    );
    await (await startControlPlane()).stop();
    assert.ok(!existsSync(folder));
  });

  it('runs controllers on request, so that a namespace gets its ServiceAccount and can be deleted', async () => {
    const whole = await startControlPlane({ controllers: true });
    try {
      await whole.kubectl(['create', 'namespace', 'brief']);
      await waitFor({ what: 'the ServiceAccount', timeoutMs: 10_000 }, () =>
        whole.kubectl(['get', 'serviceaccount', 'default', '-n', 'brief']),
      );
      await whole.kubectl(['delete', 'namespace', 'brief', '--wait', '--timeout=20s']);
    } finally {
      await whole.stop();
    }
  });
});
