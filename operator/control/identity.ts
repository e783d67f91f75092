// Who is calling: the API server says so from the token (TokenReview), and nothing that the caller says counts. A
// sidecar is a pod that the watch knows by the uid in its token (threat O-05); a replica is a pod of the operator's own
// ServiceAccount.

import { createHash } from 'node:crypto';
import { operatorAudience } from '../../policy/contract.ts';
import { OperatorError } from '../errors.ts';
import type { KubeClient } from '../kube/client.ts';
import type { Pod } from '../kube/informers.ts';
import type { Agents } from './agents.ts';

export interface SidecarIdentity {
  readonly pod: Pod;
  readonly uid: string;
  /** Epoch ms at which the token ends. */
  readonly expiresAtMs: number;
}

export interface IdentityVerifier {
  /**
   * @param authorization the request's header.
   * @param reuse takes an answer of the last seconds: for reports, never for a stream.
   * @throws {OperatorError} TOKEN_*, POD_UNKNOWN, OVERLOADED or KUBE_*.
   */
  sidecar(authorization: string | undefined, reuse: boolean): Promise<SidecarIdentity>;
  /** @returns the name of the replica's pod. */
  replica(authorization: string | undefined): Promise<string>;
}

interface Reviewed {
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly pod: string;
  readonly uid: string;
  readonly node: string | undefined;
  readonly expiresAtMs: number;
}

interface TokenReview {
  readonly status?: {
    readonly authenticated?: boolean;
    readonly audiences?: readonly string[];
    readonly user?: {
      readonly username?: string;
      readonly extra?: Readonly<Record<string, readonly string[]>>;
    };
  };
}

/** Projected tokens have about 1 KiB. */
const maxTokenLength = 8 * 1024;
const cacheMs = 10_000;
const maxCached = 10_000;
/** A fleet that reconnects at once must not take the API server's whole share of the operator's priority level. */
const maxConcurrent = 32;
const maxWaiting = 5_000;

export function createIdentityVerifier(deps: {
  readonly client: KubeClient;
  readonly agents: Agents;
  readonly self: { readonly namespace: string; readonly serviceAccount: string };
}): IdentityVerifier {
  const { client, agents, self } = deps;
  const cache = new Map<string, { readonly reviewed: Reviewed; readonly untilMs: number }>();
  const limit = createLimit();

  async function review(token: string): Promise<Reviewed> {
    const { exp } = readClaims(token);
    const answer = await limit(() =>
      client.request<TokenReview>({
        method: 'POST',
        path: '/apis/authentication.k8s.io/v1/tokenreviews',
        body: {
          apiVersion: 'authentication.k8s.io/v1',
          kind: 'TokenReview',
          spec: { token, audiences: [operatorAudience] },
        },
      }),
    );
    const { authenticated, audiences, user } = answer.status ?? {};
    if (authenticated !== true || audiences?.includes(operatorAudience) !== true) throw refused();
    const [, namespace, serviceAccount] =
      /^system:serviceaccount:([^:]+):([^:]+)$/.exec(user?.username ?? '') ?? [];
    if (namespace === undefined || serviceAccount === undefined) throw refused();
    const extra = (name: string): string | undefined =>
      user?.extra?.[`authentication.kubernetes.io/${name}`]?.[0];
    const [pod, uid, node] = [extra('pod-name'), extra('pod-uid'), extra('node-name')];
    if (pod === undefined || uid === undefined) throw new OperatorError('TOKEN_NOT_POD_BOUND');
    return { namespace, serviceAccount, pod, uid, node, expiresAtMs: exp * 1000 };
  }

  async function reviewOrReuse(token: string): Promise<Reviewed> {
    const key = createHash('sha256').update(token).digest('base64');
    const known = cache.get(key);
    if (known !== undefined && performance.now() < known.untilMs) return known.reviewed;
    cache.delete(key);
    const reviewed = await review(token);
    // Insertion order is the order of expiry, so the oldest go first.
    for (const [old, { untilMs }] of cache) {
      if (cache.size < maxCached && performance.now() < untilMs) break;
      cache.delete(old);
    }
    cache.set(key, { reviewed, untilMs: performance.now() + cacheMs });
    return reviewed;
  }

  return {
    sidecar: async (authorization, reuse) => {
      const token = bearerOf(authorization);
      const reviewed = await (reuse ? reviewOrReuse(token) : review(token));
      const pod = agents.find(reviewed.namespace, reviewed.pod, reviewed.uid);
      if (
        pod === null ||
        pod.serviceAccount !== reviewed.serviceAccount ||
        (reviewed.node !== undefined && pod.node !== undefined && pod.node !== reviewed.node)
      ) {
        throw new OperatorError('POD_UNKNOWN');
      }
      return { pod, uid: reviewed.uid, expiresAtMs: reviewed.expiresAtMs };
    },
    replica: async (authorization) => {
      const { namespace, serviceAccount, pod } = await reviewOrReuse(bearerOf(authorization));
      if (namespace !== self.namespace || serviceAccount !== self.serviceAccount) {
        throw new OperatorError('REPLICA_UNKNOWN');
      }
      return pod;
    },
  };
}

function refused(): OperatorError {
  return new OperatorError('TOKEN_REFUSED', { detail: `Its audience must be ${operatorAudience}.` });
}

function bearerOf(authorization: string | undefined): string {
  const token = /^Bearer ([\w.~+/=-]+)$/i.exec(authorization ?? '')?.[1];
  if (token === undefined || token.length > maxTokenLength) throw new OperatorError('TOKEN_MISSING');
  return token;
}

/**
 * Claims that nobody has verified: they spare the API server what cannot be good, and say when a token that it has
 * verified ends.
 */
function readClaims(token: string): { readonly exp: number } {
  try {
    const payload = Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8');
    const { aud, exp } = JSON.parse(payload) as { readonly aud?: unknown; readonly exp?: unknown };
    if ([aud].flat().includes(operatorAudience) && typeof exp === 'number' && exp * 1000 > Date.now())
      return { exp };
  } catch {
    // No JWT.
  }
  throw refused();
}

/** Runs a bounded number at once, first come, first served. */
function createLimit(): <T>(work: () => Promise<T>) => Promise<T> {
  const waiting: (() => void)[] = [];
  let running = 0;
  return async (work) => {
    if (running >= maxConcurrent) {
      if (waiting.length >= maxWaiting) throw new OperatorError('OVERLOADED');
      await new Promise<void>((resolve) => void waiting.push(resolve));
    } else running += 1;
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next === undefined) running -= 1;
      else next();
    }
  };
}
