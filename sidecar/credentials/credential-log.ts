// What the sidecar says on standard error of how its credentials fare: a line for each change, with what the status in the
// cluster leaves out, since a pod's sentences are not passed on there (O-04).

import type { CredentialReport } from '../../policy/contract.ts';
import type { Diagnostics } from '../diagnostics.ts';
import type { Credentials } from './credentials.ts';

/** Returns how to stop. */
export function logCredentials(
  credentials: Pick<Credentials, 'report' | 'onChange'>,
  diagnostics: Diagnostics,
): () => void {
  const said = new Map<string, string>();

  return credentials.onChange(() => {
    for (const report of credentials.report()) {
      const { name, state, code, field, message, rotatedAt } = report;
      const news = [state, message, rotatedAt].join('\n');
      const isNews = said.get(name) !== news && state !== 'Pending';
      said.set(name, news);
      const failure = code === undefined ? {} : { code, field: field ?? null, message: message ?? null };
      if (isNews) diagnostics.happened(eventOf(report), { credential: name, ...failure });
    }
  });
}

function eventOf({ state, rotatedAt }: CredentialReport): string {
  if (state === 'Failing') return 'credential_failing';
  return rotatedAt === undefined ? 'credential_resolved' : 'credential_rotated';
}
