// What can fail in this process, as opposed to what it refuses (policy/reasons.ts). Codes are public API:
// they stand in the status of an AgentCredential, in logs and in docs/errors.md; never renamed, never reused.

import { captureErrors } from './capture/errors.ts';
import { awsErrors } from './credentials/aws/errors.ts';
import { vaultErrors } from './credentials/vault/errors.ts';

interface CatalogueEntry {
  /** Whether trying again, unchanged, can succeed. */
  readonly retryable: boolean;
  /** One sentence: what is wrong and what would be right. */
  readonly message: string;
}

export const errorCatalogue = {
  // --- start and process
  CONFIG_INVALID: {
    retryable: false,
    message: 'An environment variable of the sidecar is missing or malformed.',
  },
  ENVIRONMENT_FORBIDDEN: {
    retryable: false,
    message: 'The environment holds a variable that changes how Node runs or whom it trusts.',
  },
  PORT_TAKEN: {
    retryable: false,
    message: 'Another process of the pod holds a port of the sidecar; agents are refused until it lets go.',
  },
  STATE_UNREADABLE: {
    retryable: false,
    message: 'The kept watermark cannot be read, so no ruleset can be proved new; delete the pod.',
  },
  STATE_UNWRITABLE: {
    retryable: true,
    message: 'The watermark cannot be written, so the ruleset in force is not acknowledged.',
  },
  COUNTERS_UNREADABLE: {
    retryable: true,
    message: 'The kept counters of limits cannot be read, so every limit of this pod is full for one window.',
  },
  COUNTERS_UNWRITABLE: {
    retryable: true,
    message: 'The counters of limits cannot be written, so no more of them is spent than was written before.',
  },
  KEYS_UNREADABLE: {
    retryable: false,
    message: 'What the sidecar keeps in its keys volume cannot be read; delete the pod.',
  },
  KEYS_UNWRITABLE: { retryable: true, message: 'The keys volume cannot be written.' },
  TRUST_UNWRITABLE: { retryable: false, message: 'The trust volume cannot be written.' },
  SIDECAR_FAILED: { retryable: true, message: 'The sidecar met a defect of its own and stops.' },

  // --- the init container
  ...captureErrors,

  // --- the operator
  OPERATOR_TOKEN_MISSING: {
    retryable: true,
    message: 'The projected token for the operator cannot be read.',
  },
  OPERATOR_UNREACHABLE: { retryable: true, message: 'The operator cannot be reached.' },
  OPERATOR_UNTRUSTED: {
    retryable: true,
    message: 'The operator could not prove its name with a certificate of a CA that this pod trusts.',
  },
  OPERATOR_REFUSED: { retryable: true, message: "The operator does not accept this pod's identity." },
  OPERATOR_UNAVAILABLE: { retryable: true, message: 'The operator cannot serve rulesets now.' },
  OPERATOR_SILENT: { retryable: true, message: 'The stream of the operator fell silent and was dropped.' },
  STREAM_MALFORMED: {
    retryable: true,
    message: 'The operator sent something that is not the ruleset stream.',
  },
  RULESET_UNREADABLE: {
    retryable: false,
    message: 'The operator sent a ruleset that this sidecar cannot enforce; the last good one runs out.',
  },
  RULESET_OLDER: {
    retryable: true,
    message: 'A replica of the operator is behind what this sidecar has already seen, and was not followed.',
  },

  // --- credentials
  CREDENTIAL_UNBOUND: {
    retryable: false,
    message: 'The ruleset in force does not bind this AgentCredential.',
  },
  SOURCE_UNAVAILABLE: {
    retryable: false,
    message: 'This sidecar has no directory of secrets; in a cluster, files are read from a volume.',
  },
  SECRET_EMPTY: { retryable: true, message: 'The secret is empty; store a value of at least one character.' },
  SECRET_TOO_LARGE: { retryable: true, message: 'The secret is larger than 64 KiB.' },
  SECRET_NOT_TEXT: { retryable: true, message: 'The secret is not text; store a UTF-8 string.' },
  SECRET_UNPRINTABLE: {
    retryable: true,
    message:
      'The secret holds a space, control or non-ASCII character (often a line end) that its slot cannot carry; store it without.',
  },
  SECRET_NOT_JSON: {
    retryable: true,
    message:
      'The secret is not a JSON object, so it has no fields; leave field and fields out, or store one.',
  },
  SECRET_FIELD_MISSING: { retryable: true, message: 'The secret has no such field.' },
  SECRET_FIELD_NOT_TEXT: { retryable: true, message: 'The field of the secret is not a string.' },
  SECRET_PART_MISSING: { retryable: true, message: 'The secret lacks a part that the injection needs.' },
  SECRET_KEY_INVALID: {
    retryable: true,
    message: 'The secret is not a private key that the injection can sign with; store it as PEM text.',
  },
  SECRET_ENCODING_WRONG: {
    retryable: true,
    message: 'The secret is not written in the encoding that keyEncoding of the injection names.',
  },
  SECRET_USERNAME_INVALID: {
    retryable: true,
    message: 'The user name holds a colon, which would end it; RFC 7617 has no way to write one.',
  },
  HMAC_TEMPLATE_INVALID: {
    retryable: false,
    message: 'A template of the injection cannot be read.',
  },
  SECRET_KEY_FILE_INVALID: {
    retryable: true,
    message:
      'The secret is not a key file of a Google service account; store the JSON as Google gives it out.',
  },
  VOLUME_MISSING: {
    retryable: true,
    message:
      'The pod has no volume for this file; it was created before the AgentCredential, or the volume is empty.',
  },
  TOKEN_ENDPOINT_UNKNOWN: {
    retryable: false,
    message:
      'The token endpoint is neither on the shipped list nor an AgentDestination open to this namespace.',
  },
  TOKEN_ENDPOINT_UNREACHABLE: {
    retryable: true,
    message: 'The token endpoint cannot be reached, or not in time.',
  },
  TOKEN_ENDPOINT_UNTRUSTED: {
    retryable: true,
    message: 'The token endpoint could not prove its name over TLS.',
  },
  TOKEN_ENDPOINT_UNAVAILABLE: {
    retryable: true,
    message: 'The token endpoint answered that it cannot serve now.',
  },
  TOKEN_ENDPOINT_UNREADABLE: { retryable: true, message: 'What the token endpoint answered is not a token.' },
  MINT_REFUSED: { retryable: true, message: 'The token endpoint does not accept the secret.' },
  TOKEN_TOO_WIDE: {
    retryable: true,
    message: 'The token that was minted may do more than the injection asks for, so it is not used.',
  },
  REFRESH_TOKEN_UNVERSIONED: {
    retryable: false,
    message:
      'A rotating refresh token needs a source that can compare and set: a Vault KV engine of version 2, written as `field` or `fields`.',
  },
  REFRESH_TOKEN_ROTATES: {
    retryable: false,
    message:
      'The token endpoint gave another refresh token, so the stored one may be used up: write `rotating: true`, with a Vault KV engine of version 2 as the source, and store a new one.',
  },
  REFRESH_TOKEN_BUSY: {
    retryable: true,
    message: 'Another agent has claimed the refresh token and was not done with it in time.',
  },
  REFRESH_TOKEN_UNSAVED: {
    retryable: true,
    message:
      'The new refresh token could not be written back yet; this pod alone knows it, so do not delete the pod before it is.',
  },
  FILE_PATH_INVALID: {
    retryable: false,
    message: 'The path must be relative, without empty, `.` or `..` segments.',
  },
  FILE_NOT_FOUND: { retryable: true, message: 'There is no such file in the secrets directory.' },
  FILE_OUTSIDE: { retryable: true, message: 'The path leads out of the secrets directory.' },
  FILE_UNREADABLE: {
    retryable: true,
    message: 'The path does not name a regular file that can be read.',
  },
  STORE_UNKNOWN: {
    retryable: true,
    message: 'There is no AgentSecretStore of this name that is open to this namespace.',
  },
  STORE_TOKEN_MISSING: {
    retryable: true,
    message:
      'The pod has no token for this AgentSecretStore; it was created before the store, so recreate it.',
  },
  ...vaultErrors,
  ...awsErrors,

  // --- audit
  DECISIONS_DROPPED: {
    retryable: true,
    message: 'Decision lines were dropped, since nobody reads standard output fast enough.',
  },
  SPANS_UNDELIVERED: { retryable: true, message: 'Spans could not be delivered to the collector.' },
} as const satisfies Record<string, CatalogueEntry>;

export type SidecarErrorCode = keyof typeof errorCatalogue;

export interface SidecarErrorOptions {
  /** The field of the AgentCredential or AgentSecretStore that it concerns. */
  readonly field?: string;
  /** One more sentence, of our own words only: what a provider throws may hold a token. */
  readonly detail?: string;
}

/** The one failure of this process. It takes no `cause`: causes are printed, and providers' hold tokens. */
export class SidecarError extends Error {
  override readonly name = 'SidecarError';
  readonly code: SidecarErrorCode;
  readonly retryable: boolean;
  readonly field?: string;

  constructor(code: SidecarErrorCode, options: SidecarErrorOptions = {}) {
    const { message, retryable } = errorCatalogue[code];
    super(options.detail === undefined ? message : `${message} ${options.detail}`);
    this.code = code;
    this.retryable = retryable;
    if (options.field !== undefined) this.field = options.field;
  }
}

/** What may be said of any failure; the text of an unknown one is never passed on. */
export function asSidecarError(error: unknown): SidecarError {
  return error instanceof SidecarError ? error : new SidecarError('SIDECAR_FAILED');
}
