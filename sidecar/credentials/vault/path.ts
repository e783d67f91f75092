// Paths and addresses of Vault, built so that no name can climb out of its mount or into another API.

import type { RulesetDynamic, RulesetKv, VaultAuth, VaultStore } from '../../../policy/ruleset-credential.ts';
import { SidecarError } from '../../errors.ts';

/** The API path that reads a KV secret; Vault's policies name the same path. */
export function kvPath({ mount, path, version }: RulesetKv): string {
  const mountField = 'spec.source.vault.kv.mount';
  const inner = encodeSegments(path, 'spec.source.vault.kv.path');
  const outer = encodeSegments(mount, mountField);
  // In version 2 a path stands behind data/, where nothing of Vault's own is.
  assertNotOwn(version === 2 ? `${mount}/` : `${mount}/${path}`, mountField);
  return version === 2 ? `${outer}/data/${inner}` : `${outer}/${inner}`;
}

export function dynamicPath({ path }: RulesetDynamic): string {
  const field = 'spec.source.vault.dynamic.path';
  assertNotOwn(path, field);
  return encodeSegments(path, field);
}

export function loginPath({ auth }: VaultStore): string {
  return `auth/${authMount(auth)}/login`;
}

export function authMount(auth: VaultAuth): string {
  return encodeSegments(auth.mount, `spec.vault.auth.${auth.kind}.mount`);
}

/**
 * Vault's own API holds no secret for agents: `auth/token/lookup-self` would give the session's token to whoever writes a
 * credential. A child namespace's stands below its name.
 */
function assertNotOwn(path: string, field: string): void {
  if (/(?:^|\/)(?:auth|sys|cubbyhole)\//.test(path)) throw new SidecarError('VAULT_PATH_INVALID', { field });
}

/**
 * Each segment percent-encoded, so that `%2e%2e`, `?`, `&#x2F;` (which node-vault turns into a slash) and
 * braces are names like others; the WHATWG URL parser, which every client applies, resolves only `.` and `..`.
 */
function encodeSegments(text: string, field: string): string {
  const segments = text.split('/');
  if (segments.some((segment) => /^\.{0,2}$/.test(segment)) || !text.isWellFormed()) {
    throw new SidecarError('VAULT_PATH_INVALID', { field });
  }
  return segments.map(encodeURIComponent).join('/');
}

/** `https://host[:port]`, without a trailing slash. */
export function vaultOrigin(address: string): string {
  const url = URL.canParse(address) ? new URL(address) : null;
  const plain = url !== null && url.username + url.password + url.search + url.hash === '';
  if (!plain || url.protocol !== 'https:' || url.pathname !== '/') {
    throw new SidecarError('VAULT_ADDRESS_INVALID', { field: 'spec.vault.address' });
  }
  return url.origin;
}
