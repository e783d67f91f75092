// What Vault's answers mean, as codes with the field that must change. Nothing that Vault says is passed on.

import type { RulesetKv } from '../../policy/ruleset-credential.ts';
import { SidecarError } from '../errors.ts';
import { kvPath } from './vault-path.ts';

const vaultFields = {
  address: 'spec.vault.address',
  role: 'spec.source.vault.role',
  path: 'spec.source.vault.kv.path',
  version: 'spec.source.vault.kv.version',
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
 * Vault answers 400 for a role that is not there, 403 for everything else, an unknown mount too; 429, 472 and
 * 473 come from standbys and rate limits.
 */
export function loginFailure({ status }: RefusedAnswer, role: string, path: string): SidecarError {
  if (status !== 400 && status !== 403) return unavailable(status);
  return new SidecarError('VAULT_LOGIN_REFUSED', {
    field: vaultFields.role,
    detail: `Vault answered ${status} to role ${role} at ${path}.`,
  });
}

export function readFailure({ status, body }: RefusedAnswer, kv: RulesetKv): SidecarError {
  const path = kvPath(kv);
  if (status === 403) {
    return new SidecarError('VAULT_PERMISSION_DENIED', {
      field: vaultFields.path,
      detail: `The role needs a policy with: path "${path}" { capabilities = ["read"] }.`,
    });
  }
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

function unavailable(status: number): SidecarError {
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

function recordOf(value: unknown): Readonly<Record<string, unknown>> | null {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null;
}
