// What the init container leaves for the sidecar in the volume that only the two of them mount. The sidecar takes nothing
// else for a proof that its pod is captured: neither its own settings nor that it was started second.

import { readFileSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { captureReportFile, type CaptureReport } from '../../policy/capture-plan.ts';
import { SidecarError } from '../errors.ts';

/**
 * Null when there is none, and so nothing is captured.
 * @throws SidecarError CAPTURE_REPORT_UNREADABLE: one that cannot be read must not pass for none.
 */
export function readCaptureReport(directory: string): CaptureReport | null {
  try {
    const report = parseCaptureReport(JSON.parse(readFileSync(join(directory, captureReportFile), 'utf8')));
    if (report !== null) return report;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
  }
  throw new SidecarError('CAPTURE_REPORT_UNREADABLE');
}

function parseCaptureReport(value: unknown): CaptureReport | null {
  const { level, plan, families, at } = (value ?? {}) as Partial<Record<keyof CaptureReport, unknown>>;
  const isWhole =
    level === 'captured' &&
    typeof plan === 'string' &&
    typeof at === 'string' &&
    Array.isArray(families) &&
    families.every((family) => family === 'four' || family === 'six');
  return isWhole ? { level, plan, families: families as CaptureReport['families'], at } : null;
}

/** Appears whole or not at all. @throws SidecarError CAPTURE_REPORT_UNWRITABLE */
export async function writeCaptureReport(directory: string, report: CaptureReport): Promise<void> {
  const path = join(directory, captureReportFile);
  await whileWriting(async () => {
    // Root without DAC_OVERRIDE may not open for writing what a run that was killed left with mode 0444.
    await rm(`${path}.new`, { force: true });
    const file = await open(`${path}.new`, 'wx', 0o444);
    try {
      // Whatever umask the runtime gave us: the sidecar has another uid and gid.
      await file.chmod(0o444);
      await file.writeFile(`${JSON.stringify(report)}\n`);
    } finally {
      await file.close();
    }
    await rename(`${path}.new`, path);
  });
}

/** A restarted sandbox has lost its rules, but not its volumes. @throws SidecarError CAPTURE_REPORT_UNWRITABLE */
export function removeCaptureReport(directory: string): Promise<void> {
  return whileWriting(() => rm(join(directory, captureReportFile), { force: true }));
}

async function whileWriting(write: () => Promise<void>): Promise<void> {
  try {
    await write();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new SidecarError('CAPTURE_REPORT_UNWRITABLE', code === undefined ? {} : { detail: `(${code})` });
  }
}
