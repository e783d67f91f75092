// An agent that never stops calling. Its log is read on the node, so that it can be followed while the API server
// or the operator is away.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { waitFor } from '../cluster/deadline.ts';
import type { ClusterNode } from '../cluster/node.ts';

export interface Caller {
  readonly pod: string;
  /** How many calls have ended so far. */
  count(): number;
  /** What the calls from one count on came to: a status with the refusal's code, or `000` without an answer. */
  outcomesSince(count: number): string[];
  /** Waits for one more call that comes to `outcome`; how long that took. */
  until(outcome: string, timeoutMs: number): Promise<number>;
}

const url = 'https://tracker.upstream.svc:8443/issues';

// One line a call, and no body in it but the refusal's code.
const script = `
while :; do
  answer=$(curl -s -m 5 -w ' %{http_code}' ${url})
  code=
  case "$answer" in *'"code":"'*) code=\${answer#*'"code":"'}; code=" \${code%%'"'*}";; esac
  echo "call \${answer##* }$code"
  sleep 0.2
done`;

export async function startCaller(node: ClusterNode): Promise<Caller> {
  const pod = 'caller';
  const manifest = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: pod, namespace: 'research', annotations: { 'outrider.dev/inject': 'true' } },
    spec: {
      serviceAccountName: 'triage',
      terminationGracePeriodSeconds: 1,
      containers: [
        {
          name: 'agent',
          image: 'localhost/node:26',
          command: ['sh', '-c', script],
          securityContext: { runAsUser: 1000 },
        },
      ],
    },
  };
  await node.kubectl(['apply', '-f', '-'], { stdin: stringify(manifest) });

  function calls(): string[] {
    const folder = readdirSync(node.podLogsFolder).find((name) => name.startsWith(`research_${pod}_`));
    if (folder === undefined) return [];
    const files = join(node.podLogsFolder, folder, 'agent');
    const text = readdirSync(files)
      .toSorted()
      .map((name) => readFileSync(join(files, name), 'utf8'));
    return [...text.join('').matchAll(/ call (\S+(?: \S+)?)$/gm)].map(([, outcome = '']) => outcome);
  }

  const caller: Caller = {
    pod,
    count: () => calls().length,
    outcomesSince: (count) => calls().slice(count),
    until: async (outcome, timeoutMs) => {
      const startedAt = performance.now();
      const from = calls().length;
      const what = `a call that comes to ${outcome}`;
      const evidence = (): string => calls().slice(-10).join('\n');
      await waitFor({ what, timeoutMs, everyMs: 50, evidence }, async () =>
        calls().slice(from).includes(outcome),
      );
      return Math.round(performance.now() - startedAt);
    },
  };
  await caller.until('200', 60_000);
  return caller;
}
