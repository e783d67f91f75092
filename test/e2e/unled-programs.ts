// The programs of agents without proxy variables, as those are that ignore or unset them: what leads them to the sidecar
// is netfilter and its answers to DNS.

import assert from 'node:assert/strict';
import { agentVariables, javaOptions } from '../../policy/agent-environment.ts';
import { podPaths, sidecarPorts } from '../../policy/contract.ts';

const place = { proxyPort: sidecarPorts.proxy, trustDirectory: podPaths.trust };
const aboutTrust = (text: string): boolean => text.includes(podPaths.trust) || text.includes('trustStore');

/** What goes before a command: of all that is injected only whom to trust is left. */
export const withoutProxy: readonly string[] = [
  'env',
  ...[...agentVariables(place)].filter(([, value]) => !aboutTrust(value)).flatMap(([name]) => ['-u', name]),
  `JAVA_TOOL_OPTIONS=${javaOptions(place).split(' ').filter(aboutTrust).join(' ')}`,
];

export interface Program {
  readonly command: readonly string[];
  readonly check: (output: string) => void;
  /** Where it must have arrived, with its credential. */
  readonly hosts: readonly string[];
}

const last = (output: string): Record<string, unknown> =>
  JSON.parse(output.trim().split('\n').at(-1) ?? '') as Record<string, unknown>;
const prints =
  (wanted: RegExp) =>
  (output: string): void =>
    assert.match(output, wanted);

const s3 = 'acme-reports.s3.eu-central-1.amazonaws.com';
const git = `cd /tmp && git clone -q https://github.com/acme/docs.git unled 2>&1 && cd unled &&
  echo b > b.txt && git add b.txt && git -c user.name=bot -c user.email=bot@acme.example commit -qm second &&
  git push -q origin HEAD:agent/second 2>&1 && git ls-remote origin`;
const curl = (url: string, ...options: string[]): Program => ({
  command: ['curl', '-sS', '-m', '20', '-w', '\n%{http_code}', ...options, url],
  check: prints(/\n200$/),
  hosts: [new URL(url).host],
});

/** They are independent of each other, and of what ran before. */
export const unledPrograms: Readonly<Record<string, Program>> = {
  octokit: {
    command: ['node', '/sdks/octokit.mjs'],
    check: (output) => assert.equal(last(output)['status'], 200),
    hosts: ['api.github.com'],
  },
  'git over HTTPS': {
    command: ['sh', '-c', git],
    check: prints(/refs\/heads\/agent\/second/),
    hosts: ['github.com'],
  },
  stripe: {
    command: ['node', '/sdks/stripe.mjs'],
    check: (output) => assert.equal(last(output)['status'], 'succeeded'),
    hosts: ['api.stripe.com'],
  },
  '@aws-sdk/client-s3': {
    command: ['node', '/sdks/s3.mjs'],
    check: (output) => assert.equal(last(output)['text'], 'report'),
    hosts: [s3],
  },
  boto3: {
    command: ['python3', '/sdks/reports.py'],
    check: (output) => assert.equal(last(output)['text'], 'report'),
    hosts: [s3],
  },
  'google-auth-library for Node': {
    command: ['node', '/sdks/google.mjs'],
    check: prints(/weekly\.txt/),
    hosts: ['storage.googleapis.com', 'oauth2.googleapis.com'],
  },
  'google-auth for Python': {
    command: ['python3', '/sdks/storage.py'],
    check: prints(/weekly\.txt/),
    hosts: ['storage.googleapis.com', 'oauth2.googleapis.com'],
  },
  requests: {
    command: ['python3', '/sdks/search.py'],
    check: (output) => assert.deepEqual(last(output), { status: 200, json: { found: 1 } }),
    hosts: ['api.search.example'],
  },
  Java: {
    command: ['/usr/lib/java/bin/java', '-cp', '/sdks', 'Client'],
    check: prints(/^200 {"tickets":2}/m),
    hosts: ['tickets.example'],
  },
  'curl, with a key in the query': curl(
    'https://maps.example/geocode?key=outrider-placeholder.research.maps&q=Berlin',
  ),
  'curl, with a key in the path': curl('https://bots.example/botoutrider-placeholder.research.bot/getMe'),
  'curl, with a signature': curl('https://exchange.example/orders?dry=1', '-d', '{"side":"buy"}'),
  'busybox, whose resolver is that of a static glibc': {
    command: ['nslookup', 'maps.example'],
    check: prints(/198\.1[89]\./),
    hosts: [],
  },
};

interface Came {
  readonly host: string;
  readonly entry: string;
}

/** Of the decision lines in a sidecar's log. Other hosts may be there too: Google's SDK for Python looks for more. */
export function entriesByHost(
  lines: readonly string[],
  hosts: readonly string[],
): Readonly<Record<string, readonly string[]>> {
  const byHost: Record<string, string[]> = {};
  for (const line of lines.filter((each) => each.includes('"kind":"decision"'))) {
    const { host, entry } = JSON.parse(line) as Came;
    if (hosts.includes(host)) byHost[host] = [...new Set([...(byHost[host] ?? []), entry])].toSorted();
  }
  return byHost;
}
