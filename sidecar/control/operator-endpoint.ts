// Where the operator is, whom we take for it, and whom it takes us for.

import { readFile, rename, writeFile } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { operatorTokenFile } from '../../policy/contract.ts';
import { verifying, type CallFailures } from '../bounded-call.ts';
import { SidecarError } from '../errors.ts';

export interface OperatorEndpoint {
  url(path: string): URL;
  /** PEM of all that may sign the operator's certificate: as injected, and as the last ruleset said. */
  ca(): string;
  /** What a TLS connection to it must verify. */
  tls(): ReturnType<typeof verifying> & { readonly servername?: string };
  /** The kubelet replaces the token, so each connection reads anew. @throws SidecarError OPERATOR_TOKEN_MISSING */
  token(): Promise<string>;
  /** Keeps what a ruleset announces, so that a restart after a rotation still finds the operator. */
  keepCas(pem: string): Promise<void>;
}

export interface OperatorEndpointOptions {
  /** host:port */
  readonly address: string;
  /** PEM, as injected. */
  readonly ca: string;
  readonly keysDirectory: string;
  readonly tokensDirectory: string;
}

export const operatorFailures: CallFailures = {
  unreachable: { code: 'OPERATOR_UNREACHABLE' },
  untrusted: { code: 'OPERATOR_UNTRUSTED' },
  unreadable: { code: 'STREAM_MALFORMED' },
};

/** @throws SidecarError KEYS_UNREADABLE */
export function createOperatorEndpoint(options: OperatorEndpointOptions): OperatorEndpoint {
  const { address, ca: injected, keysDirectory, tokensDirectory } = options;
  const origin = new URL(`https://${address}`);
  const path = join(keysDirectory, 'operator-cas.crt');
  let announced = loadCas(path);

  function ca(): string {
    return `${injected.trim()}\n${announced}`;
  }

  return {
    url: (target) => new URL(target, origin),
    ca,
    tls() {
      const host = origin.hostname.replace(/^\[|\]$/g, '');
      return { ...verifying({ ca: ca() }), ...(isIP(host) === 0 ? { servername: host } : {}) };
    },
    async token() {
      try {
        return (await readFile(join(tokensDirectory, operatorTokenFile), 'utf8')).trim();
      } catch {
        throw new SidecarError('OPERATOR_TOKEN_MISSING');
      }
    },
    async keepCas(pem) {
      const next = readCertificates(pem);
      // An empty or unreadable announcement must not lock the pod out.
      if (next === '' || next === announced) return;
      announced = next;
      try {
        await writeFile(`${path}.new`, next, { mode: 0o600 });
        await rename(`${path}.new`, path);
      } catch (error) {
        throw new SidecarError('KEYS_UNWRITABLE', { detail: `(${(error as NodeJS.ErrnoException).code})` });
      }
    },
  };
}

function loadCas(path: string): string {
  try {
    return readCertificates(readFileSync(path, 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw new SidecarError('KEYS_UNREADABLE');
  }
}

/** Only what is a certificate; Node takes other text for an empty list. */
function readCertificates(pem: string): string {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return blocks
    .filter((block) => {
      try {
        return new X509Certificate(block).ca;
      } catch {
        return false;
      }
    })
    .map((block) => `${block}\n`)
    .join('');
}
