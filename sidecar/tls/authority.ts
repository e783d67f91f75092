// The pod's own certificate authority. Its key never leaves `keysDirectory`, a memory volume that no other
// container mounts; it outlives a restart of the sidecar, because agents load their trust once.

import {
  createPrivateKey,
  generateKeyPairSync,
  randomBytes,
  X509Certificate,
  type KeyObject,
} from 'node:crypto';
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { SecureContext } from 'node:tls';
import { SidecarError } from '../errors.ts';
import { createAuthorityCertificate, createIssuer } from '../../x509/certificate.ts';
import { createLeaves } from './leaf.ts';

export interface Authority {
  readonly certificatePem: string;
  /**
   * The context that proves `host`, a canonical DNS name or IP address.
   * @returns null when names are asked for faster than leaves may be minted.
   */
  leaf(host: string): SecureContext | null;
}

export interface AuthorityOptions {
  readonly keysDirectory: string;
  readonly now?: () => number;
}

/** Key and certificate in one file, so that no crash can leave one without the other. */
const fileName = 'authority.pem';
const dayMs = 86_400_000;
/** Longer than any pod lives: agents load bundles once, so it cannot be replaced under them. */
const lifetimeMs = 3650 * dayMs;
/** In local mode the directory may outlive the CA; a new one is made before leaves could outlive it too. */
const replaceBeforeEndMs = 30 * dayMs;
const clockSkewMs = dayMs;

interface KeyPair {
  readonly key: KeyObject;
  readonly commonName: string;
  readonly certificatePem: string;
}

/**
 * Loads the pod's CA, or creates it.
 * @throws SidecarError KEYS_UNREADABLE or KEYS_UNWRITABLE: without an authority there is no traffic (T-08).
 */
export function createAuthority({ keysDirectory, now = Date.now }: AuthorityOptions): Authority {
  const path = join(keysDirectory, fileName);
  const stored = load(path);
  const endsAtMs = stored === null ? 0 : new X509Certificate(stored.certificatePem).validToDate.getTime();
  const { key, commonName, certificatePem } =
    stored !== null && endsAtMs - now() > replaceBeforeEndMs ? stored : create(path, now());
  return { certificatePem, leaf: createLeaves({ issuer: createIssuer(key, commonName), now }) };
}

function load(path: string): KeyPair | null {
  try {
    const text = readFileSync(path, 'utf8');
    const key = createPrivateKey(text);
    const certificate = new X509Certificate(text.slice(text.indexOf('-----BEGIN CERTIFICATE-----')));
    const commonName = /^CN=(.+)$/m.exec(certificate.subject)?.[1];
    if (commonName !== undefined && certificate.ca && certificate.checkPrivateKey(key)) {
      return { key, commonName, certificatePem: certificate.toString() };
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
  }
  // A new authority instead would be one that no running agent trusts, and would hide who wrote here.
  throw new SidecarError('KEYS_UNREADABLE', { detail: `${path} does not hold a CA of this sidecar.` });
}

function create(path: string, nowMs: number): KeyPair {
  const { privateKey: key } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  // A name of its own per CA: verifiers look issuers up by name, and bundles of two pods may meet.
  const commonName = `Outrider pod CA ${randomBytes(4).toString('hex')}`;
  const certificatePem = createAuthorityCertificate(createIssuer(key, commonName), {
    notBefore: new Date(nowMs - clockSkewMs),
    notAfter: new Date(nowMs - clockSkewMs + lifetimeMs),
  });
  const keyPem = key.export({ type: 'pkcs8', format: 'pem' });
  writeAtomically(path, keyPem + certificatePem);
  return { key, commonName, certificatePem };
}

function writeAtomically(path: string, text: string): void {
  const temporary = `${path}.${randomBytes(4).toString('hex')}`;
  try {
    const file = openSync(temporary, 'wx', 0o600);
    try {
      writeSync(file, text);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, path);
  } catch (error) {
    throw new SidecarError('KEYS_UNWRITABLE', {
      detail: `${path}: ${(error as NodeJS.ErrnoException).code}.`,
    });
  }
}
