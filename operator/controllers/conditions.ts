// Findings as conditions. `Ready` says whether the object does its work, `Degraded` whether some of it does not.

import type { Finding } from '../../policy/parse.ts';
import type { DesiredCondition } from '../kube/status.ts';

/** A reason (PascalCase) and a sentence that names the field and says what is allowed. */
export interface Cause {
  readonly reason: string;
  readonly message: string;
}

export function cause(reason: string, message: string): Cause {
  return { reason, message };
}

export interface Verdict {
  /** Why it cannot be used at all; null when it can. */
  readonly broken: Cause | null;
  /** What part of it does not work. */
  readonly degraded: Cause | null;
  /** What works, but perhaps not as its author thinks. */
  readonly advice?: Cause | null;
  /** What it does, when it works. */
  readonly working: Cause;
}

export function conditionsOf({
  broken,
  degraded,
  advice = null,
  working,
}: Verdict): readonly DesiredCondition[] {
  const trouble = broken ?? degraded;
  const ready: Cause =
    broken ?? (degraded === null ? working : { reason: 'Degraded', message: degraded.message });
  return [
    { type: 'Ready', status: broken === null ? 'True' : 'False', ...ready },
    trouble === null
      ? { type: 'Degraded', status: 'False', reason: 'AsExpected', message: '' }
      : { type: 'Degraded', status: 'True', ...trouble },
    ...(advice === null ? [] : [{ type: 'Advice', status: 'True' as const, ...advice }]),
  ];
}

/** More findings than this help nobody; the first ones are fixed first. */
const maxFindings = 10;

/** One cause of several findings: the reason of the first, the sentences of all. */
export function causeOf(findings: readonly Finding[]): Cause | null {
  const [first] = findings;
  if (first === undefined) return null;
  const sentences = findings.slice(0, maxFindings).map(({ field, message }) => `${field} ${message}`);
  const rest = findings.length - sentences.length;
  return { reason: first.reason, message: [...sentences, ...(rest > 0 ? [`${rest} more`] : [])].join('; ') };
}

/** Advice is no trouble: it is shown in a condition of its own. */
export function splitFindings(findings: readonly Finding[]): Pick<Verdict, 'broken' | 'degraded' | 'advice'> {
  const advice = findings.filter(({ reason }) => reason === 'Advice');
  return {
    broken: causeOf(findings.filter(({ blocking }) => blocking)),
    degraded: causeOf(findings.filter(({ blocking, reason }) => !blocking && reason !== 'Advice')),
    advice: causeOf(advice),
  };
}
