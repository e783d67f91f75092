// The sidecar as a process: its environment, its signals and its end. Whatever ends it, restarting it is safe:
// until it is back agents are refused, never let past it.

import { podPaths, sidecarPorts } from '../policy/contract.ts';
import { loadConfig } from './config.ts';
import { createDiagnostics } from './diagnostics.ts';
import { SidecarError } from './errors.ts';
import { createSidecar } from './sidecar.ts';

/** Less than the 30 s that the kubelet waits before it kills. */
const stopDeadlineMs = 10_000;

const diagnostics = createDiagnostics({ write: (line) => process.stderr.write(line) });

function exitWith(error: unknown): never {
  diagnostics.failed(error instanceof SidecarError ? error : defect(error));
  process.exit(1);
}

/** A defect's message and values may hold a secret; where it happened does not (S-12). */
function defect(error: unknown): SidecarError {
  const stack = error instanceof Error ? (error.stack ?? '') : '';
  const frames = stack.match(/^ +at (?:[\w.<>]+ \()?(?:file:\/\/|node:)[^\s()]+:\d+:\d+\)?$/gm) ?? [];
  const at = frames.slice(0, 5).map((frame) => frame.trim());
  return new SidecarError('SIDECAR_FAILED', at.length === 0 ? {} : { detail: at.join('; ') });
}

async function main(): Promise<void> {
  // With a listener of ours, Node does not open its inspector on this signal (K-20).
  process.on('SIGUSR1', () => {});
  process.on('uncaughtException', exitWith);
  process.on('unhandledRejection', exitWith);
  // Agents and the rest of the pod must not be able to end us by closing what we write to.
  process.stdout.on('error', () => {});
  process.stderr.on('error', () => {});

  const sidecar = createSidecar({
    config: loadConfig(process.env),
    paths: podPaths,
    ports: sidecarPorts,
    output: process.stdout,
    diagnostics,
  });
  const stop = (): void => {
    setTimeout(() => process.exit(1), stopDeadlineMs).unref();
    sidecar.stop().then(() => process.exit(0), exitWith);
  };
  process.once('SIGTERM', stop).once('SIGINT', stop);
  diagnostics.happened('listening', await sidecar.start());
}

await main().catch(exitWith);
