// Admission answers as a small algebra, and the one file that turns them into an AdmissionReview
// (https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/).

import { z } from 'zod';
import type { PatchOperation } from '../injector/patch.ts';

export type Verdict =
  | { readonly kind: 'allow'; readonly note: string }
  | {
      readonly kind: 'patch';
      readonly note: string;
      readonly operations: readonly PatchOperation[];
      readonly warnings: readonly string[];
    }
  | { readonly kind: 'deny'; readonly note: string; readonly message: string };

/** The object goes as it came. */
export function allow(note: string): Verdict {
  return { kind: 'allow', note };
}

/** The object goes changed; a patch of no operations is an allow with warnings. */
export function patch(
  note: string,
  operations: readonly PatchOperation[],
  warnings: readonly string[] = [],
): Verdict {
  return { kind: 'patch', note, operations, warnings };
}

/** The object does not go; `message` says which field must change. */
export function deny(note: string, message: string): Verdict {
  return { kind: 'deny', note, message };
}

const reviewRequest = z.object({
  apiVersion: z.literal('admission.k8s.io/v1'),
  kind: z.literal('AdmissionReview'),
  request: z.object({
    uid: z.string().min(1),
    operation: z.literal('CREATE'),
    namespace: z.string().min(1),
    resource: z.object({ group: z.literal(''), version: z.literal('v1'), resource: z.literal('pods') }),
    subResource: z.literal('').optional(),
    object: z.unknown(),
  }),
});

export interface PodReview {
  readonly uid: string;
  readonly namespace: string;
  readonly object: unknown;
}

/**
 * The creation of a pod that is to be reviewed. Whatever else the webhook is asked comes from a configuration that
 * is not ours, and an answer to it would be a guess.
 * @throws {Error} naming the first field that does not fit.
 */
export function parseReview(body: unknown): PodReview {
  const result = reviewRequest.safeParse(body);
  if (result.success) return result.data.request;
  const issue = result.error.issues[0];
  throw new Error(`not a review of a pod's creation: ${issue?.path.join('.') || 'body'}: ${issue?.message}`);
}

const podResource = (...resources: readonly string[]) =>
  z.object({ group: z.literal(''), version: z.literal('v1'), resource: z.enum(resources) });

const validationRequest = z.object({
  apiVersion: z.literal('admission.k8s.io/v1'),
  kind: z.literal('AdmissionReview'),
  request: z.discriminatedUnion('operation', [
    reviewRequest.shape.request,
    z.object({
      uid: z.string().min(1),
      operation: z.literal('UPDATE'),
      namespace: z.string().min(1),
      resource: podResource('pods'),
      subResource: z.enum(['', 'status', 'ephemeralcontainers']).optional(),
      object: z.unknown(),
      oldObject: z.unknown(),
    }),
    z.object({
      uid: z.string().min(1),
      operation: z.literal('CONNECT'),
      namespace: z.string().min(1),
      name: z.string().min(1),
      resource: podResource('pods'),
      subResource: z.literal('portforward'),
    }),
  ]),
});

export type Validation = z.infer<typeof validationRequest>['request'];

/**
 * What becomes of a pod, once everything else is through with it.
 * @throws {Error} as above.
 */
export function parseValidation(body: unknown): Validation {
  const result = validationRequest.safeParse(body);
  if (result.success) return result.data.request;
  const issue = result.error.issues[0];
  throw new Error(`not a review of a pod: ${issue?.path.join('.') || 'body'}: ${issue?.message}`);
}

/** The API server cuts a warning at 256 characters, and all of them together at 4096. */
const warningCharacters = 256;

export function renderReview(uid: string, verdict: Verdict): object {
  return {
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    response: { uid, ...responseOf(verdict), auditAnnotations: { verdict: verdict.note } },
  };
}

function responseOf(verdict: Verdict): object {
  switch (verdict.kind) {
    case 'allow':
      return { allowed: true };
    case 'patch':
      return {
        allowed: true,
        ...(verdict.operations.length === 0
          ? {}
          : {
              patchType: 'JSONPatch',
              patch: Buffer.from(JSON.stringify(verdict.operations)).toString('base64'),
            }),
        ...(verdict.warnings.length === 0 ? {} : { warnings: verdict.warnings.map(shortened) }),
      };
    case 'deny':
      return { allowed: false, status: { code: 403, reason: 'Forbidden', message: verdict.message } };
  }
}

function shortened(warning: string): string {
  return warning.length <= warningCharacters ? warning : `${warning.slice(0, warningCharacters - 1)}…`;
}
