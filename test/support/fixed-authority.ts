// A certificate authority of the operator that a test renews when it wants to: real certificates, no Secret.

import type { Authority } from '../../operator/webhook/authority.ts';
import { createCa, createServingCertificate } from '../../operator/webhook/certificate.ts';

export interface FixedAuthority extends Authority {
  /** Another CA, known by nobody yet, signs from now on. */
  renew(): void;
}

export function createFixedAuthority(dnsNames: readonly string[]): FixedAuthority {
  const listeners = new Set<() => void>();
  const validity = { notBeforeMs: Date.now() - 60_000, notAfterMs: Date.now() + 60 * 60_000 };
  const mint = () => {
    const ca = createCa('operator CA', validity);
    const serving = createServingCertificate({ commonName: 'operator CA', key: ca.key }, dnsNames, validity);
    return { bundle: ca.cert, serving };
  };
  let state = mint();
  return {
    bundle: () => state.bundle,
    serving: () => state.serving,
    onChange: (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    renew: () => {
      state = mint();
      for (const listener of listeners) listener();
    },
  };
}
