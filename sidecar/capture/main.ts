// The entry point of the init container, in the sidecar's image. What it says last stands in the pod's status.

import { writeFileSync } from 'node:fs';
import { podPaths } from '../../policy/contract.ts';
import { createDiagnostics } from '../diagnostics.ts';
import { asSidecarError } from '../errors.ts';
import { capture } from './capture.ts';
import { createNft } from './nft.ts';

// The default of terminationMessagePath; the kubelet keeps the first 4 KiB.
const terminationLog = '/dev/termination-log';

const diagnostics = createDiagnostics({ write: (line) => process.stderr.write(line) });
try {
  const { level, families, at } = await capture({
    args: process.argv.slice(2),
    environment: process.env,
    nft: createNft({ program: '/usr/sbin/nft' }),
    directory: podPaths.keys,
  });
  diagnostics.happened('captured', { families: families.join(', ') });
  leaveMessage({ level, families, at });
} catch (error) {
  const failure = asSidecarError(error);
  diagnostics.failed(failure);
  leaveMessage({ code: failure.code, message: failure.message });
  process.exitCode = 1;
}

function leaveMessage(message: object): void {
  try {
    writeFileSync(terminationLog, JSON.stringify(message).slice(0, 4096));
  } catch {
    // Only to be read by people; the exit code and the report are what counts.
  }
}
