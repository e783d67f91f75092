// What tests of minters share: keys, certificates, secrets, and a look for what must not be shown.

import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { onlyPart, type Material } from '../../../../sidecar/credentials/material.ts';
import type { Minted } from '../../../../sidecar/credentials/inject/injector.ts';
import { Secret } from '../../../../sidecar/credentials/secret.ts';
import { createAuthority, type Certificate } from '../../../cluster/certificates.ts';

export interface TestTrust {
  readonly caPem: string;
  readonly certificate: Certificate;
}

/** A CA and a certificate of it for 127.0.0.1. */
export async function createTestTrust(): Promise<TestTrust> {
  const folder = mkdtempSync(join(tmpdir(), 'outrider-minting-'));
  try {
    const authority = await createAuthority(folder);
    const certificate = await authority.issue({
      name: 'tokens',
      subject: '/CN=tokens',
      usages: ['serverAuth'],
      alternativeNames: ['IP:127.0.0.1'],
    });
    return { caPem: authority.certPem, certificate };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export function materialOf(parts: Readonly<Record<string, string>> | string): Material {
  const record = typeof parts === 'string' ? { [onlyPart]: parts } : parts;
  return new Map(Object.entries(record).map(([name, value]) => [name, new Secret(value)]));
}

export function tokenOf({ material }: Pick<Minted, 'material'>): string {
  assert.deepEqual([...material.keys()], [onlyPart]);
  return material.get(onlyPart)?.open() ?? '';
}

export interface KeyTexts {
  readonly publicKey: string;
  readonly pkcs8: string;
}

export function createRsaKey(modulusLength = 2048): KeyTexts & { readonly pkcs1: string } {
  const pair = generateKeyPairSync('rsa', { modulusLength });
  return { ...textsOf(pair), pkcs1: pair.privateKey.export({ type: 'pkcs1', format: 'pem' }) };
}

export function createEcKey(namedCurve = 'P-256'): KeyTexts & { readonly sec1: string } {
  const pair = generateKeyPairSync('ec', { namedCurve });
  return { ...textsOf(pair), sec1: pair.privateKey.export({ type: 'sec1', format: 'pem' }) };
}

export function createEd25519Key(): KeyTexts {
  return textsOf(generateKeyPairSync('ed25519'));
}

function textsOf({
  publicKey,
  privateKey,
}: {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}): KeyTexts {
  return {
    publicKey: publicKey.export({ type: 'spki', format: 'pem' }),
    pkcs8: privateKey.export({ type: 'pkcs8', format: 'pem' }),
  };
}

/** Fields and code of a failure, which shows no secret, no key, no assertion, and nothing that the server said. */
export async function assertFails(
  work: Promise<unknown> | (() => unknown),
  expected: { readonly code: string; readonly field: string; readonly message?: RegExp },
  secrets: readonly string[] = [],
): Promise<void> {
  await assert.rejects(
    async () => (typeof work === 'function' ? work() : work),
    (error: Error & { code?: string; field?: string }) => {
      assert.deepEqual(
        { code: error.code, field: error.field },
        { code: expected.code, field: expected.field },
      );
      if (expected.message !== undefined) assert.match(error.message, expected.message);
      assertShowsNothing(error, secrets);
      return true;
    },
  );
}

export function assertShowsNothing(value: unknown, secrets: readonly string[]): void {
  const shown = `${inspect(value, { depth: null, showHidden: true, getters: true })} ${JSON.stringify(value)}`;
  assert.doesNotMatch(shown, /canary|eyJ|PRIVATE KEY|ghs_|ya29/);
  for (const secret of secrets.filter((each) => each !== '')) {
    assert.ok(!shown.includes(secret), 'a secret is shown');
    assert.ok(
      !shown.includes(Buffer.from(secret).toString('base64').slice(0, 24)),
      'a secret is shown in base64',
    );
  }
}
