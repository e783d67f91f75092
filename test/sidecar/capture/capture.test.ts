// The init container: what it refuses to call captured, and what it leaves when it does.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { encodePlan, maxPlannedPorts, maxRelays, type CapturePlan } from '../../../policy/capture-plan.ts';
import type { NftObject } from '../../../sidecar/capture/nft-rule.ts';
import { readCaptureReport, writeCaptureReport } from '../../../sidecar/capture/report.ts';
import { captureRules } from '../../../sidecar/capture/rules.ts';
import { nodeSkipReason } from '../../cluster/node-availability.ts';
import { createNamespaces, podFour, type CaptureOutcome, type Namespaces } from './namespaces.ts';

const sidecar = { uid: 40_000, gid: 40_001 };
const plan: CapturePlan = {
  ports: [{ port: 8443, listener: 16_000 }],
  relays: [{ name: 'orders.example', port: 5432, listener: 16_001, slot: 1 }],
};
const runCanary = join(import.meta.dirname, 'run-canary.ts');

describe('the init container that captures a pod', { skip: nodeSkipReason() ?? false }, () => {
  let namespaces: Namespaces;
  before(async () => {
    namespaces = await createNamespaces();
  });
  after(() => namespaces?.close());

  /** The real nft, but for what the script does first or afterwards. */
  function nftThat(script: string): string {
    const path = join(namespaces.directory, 'nft');
    writeFileSync(path, `#!/bin/sh\n${script}\n`);
    chmodSync(path, 0o755);
    return path;
  }

  async function fails(code: string, message: RegExp, outcome: Promise<CaptureOutcome>): Promise<void> {
    const answer = await outcome;
    assert.ok('code' in answer, JSON.stringify(answer));
    assert.equal(answer.code, code, answer.message);
    assert.match(answer.message, message);
    assert.equal(readCaptureReport(namespaces.directory), null);
  }

  test('leaves no report of an earlier sandbox when it fails (K-14)', async () => {
    const at = '2026-01-01T00:00:00Z';
    await writeCaptureReport(namespaces.directory, { level: 'captured', plan: '', families: [], at });
    await fails('CAPTURE_UNSUPPORTED', /nf_tables/, namespaces.capture(sidecar, plan, '/bin/false'));
  });

  test('says that nft is not there', async () => {
    await fails(
      'CAPTURE_RULES_REFUSED',
      /cannot be started: ENOENT/,
      namespaces.capture(sidecar, plan, '/no/nft'),
    );
  });

  const lacking: Readonly<Record<string, readonly [pattern: string, named: RegExp]>> = {
    fib: ['*\'"fib"\'*', /Missing: fib\.$/],
    'NAT on the output hook': ['*\'"nat"\'*', /Missing: NAT on the output hook of inet tables, redirect\.$/],
    'owners of sockets': ['*skuid*|*skgid*', /Missing: meta skuid, meta skgid\.$/],
    'connection tracking': ['*\'"ct"\'*', /Missing: ct direction, ct mark\.$/],
    'refusals by ICMP': ['*icmpx*', /Missing: reject with icmpx\.$/],
  };
  for (const [what, [pattern, named]] of Object.entries(lacking)) {
    test(`names what is missing on a kernel without ${what}`, async () => {
      const nft = nftThat(`case "$*" in ${pattern}) exit 1;; esac; exec /usr/sbin/nft "$@"`);
      await fails('CAPTURE_UNSUPPORTED', named, namespaces.capture(sidecar, plan, nft));
    });
  }

  test("passes on the kernel's word when it has everything and refuses", async () => {
    const nft = nftThat(
      'case "$*" in *--check*|*list*) exec /usr/sbin/nft "$@";; *) echo "Error: No buffer space" >&2; exit 1;; esac',
    );
    await fails(
      'CAPTURE_RULES_REFUSED',
      /\(Error: No buffer space\)/,
      namespaces.capture(sidecar, plan, nft),
    );
  });

  test('does not believe an exit code: it reads the rules back', async () => {
    const sabotage: Readonly<Record<string, readonly [command: string, difference: RegExp]>> = {
      nothing: ['delete table inet outrider', /there is no table/],
      less: ['flush chain inet outrider fence', /instead of .*"fence"/],
      more: ['add chain inet outrider zero', /"name":"zero"/],
      other: ['insert rule inet outrider passage meta skuid 0 accept', /"right":0.* instead of/],
    };
    for (const [command, difference] of Object.values(sabotage)) {
      const nft = nftThat(
        `case "$*" in *list*) exec /usr/sbin/nft "$@";; esac; /usr/sbin/nft "$@" && /usr/sbin/nft ${command}`,
      );
      await fails('CAPTURE_RULES_DIFFER', difference, namespaces.capture(sidecar, plan, nft));
    }
  });

  test('does not believe what is listed either: it tries to get out', async () => {
    const nft = nftThat(
      'case "$*" in *list*) /usr/sbin/nft "$@"; exec /usr/sbin/nft insert rule inet outrider passage accept;; esac; exec /usr/sbin/nft "$@"',
    );
    await fails(
      'CAPTURE_UNPROVED',
      /way out|was not stopped|counted/,
      namespaces.capture(sidecar, plan, nft),
    );
  });

  test('is refused without NET_ADMIN, and without uid 0', async () => {
    const script = join(import.meta.dirname, 'run-capture.ts');
    const args = [`--uid=1`, '--gid=1', `--plan=${encodePlan(plan)}`];
    const command = [process.execPath, script, '/usr/sbin/nft', namespaces.directory, ...args];
    for (const without of [['--bounding-set=-all', '--inh-caps=-all'], ['--reuid=1000']]) {
      const answer = await namespaces.run('pod', ['setpriv', ...without, ...command]);
      assert.match(answer, /CAPTURE_NOT_PERMITTED|CAPTURE_REPORT_UNWRITABLE/);
    }
  });

  describe('its canary finds', () => {
    const whole = captureRules(sidecar, plan);
    const inPassage = { family: 'inet', table: 'outrider', chain: 'passage' };
    const text = (object: NftObject): string => JSON.stringify(object);
    const without = (pattern: RegExp) => whole.filter((object) => !pattern.test(text(object)));
    const replaced = (from: string | RegExp, to: string) =>
      whole.map((object) => JSON.parse(text(object).replace(from, to)) as NftObject);
    const wrong: Readonly<Record<string, readonly [rules: readonly NftObject[], found: RegExp]>> = {
      'that there are no rules': [[], /no counters/],
      'that only counters are there': [
        whole.filter((object) => 'counter' in object),
        /123 was not stopped.*to be captured, 0/,
      ],
      'that guard lets everybody pass': [
        replaced('"hook":"output","prio":0', '"hook":"input","prio":0'),
        /refused, 0/,
      ],
      'that root passes as the sidecar does': [replaced(/40000|40001/g, '0'), /was not stopped/],
      'that port 443 is not redirected': [without(/"right":443/), /to be captured, \d/],
      'that DNS is not redirected': [without(/"counter":"dns"/), /to be dns, 0/],
      'that one family of the two is let past': [
        [
          ...whole.filter((object) => !text(object).includes('"chain":"guard"')),
          ...['nfproto'].map((key) => ({
            rule: {
              family: 'inet',
              table: 'outrider',
              chain: 'guard',
              expr: [{ match: { op: '==', left: { meta: { key } }, right: 'ipv6' } }, { accept: null }],
            },
          })),
          ...whole.filter((object) => text(object).includes('"chain":"guard"')),
        ],
        /2001:db8::1 port/,
      ],
      'that new connections pass as replies do': [
        replaced(/^.*"right":"reply".*$/, text({ rule: { ...inPassage, expr: [{ accept: null }] } })),
        /was not stopped/,
      ],
    };
    for (const [what, [rules, found]] of Object.entries(wrong)) {
      test(what, async () => {
        const command = [process.execPath, runCanary, JSON.stringify(rules), encodePlan(plan)];
        const failures = JSON.parse(await namespaces.run('pod', command)) as string[];
        assert.match(failures.join(' '), found);
      });
    }

    test('nothing when all is right', async () => {
      const command = [process.execPath, runCanary, JSON.stringify(whole), encodePlan(plan)];
      assert.equal(await namespaces.run('pod', command), '[]');
    });
  });

  test('reports the plan and both families, again after each restart', async () => {
    for (let run = 0; run < 2; run += 1) {
      const outcome = await namespaces.capture(sidecar, plan);
      assert.ok('report' in outcome, JSON.stringify(outcome));
      const report = readCaptureReport(namespaces.directory);
      assert.deepEqual(report, outcome.report);
      assert.deepEqual(
        { ...report, at: '' },
        { level: 'captured', plan: encodePlan(plan), families: ['four', 'six'], at: '' },
      );
    }
  });

  test('writes what rules.nft shows, for people to read', async (context) => {
    const { stdout: version } = await promisify(execFile)('/usr/sbin/nft', ['--version']);
    const shown = readFileSync(join(import.meta.dirname, 'rules.nft'), 'utf8');
    // Each version has words of its own for the same.
    if (!shown.startsWith(`# As listed by ${version.split(' (')[0]}`))
      return context.skip(`written with another ${version}`);
    assert.ok('report' in (await namespaces.capture(sidecar, plan)));
    const listed = await namespaces.run('pod', ['nft', '--stateless', 'list', 'table', 'inet', 'outrider']);
    assert.equal(listed, shown.slice(shown.indexOf('\n') + 1));
  });

  test('takes the largest plan that there is', async (context) => {
    const ports = Array.from({ length: maxPlannedPorts }, (_, index) => ({
      port: 60_000 + index,
      listener: 16_000 + index,
    }));
    const relays = Array.from({ length: maxRelays }, (_, index) => ({
      name: `database-${index}.example`,
      port: 50_000 + index,
      listener: 17_000 + index,
      slot: index + 1,
    }));
    const startedAt = performance.now();
    const outcome = await namespaces.capture(sidecar, { ports, relays });
    assert.ok('report' in outcome, JSON.stringify(outcome));
    context.diagnostic(`${Math.round(performance.now() - startedAt)} ms, with the start of Node`);
    const script = JSON.stringify(captureRules(sidecar, { ports, relays }));
    assert.ok(script.length < 100_000, `${script.length} bytes of the 128 KiB that an argument may have`);
  });

  test('knows a pod with one family alone, and one without a way out', async () => {
    const families = async (): Promise<unknown> => {
      const outcome = await namespaces.capture(sidecar, plan);
      return 'report' in outcome ? outcome.report.families : outcome;
    };
    // The route goes with the address.
    await namespaces.run('pod', ['ip', 'address', 'delete', `${podFour}/24`, 'dev', 'eth0']);
    assert.deepEqual(await families(), ['six']);
    await namespaces.run('pod', ['ip', 'address', 'add', `${podFour}/24`, 'dev', 'eth0']);
    await namespaces.run('pod', ['ip', 'route', 'add', 'default', 'via', '10.9.0.1']);
    await namespaces.run('pod', ['sysctl', '-qw', 'net.ipv6.conf.all.disable_ipv6=1']);
    assert.deepEqual(await families(), ['four']);
    await namespaces.run('pod', ['ip', 'route', 'delete', 'default']);
    await fails('CAPTURE_UNPROVED', /no route/, namespaces.capture(sidecar, plan));
  });
});
