// What a pod has of its own to log in to a real Vault with: a projected token, signed by a key that Vault's JWT auth
// trusts, and mounted Secrets.

import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SignJWT } from 'jose';
import { storeTokenFile } from '../../../policy/contract.ts';
import type { VaultStore } from '../../../policy/ruleset-credential.ts';
import { createVaultProvider, type VaultOptions } from '../../../sidecar/credentials/vault/vault.ts';
import type { Vault } from '../../cluster/vault.ts';

export interface VaultTenant {
  readonly tokensDirectory: string;
  readonly secretsDirectory: string;
  /** By JWT auth. */
  readonly store: VaultStore;
  /** A projected token that expires so long from now, or has. */
  jwt(seconds: number): Promise<string>;
  /** Makes a role that this pod can log in to, with one policy of its name. */
  allow(role: string, policy: string, options?: object): Promise<void>;
  /** API paths that Vault was asked for, with their answers' errors where there were any. */
  audited(): readonly AuditedCall[];
  provider(options?: Partial<VaultOptions>): ReturnType<typeof createVaultProvider>;
  remove(): void;
}

export interface AuditedCall {
  readonly path: string;
  readonly failed: boolean;
}

const audience = 'outrider.dev/corp';
const subject = 'system:serviceaccount:research:agent';

export async function createTenant(vault: Omit<Vault, 'process'>): Promise<VaultTenant> {
  const folder = mkdtempSync(join(tmpdir(), 'outrider-tenant-'));
  const [tokensDirectory, secretsDirectory] = [join(folder, 'tokens'), join(folder, 'secrets')];
  for (const directory of [tokensDirectory, secretsDirectory]) mkdirSync(directory);
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const jwt = async (seconds: number): Promise<string> =>
    new SignJWT({})
      .setProtectedHeader({ alg: 'ES256' })
      .setSubject(subject)
      .setAudience(audience)
      .setIssuedAt(Math.floor(Date.now() / 1000) + Math.min(0, seconds - 600))
      .setExpirationTime(Math.floor(Date.now() / 1000) + seconds)
      .sign(privateKey);
  writeFileSync(join(tokensDirectory, storeTokenFile('corp')), await jwt(3600));
  await vault.request('POST', 'sys/auth/jwt', { type: 'jwt' });
  await vault.request('POST', 'auth/jwt/config', {
    jwt_validation_pubkeys: [publicKey.export({ type: 'spki', format: 'pem' })],
  });
  const auditPath = join(folder, 'audit.jsonl');
  await vault.request('PUT', 'sys/audit/file', { type: 'file', options: { file_path: auditPath } });

  const store: VaultStore = {
    kind: 'vault',
    address: vault.address,
    caBundle: vault.caPem,
    auth: { kind: 'jwt', mount: 'jwt' },
  };
  return {
    tokensDirectory,
    secretsDirectory,
    store,
    jwt,
    async allow(role, policy, options = {}) {
      await vault.request('PUT', `sys/policies/acl/${role}`, { policy });
      await vault.request('POST', `auth/jwt/role/${role}`, {
        role_type: 'jwt',
        user_claim: 'sub',
        bound_audiences: [audience],
        bound_subject: subject,
        token_policies: role,
        token_ttl: '1h',
        ...options,
      });
    },
    audited: () =>
      readFileSync(auditPath, 'utf8')
        .split('\n')
        .filter((line) => line.includes('"type":"response"'))
        .map((line) => {
          const { request, error } = JSON.parse(line) as { request: { path: string }; error?: string };
          return { path: request.path, failed: error !== undefined };
        }),
    provider: (options) => createVaultProvider({ tokensDirectory, secretsDirectory, ...options }),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
