// The operator's trust: the CAs that may sign its certificates, and this replica's own certificate, minted in memory.
// The leader mints the next CA; every replica follows what is in the Secret.

import { setTimeout as sleep } from 'node:timers/promises';
import { codeOf, OperatorError } from '../errors.ts';
import type { CaGeneration, CaStore } from './ca-store.ts';
import { createCa, createServingCertificate, type CertificateWithKey } from './certificate.ts';
import { checkRotationSettings, clockSkewMs, planRotation, type RotationSettings } from './rotation.ts';

export interface Authority {
  /** PEM of every CA that may sign the operator's certificate, now or next. */
  bundle(): string;
  /** This replica's certificate for the Service's names, and its key. */
  serving(): CertificateWithKey;
  /** Called when either becomes another one; answers how to stop that. */
  onChange(listener: () => void): () => void;
}

export interface AuthorityDeps {
  readonly store: CaStore;
  readonly settings: RotationSettings;
  /** What clients call the operator: the DNS names of its Service. */
  readonly dnsNames: readonly string[];
  readonly leads: () => boolean;
  readonly now: () => number;
  /** What failed; the authority goes on with what it has and tries again. */
  readonly fail: (error: unknown) => void;
}

export interface AuthorityKeeper extends Authority {
  /**
   * Resolves when there is a certificate to serve (the leader mints the first CA, the others wait for it), and keeps
   * it current until the signal.
   */
  start(signal: AbortSignal): Promise<void>;
}

interface State {
  readonly bundle: string;
  readonly signer: number;
  readonly serving: CertificateWithKey;
  readonly renewAtMs: number;
}

/** The longest that a replica goes without looking at the Secret; a tenth of the overlap where that is shorter. */
const maxPollMs = 60_000;
const retryMs = 1000;
/** However near the next change is, the API server is left in peace for so long. */
const minPauseMs = 100;

export function createAuthority(deps: AuthorityDeps): AuthorityKeeper {
  const { store, settings, now } = deps;
  checkRotationSettings(settings);
  const pollMs = Math.min(maxPollMs, settings.overlapMs / 10);
  const listeners = new Set<() => void>();
  let state: State | undefined;

  /** Reads, and as the leader writes, the CAs; answers when to look again. */
  async function follow(): Promise<number> {
    const stored = await store.read();
    const { generations } = stored;
    const plan = planRotation(generations, settings, now());
    if (plan.mint && deps.leads()) {
      const kept = generations.filter(({ number }) => plan.bundle.includes(number));
      const number = Math.max(0, ...generations.map((generation) => generation.number)) + 1;
      await store.write([...kept, mint(number)], stored);
      return follow();
    }
    const bundle = plan.bundle.map((number) => certificateOf(generations, number)?.cert ?? '').join('');
    const signer = generations.find(({ number }) => number === plan.signer);
    if (signer === undefined) return now() + retryMs;
    adopt(bundle, signer);
    // A CA that is due is minted by the leader any moment, and every second counts that it is announced for.
    const waitMs = plan.mint ? Math.min(retryMs, pollMs) : pollMs;
    return Math.min(now() + waitMs, plan.changesAtMs, state?.renewAtMs ?? Infinity);
  }

  function mint(number: number): CaGeneration {
    // X.509 counts in whole seconds.
    const seconds = (ms: number): number => Math.floor(ms / 1000) * 1000;
    const notBeforeMs = seconds(now() - clockSkewMs);
    const notAfterMs = seconds(now() + settings.lifetimeMs);
    return { number, notBeforeMs, notAfterMs, ...createCa(commonName(number), { notBeforeMs, notAfterMs }) };
  }

  function adopt(bundle: string, signer: CaGeneration): void {
    const renew = state === undefined || state.signer !== signer.number || state.renewAtMs <= now();
    if (!renew && state?.bundle === bundle) return;
    state = { ...(state === undefined || renew ? issue(signer) : state), bundle };
    for (const listener of listeners) listener();
  }

  /** Good for one overlap, so that no certificate outlives the CA that signed it; renewed at two thirds. */
  function issue(signer: CaGeneration): Omit<State, 'bundle'> {
    const validity = {
      notBeforeMs: Math.max(now() - clockSkewMs, signer.notBeforeMs),
      notAfterMs: Math.min(now() + settings.overlapMs, signer.notAfterMs),
    };
    const ca = { commonName: commonName(signer.number), key: signer.key };
    return {
      signer: signer.number,
      serving: createServingCertificate(ca, deps.dnsNames, validity),
      renewAtMs: now() + ((validity.notAfterMs - now()) * 2) / 3,
    };
  }

  async function followOrRetry(): Promise<number> {
    try {
      return await follow();
    } catch (error) {
      // Another replica was faster, which is as good.
      if (codeOf(error) !== 'KUBE_CONFLICT') deps.fail(error);
      return now() + retryMs;
    }
  }

  async function keep(firstMs: number, signal: AbortSignal): Promise<void> {
    let nextMs = firstMs;
    while (await pause(nextMs - now(), signal)) nextMs = await followOrRetry();
  }

  function current(): State {
    if (state === undefined) throw new OperatorError('CERTIFICATE_UNAVAILABLE');
    return state;
  }

  return {
    bundle: () => current().bundle,
    serving: () => current().serving,
    onChange: (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    start: async (signal) => {
      let nextMs = await followOrRetry();
      // oxlint-disable-next-line no-unmodified-loop-condition -- followOrRetry modifies it
      while (state === undefined && (await pause(nextMs - now(), signal))) nextMs = await followOrRetry();
      void keep(nextMs, signal);
    },
  };
}

function commonName(number: number): string {
  return `operator CA ${number}`;
}

function certificateOf(generations: readonly CaGeneration[], number: number): CaGeneration | undefined {
  return generations.find((generation) => generation.number === number);
}

/** False when the signal came first. */
async function pause(ms: number, signal: AbortSignal): Promise<boolean> {
  try {
    await sleep(Math.max(ms, minPauseMs), undefined, { signal, ref: false });
    return true;
  } catch {
    return false;
  }
}
