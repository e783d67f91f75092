// The init container from its arguments to its report. Any doubt ends it with a code, and then the pod does not start.

import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { encodePlan, type CaptureReport } from '../../policy/capture-plan.ts';
import { SidecarError } from '../errors.ts';
import { parseArguments } from './arguments.ts';
import { familiesHere, planAttempts, runCanary } from './canary.ts';
import { readCounters } from './counters.ts';
import { missingFeatures } from './features.ts';
import { tableName } from './nft-rule.ts';
import type { Nft } from './nft.ts';
import { removeCaptureReport, writeCaptureReport } from './report.ts';
import { captureRules, replacement } from './rules.ts';
import { firstDifference } from './verification.ts';

export interface CaptureOptions {
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly nft: Nft;
  /** Where the report goes. */
  readonly directory: string;
}

/** Writes the rules, reads them back, tries to get past them, and only then reports. Again and again without harm. */
export async function capture({ args, environment, nft, directory }: CaptureOptions): Promise<CaptureReport> {
  const { sidecar, plan } = parseArguments(args);
  await removeCaptureReport(directory);
  requirePermission();

  const rules = captureRules(sidecar, plan);
  const refusal = await nft.apply(replacement(rules));
  if (refusal !== null) throw await unsupported(nft, refusal);
  const difference = firstDifference(rules, await nft.list(tableName));
  if (difference !== null) throw new SidecarError('CAPTURE_RULES_DIFFER', { detail: `(${difference})` });

  const families = familiesHere();
  const attempts = planAttempts(families, apiServerOf(environment));
  const failures = await runCanary(attempts, plan, () => readCounters(nft));
  if (failures.length > 0) throw new SidecarError('CAPTURE_UNPROVED', { detail: failures.join(' ') });

  const at = new Date().toISOString();
  const report: CaptureReport = { level: 'captured', plan: encodePlan(plan), families, at };
  await writeCaptureReport(directory, report);
  return report;
}

/** Of capabilities(7). */
const netAdmin = 12n;

function requirePermission(): void {
  const [, effective = '0'] =
    /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
  const mayAdminister = ((BigInt(`0x${effective}`) >> netAdmin) & 1n) === 1n;
  if (!mayAdminister || process.getuid?.() !== 0) throw new SidecarError('CAPTURE_NOT_PERMITTED');
}

async function unsupported(nft: Nft, refusal: string): Promise<SidecarError> {
  const missing = await missingFeatures(nft);
  return missing.length > 0
    ? new SidecarError('CAPTURE_UNSUPPORTED', { detail: `Missing: ${missing.join(', ')}.` })
    : new SidecarError('CAPTURE_RULES_REFUSED', { detail: `(${refusal})` });
}

/** The kubelet sets these in every container. */
function apiServerOf(
  environment: CaptureOptions['environment'],
): { readonly address: string; readonly port: number } | null {
  const { KUBERNETES_SERVICE_HOST: address = '', KUBERNETES_SERVICE_PORT = '' } = environment;
  const port = Number(KUBERNETES_SERVICE_PORT);
  return isIP(address) !== 0 && port > 0 && port < 65_536 ? { address, port } : null;
}
