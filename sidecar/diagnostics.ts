// What the sidecar says of itself, as JSON lines on standard error: codes and sentences of ours, never the text
// of an error that it caught.

import type { SidecarError } from './errors.ts';

export interface Diagnostics {
  failed(error: SidecarError): void;
  happened(event: string, facts?: Readonly<Record<string, string | number | null>>): void;
}

/** A dependency that is down fails at each retry; one line in this time says so, with how many there were. */
const quietMs = 30_000;

export interface DiagnosticsOptions {
  readonly write: (line: string) => void;
  readonly now?: () => number;
}

export function createDiagnostics({ write, now = () => performance.now() }: DiagnosticsOptions): Diagnostics {
  const last = new Map<string, { readonly atMs: number; unsaid: number }>();

  function line(facts: object): void {
    write(`${JSON.stringify({ time: new Date().toISOString(), ...facts })}\n`);
  }

  return {
    failed({ code, field, message }) {
      const said = last.get(code);
      if (said !== undefined && now() - said.atMs < quietMs) {
        said.unsaid += 1;
        return;
      }
      const repeated = said?.unsaid ?? 0;
      last.set(code, { atMs: now(), unsaid: 0 });
      line({ event: 'failed', code, message, field, ...(repeated === 0 ? {} : { repeated }) });
    },
    happened(event, facts = {}) {
      line({ event, ...facts });
    },
  };
}
