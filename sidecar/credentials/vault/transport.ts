// How node-vault's requests travel. Its own transport (axios) follows redirects with the token, obeys
// HTTPS_PROXY and VAULT_SKIP_VERIFY, and rejects with errors that carry the token; so it is given this one.

import { setTimeout as sleep } from 'node:timers/promises';
import type { VaultStore } from '../../../policy/ruleset-credential.ts';
import { callBounded, createVerifyingAgent, type Answer, type CallFailures } from '../../bounded-call.ts';
import { SidecarError } from '../../errors.ts';

/** What node-vault hands to its `request-promise`. */
export interface VaultRequest {
  readonly method: string;
  readonly uri: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly json?: object;
  /** Absent: `attempts`. */
  readonly attempts?: number;
}

export interface VaultResponse {
  readonly statusCode: number;
  readonly body: object;
  /** Left empty: node-vault takes any error under a path with `sys/health` in it for an answer. */
  readonly request: { readonly path: '' };
}

export interface VaultTransport {
  send(request: VaultRequest): Promise<VaultResponse>;
  close(): void;
}

/** Vault limits a KV entry to 1 MiB; what is larger is no answer of Vault's. */
const maxAnswerBytes = 2 * 1024 * 1024;
/** One more try: a connection that Vault closed while idle, a leader election's gap. */
const attempts = 2;
const retryDelayMs = 200;

const failures: CallFailures = {
  unreachable: { code: 'VAULT_UNREACHABLE', field: 'spec.vault.address' },
  untrusted: { code: 'VAULT_UNTRUSTED', field: 'spec.vault.caBundle' },
  unreadable: { code: 'VAULT_ANSWER_UNREADABLE', field: 'spec.vault.address' },
};

export function createVaultTransport(
  store: VaultStore,
  { timeoutMs }: { readonly timeoutMs: number },
): VaultTransport {
  const agent = createVerifyingAgent(store.caBundle === undefined ? {} : { ca: store.caBundle });

  async function once({ method, uri, headers, json }: VaultRequest): Promise<Answer> {
    const answer = await callBounded({
      agent,
      url: new URL(uri),
      method,
      headers: { ...headers, 'x-vault-request': 'true', 'content-type': 'application/json' },
      ...(json === undefined ? {} : { body: JSON.stringify(json) }),
      timeoutMs,
      maxAnswerBytes,
      failures,
    });
    if (answer.status >= 300 && answer.status < 400)
      throw new SidecarError('VAULT_REDIRECTED', { field: 'spec.vault.address' });
    return answer;
  }

  return {
    async send(request) {
      const most = request.attempts ?? attempts;
      for (let attempt = 1; ; attempt += 1) {
        try {
          const { status, body } = await once(request);
          if (status < 500 || attempt === most) {
            return { statusCode: status, body: parseBody(status, body), request: { path: '' } };
          }
        } catch (error) {
          if (attempt === most || (error as SidecarError).code !== 'VAULT_UNREACHABLE') throw error;
        }
        await sleep(retryDelayMs * (1 + Math.random()));
      }
    },
    close: () => agent.destroy(),
  };
}

/** Vault answers objects; of an error only the status counts, which a load balancer may send with HTML. */
function parseBody(status: number, body: string): object {
  if (body === '') return {};
  try {
    const value: unknown = JSON.parse(body);
    if (typeof value === 'object' && value !== null) return value;
  } catch {
    // as if it were no object
  }
  if (status >= 400) return {};
  throw new SidecarError('VAULT_ANSWER_UNREADABLE', { field: 'spec.vault.address' });
}
