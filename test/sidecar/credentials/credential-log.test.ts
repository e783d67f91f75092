import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CredentialReport } from '../../../policy/contract.ts';
import { logCredentials } from '../../../sidecar/credentials/credential-log.ts';
import { createDiagnostics } from '../../../sidecar/diagnostics.ts';

test('a change is one line, and what stays the same is none', () => {
  const lines: Record<string, unknown>[] = [];
  const diagnostics = createDiagnostics({
    write: (line) => lines.push(JSON.parse(line) as Record<string, unknown>),
  });
  let reports: CredentialReport[] = [];
  let tell = (): void => {};
  const stop = logCredentials(
    {
      report: () => reports,
      onChange: (listener) => {
        tell = listener;
        return () => {
          tell = () => {};
        };
      },
    },
    diagnostics,
  );
  const say = (report: CredentialReport): void => {
    reports = [report];
    tell();
    tell();
  };
  const failing = {
    code: 'VAULT_SEALED',
    field: 'spec.vault.address',
    message: 'Vault is sealed; unseal it.',
  };

  say({ name: 'bot', state: 'Pending' });
  say({ name: 'bot', state: 'Resolved' });
  say({ name: 'bot', state: 'Failing', ...failing });
  say({ name: 'bot', state: 'Resolved', rotatedAt: '2026-11-21T10:00:00Z' });
  stop();
  say({ name: 'bot', state: 'Failing', ...failing });

  assert.deepEqual(
    lines.map(({ time: _time, ...facts }) => facts),
    [
      { event: 'credential_resolved', credential: 'bot' },
      { event: 'credential_failing', credential: 'bot', ...failing },
      { event: 'credential_rotated', credential: 'bot' },
    ],
  );
});
