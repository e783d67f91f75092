// The sidecar as a process: its environment, its signals and its end. Whatever ends it, restarting it is safe:
// until it is back agents are refused, never let past it.

import { loadConfig } from './config.ts';
import { createDiagnostics } from './diagnostics.ts';
import { SidecarError } from './errors.ts';
import { createSidecar, type SidecarOptions } from './sidecar.ts';

/** Less than the 30 s that the kubelet waits before it kills. */
const stopDeadlineMs = 10_000;

/** Returns once the sidecar listens; the process then lives until a signal, or exits with 1 and a code. */
export async function runSidecar({ paths, ports }: Pick<SidecarOptions, 'paths' | 'ports'>): Promise<void> {
  const diagnostics = createDiagnostics({ write: (line) => process.stderr.write(line) });

  function exitWith(error: unknown): never {
    diagnostics.failed(error instanceof SidecarError ? error : defect(error));
    process.exit(1);
  }

  // With a listener of ours, Node does not open its inspector on this signal (K-20).
  process.on('SIGUSR1', () => {});
  process.on('uncaughtException', exitWith);
  process.on('unhandledRejection', exitWith);
  // Who reads our output may go away; that must not end us.
  process.stdout.on('error', () => {});
  process.stderr.on('error', () => {});

  try {
    const config = loadConfig(process.env);
    const sidecar = createSidecar({ config, paths, ports, output: process.stdout, diagnostics });
    const stop = (): void => {
      setTimeout(() => process.exit(1), stopDeadlineMs).unref();
      sidecar.stop().then(() => process.exit(0), exitWith);
    };
    process.once('SIGTERM', stop).once('SIGINT', stop);
    diagnostics.happened('listening', await sidecar.start());
  } catch (error) {
    exitWith(error);
  }
}

/** A defect's message and values may hold a secret; where it happened does not (S-12). */
function defect(error: unknown): SidecarError {
  const stack = error instanceof Error ? (error.stack ?? '') : '';
  const frames = stack.match(/^ +at (?:[\w.<>]+ \()?(?:file:\/\/|node:)[^\s()]+:\d+:\d+\)?$/gm) ?? [];
  const at = frames.slice(0, 5).map((frame) => frame.trim());
  return new SidecarError('SIDECAR_FAILED', at.length === 0 ? {} : { detail: at.join('; ') });
}
