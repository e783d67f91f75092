import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { clusterPolicy, credential, destination, policy } from '../policy/resources/examples.ts';
import { createCommandLine, execute, root } from './command-line.ts';

const { outrider, directory, folder, remove } = createCommandLine();
after(remove);

const refund = {
  name: 'refund',
  action: 'Allow',
  hosts: ['api.example.com'],
  methods: ['POST'],
  paths: ['/refunds'],
  body: { types: ['Form'], fields: { '/amount': { min: 1, max: 5000 } } },
  credential: 'c',
  limits: [{ name: 'day', sum: '/amount', max: 9000, per: '24h' }],
};
const list = {
  name: 'list',
  action: 'Allow',
  hosts: ['api.example.com'],
  methods: ['GET'],
  paths: ['/charges'],
};
const stop = { name: 'stop', action: 'Deny', methods: ['DELETE'], message: 'People delete.' };
const files = {
  'p.yaml': policy({ agents: { serviceAccounts: ['refunder'] }, rules: [refund, list] }),
  'other.yaml': policy({ agents: { serviceAccounts: ['other'] }, rules: [list] }, 'other'),
  'c.yaml': credential({ allow: [{ hosts: ['api.example.com'] }] }),
  'f.yaml': clusterPolicy({ agents: {}, rules: [stop] }, 'floor'),
};
const dir = directory(files);
const as = ['--as', 'default/refunder'];
const url = 'https://api.example.com/refunds';

describe('outrider explain refuses', () => {
  const cases: Record<string, [args: string[], message: RegExp]> = {
    'to run without a request': [['-f', dir, ...as], /write one request: METHOD URL/],
    'three words': [['-f', dir, ...as, 'GET', url, 'x'], /write one request/],
    'to run without resources': [[...as, url], /write either -f DIR or --cluster/],
    'files and a cluster at once': [['-f', dir, '--cluster', ...as, url], /write either -f DIR or --cluster/],
    'a cluster without an agent': [['--cluster', url], /--as is missing/],
    'policies that select, without an agent': [
      ['-f', dir, url],
      /--as is missing: the policy \w+ selects agents/,
    ],
    'an agent that is none': [['-f', dir, '--as', 'refunder', url], /write namespace\/serviceaccount/],
    'a URL that is none': [['-f', dir, ...as, 'GET', '/refunds'], /the request's url is no URL/],
    'a header that is none': [['-f', dir, ...as, '-H', 'accept', url], /-H accept: write Name: value/],
    'a header that no rule sees': [
      ['-f', dir, ...as, '-H', 'Host: a', url],
      /headers\.host is never seen by a rule/,
    ],
    'a file of data that is not there': [
      ['-f', dir, ...as, '-d', '@gone', url],
      /-d @gone: the file cannot be read/,
    ],
    'a request file that is not there': [['-f', dir, ...as, 'gone.yaml'], /gone\.yaml cannot be read/],
    'a time that is none': [['-f', dir, ...as, '--time', 'noon', url], /--time noon: write RFC 3339/],
    'a counter that is none': [
      ['-f', dir, ...as, '--used', 'p/refund=1', url],
      /--used p\/refund=1: write POLICY\/RULE\/LIMIT=NUMBER/,
    ],
  };
  for (const [what, [args, message]] of Object.entries(cases)) {
    it(what, async () => {
      const { code, stderr } = await outrider('explain', ...args);
      assert.equal(code, 2, stderr);
      assert.match(stderr, message);
    });
  }
});

describe('outrider explain', () => {
  it('shows the decision, and what every rule has to do with it', async () => {
    const { code, stdout } = await outrider('explain', '-f', dir, ...as, '-d', 'amount=6000', url);
    assert.equal(
      stdout,
      `decision  Deny no_grant
closest   p/refund: body.fields[/amount]: The body's /amount must be a number from 1 to 5000.

grants
  ✖ Allow p/list    paths: The rule allows /charges, not /refunds.
  ✖ Allow p/refund  body.fields[/amount]: The body's /amount must be a number from 1 to 5000.

guards
  ✖ Deny floor/stop (cluster)  methods: The rule is about DELETE, not POST.

not for this agent: AgentPolicy other
`,
    );
    assert.equal(code, 0);
  });

  it('takes the request as curl does, counts limits, and reads the same from a file', async () => {
    const typed = await outrider(
      'explain',
      '-f',
      dir,
      ...as,
      'POST',
      url,
      '-H',
      'Content-Type: application/x-www-form-urlencoded',
      '-d',
      'amount=100',
    );
    assert.match(
      typed.stdout,
      /^decision {2}Allow by p\/refund with the credential c\ncharges {3}100 of 9000 sum to p\/refund\/day\n/,
    );
    writeFileSync(join(folder, 'request.yaml'), `method: POST\nurl: ${url}\nform: { amount: "100" }\n`);
    const written = await outrider('explain', '-f', dir, ...as, 'request.yaml');
    assert.equal(written.stdout, typed.stdout);
    writeFileSync(join(folder, 'body'), 'amount=100');
    const read = await outrider('explain', '-f', dir, ...as, '-d', '@body', url);
    assert.equal(read.stdout, typed.stdout);
    const used = await outrider('explain', '-f', dir, ...as, 'request.yaml', '--used', 'p/refund/day=8950');
    assert.match(used.stdout, /^decision {2}Deny limit_exceeded by p\/refund\n/);
  });

  it('shows a guard that decides, with its words', async () => {
    const { stdout } = await outrider('explain', '-f', dir, ...as, 'DELETE', url);
    assert.match(stdout, /^decision {2}Deny denied_by_rule by floor\/stop\nmessage {3}People delete\.\n/);
    assert.match(stdout, /✔ Deny floor\/stop \(cluster\) {2}matches/);
  });

  it('says what is refused before any rule is asked', async () => {
    const { stdout } = await outrider('explain', '-f', dir, ...as, 'https://api.example.com/a/../b');
    assert.match(stdout, /^decision {2}Deny request_ambiguous\nmessage {3}The path has a dot segment/);
  });

  it('says whom no policy selects, and which there are', async () => {
    const { stdout } = await outrider('explain', '-f', dir, '--as', 'default/nobody', url);
    assert.match(stdout, /^decision {2}Deny no_grant\n\ngrants: none\n/);
    assert.match(stdout, /not for this agent: AgentPolicy other, AgentPolicy p\n/);
  });

  it('says which selectors it took to match, unless the namespace is there to tell', async () => {
    const wiki = destination(
      {
        host: { name: 'wiki.example', port: 8443, cidrs: ['10.0.0.0/8'] },
        namespaceSelector: { matchLabels: { team: 'x' } },
      },
      'wiki',
    );
    const own = policy({ agents: {}, rules: [{ name: 'r', action: 'Allow', destination: 'wiki' }] });
    const unknown = await outrider(
      'explain',
      '-f',
      directory({ 'd.yaml': wiki, 'p.yaml': own }),
      'https://wiki.example:8443/',
    );
    assert.match(unknown.stdout, /^decision {2}Allow by p\/r\n/);
    assert.match(unknown.stdout, /taken to match, .*: AgentDestination wiki\n/);
    const namespace = {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name: 'default', labels: { team: 'y' } },
    };
    const known = await outrider(
      'explain',
      '-f',
      directory({ 'd.yaml': wiki, 'p.yaml': own, 'n.yaml': namespace }),
      'https://wiki.example:8443/',
    );
    assert.match(known.stdout, /^decision {2}Deny no_grant\n/);
  });

  it('writes JSON for machines', async () => {
    const { stdout } = await outrider(
      'explain',
      '-f',
      dir,
      ...as,
      '--output',
      'json',
      '-d',
      'amount=100',
      url,
    );
    const { decision, rules } = JSON.parse(stdout) as {
      decision: Record<string, unknown>;
      rules: Record<string, unknown>[];
    };
    assert.deepEqual(
      [decision.action, decision.policy, decision.rule, decision.credential],
      ['allow', 'p', 'refund', 'c'],
    );
    assert.deepEqual(
      rules.map(({ policy, rule, stance, matches, field }) => [policy, rule, stance, matches, field]),
      [
        ['floor', 'stop', 'guard', false, 'methods'],
        ['p', 'list', 'grant', false, 'paths'],
        ['p', 'refund', 'grant', true, null],
      ],
    );
  });

  it('says that kubectl is missing, when a cluster is asked for', async () => {
    const args = [join(root, 'cli', 'main.ts'), 'explain', '--cluster', ...as, url];
    const { code, stderr } = await execute(process.execPath, args, folder, {
      ...process.env,
      PATH: '/nowhere',
    });
    assert.equal(code, 2);
    assert.match(stderr, /kubectl, which reads the cluster, cannot be run: .*ENOENT/);
  });

  it('passes on what kubectl says', async () => {
    const args = [
      join(root, 'cli', 'main.ts'),
      'explain',
      '--cluster',
      '--context',
      'no-such-context',
      ...as,
      url,
    ];
    const { code, stderr } = await execute(process.execPath, args, folder, {
      ...process.env,
      KUBECONFIG: '/dev/null',
    });
    assert.equal(code, 2);
    assert.match(stderr, /kubectl --context no-such-context get .*no-such-context/);
  });
});
