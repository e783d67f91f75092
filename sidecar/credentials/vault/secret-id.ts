// AppRole's secret_id: the text of a file, or what the response-wrapping token in it holds. That token can be used once
// (https://developer.hashicorp.com/vault/docs/concepts/response-wrapping), so what it gave is kept in memory for as long
// as the file holds the same one, whatever becomes of the sessions.

import { secretDirectory } from '../../../policy/contract.ts';
import type { RulesetSecretId, VaultAuth, VaultStore } from '../../../policy/ruleset-credential.ts';
import { SidecarError } from '../../errors.ts';
import { readSecretFile } from '../secret-file.ts';
import { unavailable, wrappingFailure } from './answer.ts';
import type { CallVault } from './calls.ts';
import { authMount } from './path.ts';

export type AppRoleAuth = Extract<VaultAuth, { kind: 'appRole' }>;

export interface SecretIds {
  /** What the file holds. @throws SidecarError VAULT_SECRET_ID_UNREADABLE */
  read(place: RulesetSecretId): Promise<string>;
  /** @throws SidecarError */
  secretIdOf(text: string, store: VaultStore, auth: AppRoleAuth, call: CallVault): Promise<string>;
}

interface Unwrapped {
  readonly wrapping: string;
  readonly secretId: Promise<string>;
}

const field = 'spec.vault.auth.appRole.secretId';

/** @param secretsDirectory null where the sidecar was given none. */
export function createSecretIds(secretsDirectory: string | null): SecretIds {
  /** The last one of each place. */
  const unwrapped = new Map<string, Unwrapped>();

  return {
    async read(place) {
      if (secretsDirectory === null) throw new SidecarError('SOURCE_UNAVAILABLE', { field });
      const path = `${secretDirectory(place)}/${place.key}`;
      const bytes = await readSecretFile(secretsDirectory, path, field).catch((error: unknown) => {
        throw unreadable(`(${(error as SidecarError).code})`);
      });
      const text = bytes.toString('utf8').trim();
      // Whatever Vault makes or `custom-secret-id` takes that a header and JSON can carry unchanged.
      if (!/^[\x21-\x7e]+$/.test(text))
        throw unreadable('It is empty or holds characters that it cannot have.');
      return text;
    },

    async secretIdOf(text, store, auth, call) {
      if (auth.secretId.wrapped !== true) return text;
      const { secret, key } = auth.secretId;
      const place = JSON.stringify([secret, key, store.address, store.namespace ?? '', auth.mount]);
      const kept = unwrapped.get(place);
      if (kept?.wrapping === text) return kept.secretId;
      const secretId = unwrap(text, auth, call);
      unwrapped.set(place, { wrapping: text, secretId });
      secretId.catch(() => {
        if (unwrapped.get(place)?.secretId === secretId) unwrapped.delete(place);
      });
      return secretId;
    },
  };
}

/**
 * Looks first: a token that wraps something else was put there by somebody who wants the sidecar to log in as them, or
 * who answers in place of one they have used. Neither step needs another token than the wrapping one.
 */
async function unwrap(wrapping: string, auth: AppRoleAuth, call: CallVault): Promise<string> {
  const found = await call(
    { path: 'sys/wrapping/lookup', body: { token: wrapping }, refusal: wrappingFailure },
    null,
  );
  const { creation_path: path } = dataOf(found);
  const parts = typeof path === 'string' ? path.split('/') : [];
  const own = `auth/${authMount(auth)}/role/${encodeURIComponent(parts.at(-2) ?? '')}/secret-id`;
  if (parts.map(encodeURIComponent).join('/') !== own) {
    throw new SidecarError('VAULT_WRAPPING_FOREIGN', { field });
  }
  const { secret_id: secretId } = dataOf(
    await call({ path: 'sys/wrapping/unwrap', body: {}, once: true, refusal: wrappingFailure }, wrapping),
  );
  if (typeof secretId !== 'string' || secretId === '') throw unavailable(200);
  return secretId;
}

function dataOf(answer: unknown): Readonly<Record<string, unknown>> {
  return (answer as { data?: Readonly<Record<string, unknown>> | null }).data ?? {};
}

function unreadable(detail: string): SidecarError {
  return new SidecarError('VAULT_SECRET_ID_UNREADABLE', { field, detail });
}
