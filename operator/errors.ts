// Every failure of the operator: one class, one catalogue of codes. Codes are public API (logs, problem
// documents and metrics carry them), so they are never renamed and never reused. docs/operator-errors.md lists
// them, and a test holds both together. Refusals of policy are no failures; they are values in `policy/`.

interface Entry {
  /** What the HTTP ports answer; 500 where the code never reaches one. */
  readonly status: number;
  /** Whether the same call can succeed later without anybody changing anything. */
  readonly retryable: boolean;
  readonly sentence: string;
}

export const operatorErrors = {
  CONFIG_INVALID: entry(500, false, 'A setting of the operator has a value that is not allowed.'),

  KUBE_UNREACHABLE: entry(503, true, 'The API server could not be reached.'),
  KUBE_UNAVAILABLE: entry(503, true, 'The API server is overloaded or not ready.'),
  KUBE_UNAUTHENTICATED: entry(503, true, 'The API server does not accept the operator’s own token.'),
  KUBE_FORBIDDEN: entry(503, true, 'The operator’s ServiceAccount lacks a permission.'),
  KUBE_NOT_FOUND: entry(404, false, 'The API server does not have the object.'),
  KUBE_CONFLICT: entry(409, true, 'Somebody else changed the object first.'),
  KUBE_EXPIRED: entry(503, true, 'The API server no longer has the history that a watch needs.'),
  KUBE_REJECTED: entry(500, false, 'The API server rejected what the operator wrote.'),
  KUBE_INVALID: entry(503, true, 'The API server’s answer could not be read.'),

  TOKEN_MISSING: entry(401, false, 'The request has no bearer token.'),
  TOKEN_REFUSED: entry(401, false, 'The token is not one that this cluster issued for the operator.'),
  TOKEN_NOT_POD_BOUND: entry(403, false, 'The token is not bound to a pod.'),
  POD_UNKNOWN: entry(403, true, 'The token’s pod is not a running, injected pod of this cluster.'),
  REPLICA_UNKNOWN: entry(403, false, 'The token is not one of the operator’s own ServiceAccount.'),

  NOT_READY: entry(503, true, 'The operator has not read the cluster’s state yet.'),
  NOT_LIVE: entry(503, true, 'A watch of this replica could not be confirmed in time.'),
  WATERMARK_BEHIND: entry(503, true, 'The sidecar has seen a newer state than this replica can read.'),
  NOT_LEADER: entry(503, true, 'This replica does not lead.'),
  OVERLOADED: entry(503, true, 'This replica serves as many as it can.'),
  SHUTTING_DOWN: entry(503, true, 'This replica is shutting down.'),

  REQUEST_INVALID: entry(400, false, 'The request could not be read.'),
  BODY_TOO_LARGE: entry(413, false, 'The request’s body is larger than this path accepts.'),
  MEDIA_TYPE_UNSUPPORTED: entry(415, false, 'The request’s body is not application/json.'),
  PATH_UNKNOWN: entry(404, false, 'There is nothing at this path and method.'),

  CERTIFICATE_UNAVAILABLE: entry(503, true, 'The operator has no certificate yet.'),
  INTERNAL: entry(500, true, 'The operator failed; its log has the cause.'),
} as const satisfies Record<string, Entry>;

export type OperatorErrorCode = keyof typeof operatorErrors;

export interface OperatorErrorDetail {
  /** What exactly, and what is allowed; never a token and never a secret. */
  readonly detail?: string;
  readonly cause?: unknown;
  /** The API server's or our own wish for how long to wait. */
  readonly retryAfterMs?: number;
}

export class OperatorError extends Error {
  override readonly name = 'OperatorError';
  readonly code: OperatorErrorCode;
  readonly status: number;
  readonly retryable: boolean;
  readonly detail: string | undefined;
  readonly retryAfterMs: number | undefined;

  constructor(code: OperatorErrorCode, { detail, cause, retryAfterMs }: OperatorErrorDetail = {}) {
    const { sentence, status, retryable } = operatorErrors[code];
    super(detail === undefined ? sentence : `${sentence} ${detail}`, cause === undefined ? {} : { cause });
    this.code = code;
    this.status = status;
    this.retryable = retryable;
    this.detail = detail;
    this.retryAfterMs = retryAfterMs;
  }
}

/** The code of a failure; what others throw is INTERNAL. */
export function codeOf(error: unknown): OperatorErrorCode {
  return error instanceof OperatorError ? error.code : 'INTERNAL';
}

function entry(status: number, retryable: boolean, sentence: string): Entry {
  return { status, retryable, sentence };
}
