// `outrider explain --cluster` against a real API server, with the kubectl of its version.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { startControlPlane, type ControlPlane } from '../cluster/control-plane.ts';
import { builtServer } from '../cluster/build.ts';
import { createCommandLine, execute, root, type Result } from './command-line.ts';

const gitops = join(root, 'examples', 'gitops');
const { folder, remove } = createCommandLine();
let cluster: ControlPlane;
let bin: string;

before(async () => {
  cluster = await startControlPlane();
  bin = await builtServer('kube');
  const apply = async (...paths: string[]): Promise<unknown> =>
    cluster.kubectl(['apply', '--server-side', ...paths.flatMap((path) => ['-f', path])]);
  await apply(join(root, 'crds'));
  await cluster.kubectl(['wait', '--for=condition=Established', 'crd', '--all', '--timeout=30s']);
  await cluster.kubectl(['apply', '-k', join(gitops, 'clusters/prod/floor')]);
  await apply(
    join(gitops, 'teams/research/policies/github.yaml'),
    join(gitops, 'teams/research/policies/wiki.yaml'),
  );
});
after(async () => {
  remove();
  await cluster.stop();
});

async function explain(kubeconfig: string, ...args: string[]): Promise<Result> {
  const command = [join(root, 'cli', 'main.ts'), 'explain', '--cluster', '--as', 'research/triage', ...args];
  const env = { ...process.env, PATH: `${bin}:${process.env.PATH}`, KUBECONFIG: kubeconfig, HOME: folder };
  return execute(process.execPath, command, folder, env);
}

describe('outrider explain --cluster', () => {
  it('refuses to show what RBAC does not let its user read', async () => {
    const kubeconfig = await cluster.kubeconfigFor({ user: 'nobody' });
    const { code, stdout, stderr } = await explain(kubeconfig, 'https://api.github.com/');
    assert.equal(code, 2);
    assert.equal(stdout, '');
    assert.match(stderr, /kubectl get .*Forbidden/);
  });

  it('says so when the namespace does not exist', async () => {
    const { code, stderr } = await explain(
      cluster.kubeconfig,
      '--as',
      'nowhere/triage',
      'https://api.github.com/',
    );
    assert.equal(code, 2);
    assert.match(stderr, /namespaces "nowhere" not found/);
  });

  it('shows the same as files do, floors included', async () => {
    const requests = [
      ['https://api.github.com/repos/acme/docs/issues/7'],
      ['DELETE', 'https://api.github.com/repos/acme/docs/issues/comments/9'],
      ['POST', 'http://wiki.tools.svc:8080/mcp'],
    ];
    const time = ['--time', '2026-11-23T09:00:00Z', '--output', 'json'];
    const decided = ['allow', 'deny', 'deny'];
    for (const [index, request] of requests.entries()) {
      const inCluster = await explain(cluster.kubeconfig, ...time, ...request);
      assert.equal(inCluster.code, 0, inCluster.stderr);
      const args = [
        'explain',
        '-f',
        join(gitops, 'teams/research'),
        '-f',
        join(gitops, 'clusters/prod/floor'),
      ];
      const command = [join(root, 'cli', 'main.ts'), ...args, '--as', 'research/triage', ...time, ...request];
      const fromFiles = await execute(process.execPath, command, folder);
      assert.deepEqual(JSON.parse(inCluster.stdout), JSON.parse(fromFiles.stdout));
      assert.equal(
        (JSON.parse(inCluster.stdout) as { decision: { action: string } }).decision.action,
        decided[index],
      );
    }
  });

  it('goes by the labels that the namespace has', async () => {
    await cluster.kubectl(['label', 'namespace', 'research', 'team=other', '--overwrite']);
    const { stdout } = await explain(cluster.kubeconfig, 'POST', 'http://wiki.tools.svc:8080/mcp');
    assert.match(
      stdout,
      /✖ Allow wiki\/search +destination: .*does not exist or is not open to this namespace/,
    );
  });
});
