// The arguments that injection writes and admission holds the container to.

import { parseArgs } from 'node:util';
import { encodePlan, parsePlan, type CapturePlan } from '../../policy/capture-plan.ts';
import { SidecarError } from '../errors.ts';
import type { SidecarIdentity } from './rules.ts';

export interface CaptureArguments {
  readonly sidecar: SidecarIdentity;
  readonly plan: CapturePlan;
}

/** The highest that Linux has: -1 means "leave it" to setuid(2). */
const maxId = 2 ** 32 - 2;

/** @throws SidecarError CAPTURE_ARGUMENTS_INVALID that names the argument and what is allowed. */
export function parseArguments(args: readonly string[]): CaptureArguments {
  const { uid, gid, plan } = readOnce(args);
  return { sidecar: { uid: parseId('uid', uid), gid: parseId('gid', gid) }, plan: parseWritten(plan) };
}

function readOnce(args: readonly string[]): Partial<Record<'uid' | 'gid' | 'plan', string>> {
  const option = { type: 'string', multiple: true } as const;
  const options = { uid: option, gid: option, plan: option };
  try {
    const { values } = parseArgs({ args: [...args], options, strict: true, allowPositionals: false });
    return Object.fromEntries(
      Object.entries(values).map(([name, all]) => {
        if (all.length !== 1) throw new Error(name);
        return [name, all[0]];
      }),
    );
  } catch {
    throw invalid('uid, gid, plan', 'It takes --uid, --gid and --plan, once each, and nothing else.');
  }
}

function parseId(name: 'uid' | 'gid', text = ''): number {
  const id = Number(text);
  // Root's would let every root container pass.
  if (/^[1-9]\d{0,9}$/.test(text) && id <= maxId) return id;
  throw invalid(name, `--${name} must be the sidecar's ${name}, from 1 to ${maxId}.`);
}

function parseWritten(text = ''): CapturePlan {
  try {
    const plan = parsePlan(text);
    if (encodePlan(plan) === text) return plan;
  } catch {
    // Said below.
  }
  throw invalid('plan', '--plan must be a capture plan, in the spelling of the injector.');
}

function invalid(field: string, detail: string): SidecarError {
  return new SidecarError('CAPTURE_ARGUMENTS_INVALID', { field, detail });
}
