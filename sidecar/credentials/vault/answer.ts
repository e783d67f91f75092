// What Vault's answers mean, as codes with the field that must change. Nothing that Vault says is passed on.

import type { RulesetDynamic, RulesetKv, VaultAuth } from '../../../policy/ruleset-credential.ts';
import { SidecarError, type SidecarErrorCode } from '../../errors.ts';
import { dynamicPath, kvPath } from './path.ts';

const vaultFields = {
  address: 'spec.vault.address',
  role: 'spec.source.vault.role',
  path: 'spec.source.vault.kv.path',
  version: 'spec.source.vault.kv.version',
  dynamic: 'spec.source.vault.dynamic.path',
  secretId: 'spec.vault.auth.appRole.secretId',
} as const;

/** An error of node-vault: the status and body of an answer other than 200 and 204, or nothing of use. */
export interface RefusedAnswer {
  readonly status: number;
  readonly body: unknown;
}

/** @returns null for a failure that is not an answer, which is then a defect. */
export function refusedAnswer(error: unknown): RefusedAnswer | null {
  const { statusCode, body } =
    (error as { response?: { statusCode?: unknown; body?: unknown } }).response ?? {};
  return typeof statusCode === 'number' ? { status: statusCode, body } : null;
}

/**
 * Vault answers 400 for a role that is not there and for a secret_id that is wrong, expired or used up, 403 for
 * everything else, an unknown mount too; 429, 472 and 473 come from standbys and rate limits.
 */
export function loginFailure(
  { status }: RefusedAnswer,
  { kind }: VaultAuth,
  role: string,
  path: string,
): SidecarError {
  if (status !== 400 && status !== 403) return unavailable(status);
  // A role_id is half of a login, so it is not repeated.
  const code = kind === 'appRole' ? 'VAULT_SECRET_ID_REFUSED' : 'VAULT_LOGIN_REFUSED';
  const who = kind === 'appRole' ? '' : ` to role ${role}`;
  return new SidecarError(code, {
    field: vaultFields.role,
    detail: `Vault answered ${status}${who} at ${path}.`,
  });
}

/** Both steps answer 400 to a token that is spent, expired or none. */
export function wrappingFailure({ status }: RefusedAnswer): SidecarError {
  return status === 400 || status === 403 || status === 404
    ? new SidecarError('VAULT_WRAPPING_SPENT', { field: vaultFields.secretId })
    : unavailable(status);
}

export function readFailure({ status, body }: RefusedAnswer, kv: RulesetKv): SidecarError {
  const path = kvPath(kv);
  if (status === 403) return denied('VAULT_PERMISSION_DENIED', vaultFields.path, path, '"read"');
  if (status === 404) {
    // Reading a version 2 engine as version 1 answers 404 with a warning, and only then.
    if (kv.version === 1 && Array.isArray((body as { warnings?: unknown } | null)?.warnings)) {
      return new SidecarError('VAULT_KV_VERSION_WRONG', {
        field: vaultFields.version,
        detail: 'Here it is 2.',
      });
    }
    return new SidecarError('VAULT_PATH_NOT_FOUND', {
      field: vaultFields.path,
      detail: `It was asked for ${path}.`,
    });
  }
  return unavailable(status);
}

/** 400 says that the secret has another version by now, or cannot be written so. */
export function writeFailure({ status }: RefusedAnswer, kv: RulesetKv): SidecarError {
  return status === 403
    ? denied('VAULT_WRITE_DENIED', vaultFields.path, kvPath(kv), '"read", "update"')
    : unavailable(status);
}

/** After these, what was written may be there or not. */
export function isUncertain(error: unknown): boolean {
  const { code } = error as SidecarError;
  return code === 'VAULT_UNREACHABLE' || code === 'VAULT_UNAVAILABLE' || code === 'VAULT_ANSWER_UNREADABLE';
}

/** Engines answer 400 to a role that they do not have, and 405 where nothing can be read. */
export function dynamicFailure({ status }: RefusedAnswer, dynamic: RulesetDynamic): SidecarError {
  const path = dynamicPath(dynamic);
  if (status === 403) return denied('VAULT_PERMISSION_DENIED', vaultFields.dynamic, path, '"read"');
  const detail = `Vault answered ${status} to ${path}.`;
  if (status === 404) return new SidecarError('VAULT_PATH_NOT_FOUND', { field: vaultFields.dynamic, detail });
  if (status === 400 || status === 405) {
    return new SidecarError('VAULT_DYNAMIC_REFUSED', { field: vaultFields.dynamic, detail });
  }
  return status === 500
    ? new SidecarError('VAULT_ENGINE_FAILED', { field: vaultFields.dynamic })
    : unavailable(status);
}

function denied(code: SidecarErrorCode, field: string, path: string, capabilities: string): SidecarError {
  return new SidecarError(code, {
    field,
    detail: `The role needs a policy with: path "${path}" { capabilities = [${capabilities}] }.`,
  });
}

export function unavailable(status: number): SidecarError {
  return new SidecarError('VAULT_UNAVAILABLE', {
    field: vaultFields.address,
    detail: `It answered ${status}.`,
  });
}

export function sealedFailure(): SidecarError {
  return new SidecarError('VAULT_SEALED', { field: vaultFields.address });
}

/** What a KV answer holds; version 2 wraps the data once more. @throws SidecarError */
export function kvRecord(answer: unknown, { version }: RulesetKv): Readonly<Record<string, unknown>> {
  const outer = recordOf(recordOf(answer)?.['data']);
  const data = version === 2 ? recordOf(outer?.['data']) : outer;
  if (data === null) throw new SidecarError('VAULT_ANSWER_UNREADABLE', { field: vaultFields.address });
  return data;
}

/** Of a KV answer of version 2. @throws SidecarError */
export function kvVersion(answer: unknown): number {
  const version = recordOf(recordOf(recordOf(answer)?.['data'])?.['metadata'])?.['version'];
  if (typeof version === 'number') return version;
  throw new SidecarError('VAULT_ANSWER_UNREADABLE', { field: vaultFields.address });
}

/** What a secrets engine made. @throws SidecarError */
export function dynamicRecord(answer: unknown): Readonly<Record<string, unknown>> {
  const data = recordOf(recordOf(answer)?.['data']);
  if (data === null) throw new SidecarError('VAULT_ANSWER_UNREADABLE', { field: vaultFields.address });
  return data;
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> | null {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null;
}
