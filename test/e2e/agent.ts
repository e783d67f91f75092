// An agent's side of things: commands run in its container, and what curl there gets.

import type { ClusterNode } from '../cluster/node.ts';

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, readonly string[]>>;
  readonly text: string;
  readonly json: Record<string, unknown>;
}

export interface AgentHandle {
  /** Runs a command in the agent's container; its output, or an error with what it complained of. */
  exec(command: readonly string[], timeoutMs?: number): Promise<string>;
  curl(path: string, options?: readonly string[]): Promise<Answer>;
}

const base = 'https://tracker.upstream.svc:8443';

export function createAgent(node: ClusterNode, deployment: string, namespace = 'research'): AgentHandle {
  async function exec(command: readonly string[], timeoutMs = 30_000): Promise<string> {
    return node.kubectl(['exec', '-n', namespace, `deploy/${deployment}`, '-c', 'agent', '--', ...command], {
      timeoutMs,
    });
  }
  return {
    exec,
    curl: async (path, options = []) => {
      // The body first, then one line of JSON with the status and the headers: nothing else to parse.
      const format = '\n%{http_code} %{header_json}';
      const url = path.startsWith('https://') || path.startsWith('http://') ? path : base + path;
      const output = await exec(['curl', '-sS', '-m', '20', '-w', format, ...options, url]);
      const [, text = '', status = '0', headers = '{}'] = /^([^]*)\n(\d{3}) (\{[^]*)$/.exec(output) ?? [];
      const json = text.startsWith('{') ? (JSON.parse(text) as Record<string, unknown>) : {};
      return { status: Number(status), headers: JSON.parse(headers) as Answer['headers'], text, json };
    },
  };
}

/** Calls until the answer is as wanted; how long that took. */
export async function untilAnswer(
  agent: AgentHandle,
  path: string,
  wanted: (answer: Answer) => boolean,
  timeoutMs: number,
): Promise<{ answer: Answer; tookMs: number }> {
  const startedAt = performance.now();
  for (;;) {
    const answer = await agent.curl(path);
    const tookMs = Math.round(performance.now() - startedAt);
    if (wanted(answer)) return { answer, tookMs };
    if (tookMs > timeoutMs) throw new Error(`after ${tookMs} ms still ${answer.status} ${answer.text}`);
  }
}
