import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { startTrackerApi, type TrackerApi } from '../../examples/quickstart/tracker-api.ts';
import { credential, destination, policy } from '../policy/resources/examples.ts';
import { createCommandLine, root } from './command-line.ts';

const { outrider, directory, folder, remove } = createCommandLine();
const token = 'canary-4f2a9c';
let api: TrackerApi;

before(async () => {
  mkdirSync(join(folder, 'keys'));
  api = await startTrackerApi({ name: 'tracker.example', token, keysDirectory: join(folder, 'keys') });
});
after(() => {
  api.close();
  remove();
});

const rules = [{ name: 'r', action: 'Allow', destination: 'd', paths: ['/issues'], credential: 'c' }];

describe('outrider run refuses to start', () => {
  const cases: Record<string, [args: () => string[], message: RegExp]> = {
    'an unknown command': [() => ['fly'], /fly is no command of outrider/],
    'an unknown option': [() => ['run', '--fast'], /--fast/],
    'a PolicyTest as if it were a policy': [
      () => [
        'run',
        '-f',
        directory({ 'a.yaml': { apiVersion: 'outrider.dev/v1alpha1', kind: 'PolicyTest' } }),
        '--',
        'true',
      ],
      /a\.yaml:1, document 1: PolicyTest: metadata: /,
    ],
    'without resources': [() => ['run', '--', 'true'], /-f is missing/],
    'without a command': [() => ['run', '-f', folder], /the command is missing/],
    'with a directory that does not exist': [
      () => ['run', '-f', '/nowhere', '--', 'true'],
      /\/nowhere does not exist/,
    ],
    'with an empty directory': [
      () => ['run', '-f', directory({ 'a.txt': '' }), '--', 'true'],
      /holds no .yaml/,
    ],
    'with YAML that cannot be read': [
      () => ['run', '-f', directory({ 'a.yaml': 'a: [' }), '--', 'true'],
      /a\.yaml:1, document 1/,
    ],
    'with something that is no object': [
      () => ['run', '-f', directory({ 'a.yaml': '7' }), '--', 'true'],
      /needs apiVersion and kind/,
    ],
    'with a kind that does not exist': [
      () => [
        'run',
        '-f',
        directory({ 'a.yaml': { apiVersion: 'outrider.dev/v1alpha1', kind: 'AgentPolice' } }),
        '--',
        'true',
      ],
      /AgentPolice is not one of AgentCredential, AgentPolicy/,
    ],
    'with a bad field, naming file, document and field': [
      () => [
        'run',
        '-f',
        directory({ 'a.yaml': policy({ agents: {}, rules: [{ name: 'r', action: 'Allow' }] }) }),
        '--',
        'true',
      ],
      /a\.yaml:\d+, document 1: AgentPolicy: spec\.rules\[0\]: needs to say where/,
    ],
    'with a resource that is there twice': [
      () => [
        'run',
        '-f',
        directory({ 'a.yaml': policy({ agents: {} }), 'b.yaml': policy({ agents: {} }) }),
        '--',
        'true',
      ],
      /AgentPolicy default p is in .*a\.yaml too/,
    ],
    'without --as when a policy selects': [
      () => [
        'run',
        '-f',
        directory({ 'a.yaml': policy({ agents: { serviceAccounts: ['triage'] } }) }),
        '--',
        'true',
      ],
      /--as is missing: the policy p selects agents/,
    ],
    'with an --as that names nobody': [
      () => ['run', '-f', directory({ 'a.yaml': policy({ agents: {} }) }), '--as', 'triage', '--', 'true'],
      /write namespace\/serviceaccount/,
    ],
    'with a --resolve without an address': [
      () => ['run', '-f', directory({ 'a.yaml': policy({ agents: {} }) }), '--resolve', 'a:b', '--', 'true'],
      /write HOST:ADDRESS/,
    ],
  };
  for (const [how, [args, message]] of Object.entries(cases)) {
    it(how, async () => {
      const { code, stderr } = await outrider(...args());
      assert.equal(code, 2);
      assert.match(stderr, message);
      assert.doesNotMatch(stderr, /\n {4}at /, 'no stack');
    });
  }
});

describe('outrider run', () => {
  const resources = (fields: object = {}) => ({
    'policy.yaml': policy({ agents: { podSelector: { matchLabels: { app: 'x' } } }, rules }),
    'credential.yaml': credential({
      allow: [{ destination: 'd' }],
      placeholderEnv: ['TRACKER_TOKEN'],
      ...fields,
    }),
    'destination.yaml': destination({
      host: { name: 'tracker.example', port: api.port, cidrs: ['127.0.0.1/32'] },
      caBundle: api.caPem,
      namespaceSelector: { matchLabels: { team: 'nobody' } },
    }),
    'other.yaml': 'apiVersion: v1\nkind: Namespace\nmetadata: { name: a }\n',
    'secrets/token': `${token}\n`,
  });
  const call = (as: string, path = '/issues'): string[] => {
    const url = `https://tracker.example:${api.port}${path}`;
    const command = ['sh', '-c', `echo key $TRACKER_TOKEN; curl -s -m 10 -w '\\n%{http_code}' ${url}`];
    const options = ['--as', as, '--resolve', 'tracker.example:127.0.0.1'];
    return ['run', '-f', directory(resources()), ...options, '--', ...command];
  };

  it('puts the secret on what is allowed, and shows the agent a placeholder', async () => {
    const before = api.seen.withToken;
    const { code, stdout, stderr } = await outrider(...call('default/any,app=x'));
    assert.equal(code, 0);
    assert.match(stdout, /key outrider-placeholder\.default\.c\n/);
    assert.match(stdout, /lighthouse.*\n200$/s);
    assert.match(
      stderr,
      /allowed {3}GET https:\/\/tracker\.example:\d+\/issues → 200, by p\/r, with the credential c\n\s+trace [0-9a-f]{32}/,
    );
    assert.equal(api.seen.withToken, before + 1);
    assert.doesNotMatch(stdout + stderr, new RegExp(token));
  });

  it('refuses an agent whose labels the policy does not select', async () => {
    const { stdout, stderr } = await outrider(...call('default/any,app=y'));
    assert.match(stdout, /"code":"no_grant".*\n403$/s);
    assert.match(stderr, /refused {3}.*no_grant: no rule allows anything/);
  });

  it('says which field of the closest rule failed', async () => {
    const { stderr } = await outrider(...call('default/any,app=x', '/admin'));
    assert.match(stderr, /closest is p\/r: The rule allows \/issues, not \/admin\./);
  });

  it('passes on the exit code of the command, and leaves nothing behind', async () => {
    const dir = directory({ 'a.yaml': policy({ agents: {} }) });
    const { code, stdout } = await outrider(
      'run',
      '-f',
      dir,
      '--',
      'sh',
      '-c',
      'ls -d $NODE_EXTRA_CA_CERTS; exit 7',
    );
    assert.equal(code, 7);
    const gone = await outrider('run', '-f', dir, '--', 'test', '-e', stdout.trim());
    assert.equal(gone.code, 1);
  });

  it('says what cannot be run', async () => {
    const { code, stderr } = await outrider(
      'run',
      '-f',
      directory({ 'a.yaml': policy({ agents: {} }) }),
      '--',
      '/no/such',
    );
    assert.equal(code, 127);
    assert.match(stderr, /\/no\/such cannot be run/);
  });
});

it('the quickstart runs as the README shows it', async () => {
  const child = spawn(process.execPath, [join(root, 'examples', 'quickstart', 'main.ts')], {
    timeout: 30_000,
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  const { promise, resolve } = Promise.withResolvers<number>();
  child.on('close', (code) => resolve(code ?? -1));
  assert.equal(await promise, 0, output);
  assert.equal(output.match(/^allowed /gm)?.length, 2);
  assert.equal(output.match(/^refused /gm)?.length, 3);
  assert.equal(output.match(/^ +trace [0-9a-f]{32}:/gm)?.length, 5);
  assert.match(output, /api {7}saw 2 requests with the token and 0 without/);
});
