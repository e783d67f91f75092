// What sidecars report of themselves: which ruleset they run, how their credentials fare, and what policies in mode Audit
// would have changed.

import { z } from 'zod';
import { maxShadowReports, type ShadowReport } from '../../policy/contract.ts';
import { fieldPath } from '../../policy/parse.ts';
import { OperatorError } from '../errors.ts';

/** How one credential fares in one agent; without any text from the pod. */
export interface CredentialState {
  readonly state: 'Pending' | 'Resolved' | 'Failing';
  readonly code?: string;
  /** RFC 3339, UTC, whole seconds. */
  readonly rotatedAt?: string;
}

export interface HeldReport {
  readonly uid: string;
  readonly namespace: string;
  /** The revision that the sidecar enforces; `''` before the first. */
  readonly revision: string;
  readonly credentials: ReadonlyMap<string, CredentialState>;
  /** By `shadowKey`. */
  readonly shadow: ReadonlyMap<string, ShadowReport>;
  /** Monotonic, of this replica. */
  readonly takenAtMs: number;
}

export interface Reports {
  /** @throws {OperatorError} REQUEST_INVALID that names the field. */
  take(agent: { readonly uid: string; readonly namespace: string }, body: unknown): void;
  forget(uid: string): void;
  get(uid: string): HeldReport | undefined;
  all(): readonly HeldReport[];
  onChange(listener: (report: HeldReport, previous: HeldReport | undefined) => void): void;
}

/** Ten times the interval at which sidecars report; by then the pod has gone, whether or not that was noticed. */
const lifetimeMs = 5 * 60_000;
/** Rules of a policy name at most 64 credentials; several policies may select one agent. */
const maxCredentials = 256;

export const credentialState = z.object({
  name: z.string().min(1).max(253),
  state: z.enum(['Pending', 'Resolved', 'Failing']),
  code: z
    .string()
    .regex(/^[A-Z][A-Z0-9_]{0,63}$/)
    .optional(),
  rotatedAt: z.iso.datetime({ offset: true }).optional(),
});

/** More requests than a pod makes; the sum over a fleet stays below 2^53, which a status can hold. */
const count = z.int().min(0).max(100_000_000_000);

export const shadowReport = z.object({
  policy: z.string().min(1).max(253),
  cluster: z.literal(true).optional(),
  wouldAllow: count,
  wouldDeny: count,
  wouldHold: count,
});

/** Unknown fields are passed over: a newer sidecar may say more. */
const sidecarReport = z.object({
  revision: z.string().max(64),
  credentials: z.array(credentialState).max(maxCredentials),
  // Sidecars before this field send none.
  shadow: z.array(shadowReport).max(maxShadowReports).default([]),
});

export function createReports(): Reports {
  const held = new Map<string, HeldReport>();
  const listeners: ((report: HeldReport, previous: HeldReport | undefined) => void)[] = [];
  return {
    take: ({ uid, namespace }, body) => {
      const { revision, credentials, shadow } = parseBody(sidecarReport, body);
      const report: HeldReport = {
        uid,
        namespace,
        revision,
        credentials: statesOf(credentials),
        shadow: shadowsOf(shadow),
        takenAtMs: performance.now(),
      };
      const previous = held.get(uid);
      held.set(uid, report);
      for (const listener of listeners) listener(report, previous);
    },
    forget: (uid) => void held.delete(uid),
    get: (uid) => held.get(uid),
    all: () => {
      const oldestMs = performance.now() - lifetimeMs;
      for (const { uid, takenAtMs } of held.values()) if (takenAtMs < oldestMs) held.delete(uid);
      return [...held.values()];
    },
    onChange: (listener) => void listeners.push(listener),
  };
}

export function statesOf(
  credentials: readonly z.infer<typeof credentialState>[],
): ReadonlyMap<string, CredentialState> {
  return new Map(
    credentials.map(({ name, state, code, rotatedAt }) => [
      name,
      {
        state,
        ...(code === undefined ? {} : { code }),
        ...(rotatedAt === undefined ? {} : { rotatedAt: wholeSeconds(rotatedAt) }),
      },
    ]),
  );
}

/** Tells an agent's audited policies apart: those of its namespace from those of the cluster. */
export function shadowKey(policy: string, isCluster: boolean): string {
  return isCluster ? `cluster ${policy}` : policy;
}

export function shadowsOf(
  reported: readonly z.infer<typeof shadowReport>[],
): ReadonlyMap<string, ShadowReport> {
  return new Map(
    reported.map(({ policy, cluster, wouldAllow, wouldDeny, wouldHold }) => [
      shadowKey(policy, cluster === true),
      { policy, ...(cluster === true ? { cluster } : {}), wouldAllow, wouldDeny, wouldHold },
    ]),
  );
}

/** @throws {OperatorError} REQUEST_INVALID that names the first field that is wrong. */
export function parseBody<S extends z.ZodType>(schema: S, body: unknown): z.output<S> {
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  const { path, message } = result.error.issues[0] ?? { path: [], message: 'is not valid' };
  throw new OperatorError('REQUEST_INVALID', { detail: `${fieldPath(path) || 'The body'}: ${message}.` });
}

/** Never in the future: times are kept as the latest seen, and a pod's clock can be wrong. */
function wholeSeconds(time: string): string {
  const ms = Math.min(Date.parse(time), Date.now());
  return new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');
}
