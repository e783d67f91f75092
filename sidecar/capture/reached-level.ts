// Which level this pod has reached: what the init container proved, never what somebody told the sidecar.

import { encodePlan, type CapturePlan, type CaptureReport } from '../../policy/capture-plan.ts';
import { SidecarError } from '../errors.ts';
import { readCaptureReport } from './report.ts';

/**
 * @param plan as injected; null for a cooperative pod.
 * @returns null at the level cooperative.
 * @throws SidecarError where plan and report are not of one mind: agents would be let past, or sent where nobody listens.
 */
export function reachedCapture(plan: CapturePlan | null, keysDirectory: string): CaptureReport | null {
  const report = readCaptureReport(keysDirectory);
  if (plan === null && report === null) return null;
  if (report === null) throw new SidecarError('CAPTURE_UNREPORTED');
  if (plan === null || report.plan !== encodePlan(plan)) throw new SidecarError('CAPTURE_PLAN_DIFFERS');
  return report;
}
