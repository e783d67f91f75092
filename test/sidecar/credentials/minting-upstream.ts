// An upstream that takes tokens, and the endpoint on the same server that mints them, as strictly as OAuth providers and
// GitHub do. A test can put a fault before the endpoint.

import { setTimeout as sleep } from 'node:timers/promises';
import { waitFor } from '../../cluster/deadline.ts';
import { createGithubTokens } from '../../support/github-tokens.ts';
import { createOAuthProvider } from '../../support/oauth-provider.ts';
import type { AnswerTokens, TokenReply } from '../../support/token-endpoints.ts';
import type { Answer } from '../proxy/origin.ts';

export type MintingFault = TokenReply | 'reset' | 'silent';

export interface MintingUpstream {
  readonly answer: Answer;
  /** Calls to the endpoint. */
  readonly mints: { readonly atMs: number }[];
  /** What the endpoint does in place of answering. */
  fault: MintingFault | null;
  /** Before each answer of the endpoint. */
  delayMs: number;
  /** The endpoint knows this client secret from now on; tokens that it gave before stay good. */
  trustClient(secret: string): void;
  /** So, of a GitHub App: its key in PEM. */
  trustApp(publicKey: string): void;
  /** No token that was given so far is good any more. */
  takeBack(): void;
  /** The next call to the endpoint. */
  minted(): Promise<void>;
}

/** @param expiresIn seconds that tokens live. */
export function createMintingUpstream(expiresIn: number): MintingUpstream {
  let issued: readonly { has(token: string): boolean }[] = [];
  let mint: AnswerTokens = () => ({ status: 500, body: 'nobody is trusted yet' });

  const upstream: MintingUpstream = {
    mints: [],
    fault: null,
    delayMs: 0,
    answer: (message, response, body) => {
      const { method = '', url = '', headers } = message;
      if (url.startsWith('/token/')) {
        const token = String(headers.authorization).replace('Bearer ', '');
        response.writeHead(issued.some((each) => each.has(token)) ? 200 : 401).end();
        return;
      }
      upstream.mints.push({ atMs: performance.now() });
      const answer = async (): Promise<void> => {
        const { fault, delayMs } = upstream;
        if (fault === 'reset') message.socket.destroy();
        if (fault === 'reset' || fault === 'silent') return;
        const reply = fault ?? (await mint({ method, path: url, headers, body }));
        await sleep(delayMs);
        response.writeHead(reply.status, { 'content-type': 'application/json' });
        response.end(JSON.stringify(reply.body));
      };
      answer().catch(() => response.destroy());
    },
    trustClient(secret) {
      const clients = [{ id: 'robot', secret, authentication: 'Basic' as const }];
      const provider = createOAuthProvider({ clients, expiresIn });
      issued = [...issued, provider.issued];
      mint = (call) => provider.answer({ ...call, path: '/token' });
    },
    trustApp(publicKey) {
      const github = createGithubTokens({
        appId: '1234',
        publicKey,
        installations: { 42: { repositories: ['docs'], permissions: {} } },
      });
      issued = [...issued, github.issued];
      mint = async (call) => {
        const reply = await github.answer(call);
        // GitHub writes whole seconds.
        const expires = new Date(Date.now() + (expiresIn + 1) * 1000).toISOString();
        if (reply.status !== 201) return reply;
        return { ...reply, body: { ...(reply.body as object), expires_at: expires } };
      };
    },
    takeBack() {
      issued = [];
    },
    async minted() {
      const from = upstream.mints.length;
      const what = 'a call to the token endpoint';
      await waitFor({ what, timeoutMs: 10_000, everyMs: 5 }, async () => upstream.mints.length > from);
      await sleep(100);
    },
  };
  return upstream;
}
