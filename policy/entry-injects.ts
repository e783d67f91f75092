// Entries of one ceiling that say different things about the same request, which is then refused.

import { compileInject, isMintingInject } from './compile-inject.ts';
import { matchesOverlapWithin } from './overlap.ts';
import type { Finding } from './parse.ts';
import { compileMatch } from './read-policy.ts';
import type { AgentCredential } from './resources/kinds.ts';
import { canonicalJson } from './ruleset.ts';

/** A tenth of a second at worst; beyond it the findings are not complete, and the sidecar refuses all the same. */
const maxCompared = 50_000_000;

export function findAmbiguousInjects({ spec }: AgentCredential): readonly Finding[] {
  const whole = compileInject(spec.inject);
  // A token goes into the header that RFC 6750 names, where its entry does not say otherwise.
  const usual = isMintingInject(whole) ? ({ kind: 'bearer' } as const) : whole;
  const entries = spec.allow.map((entry) => ({
    match: compileMatch(entry),
    way: canonicalJson(entry.inject === undefined ? usual : compileInject(entry.inject)),
  }));
  const budget = { left: maxCompared };
  return entries.flatMap((entry, index): Finding[] => {
    const other = entries.findIndex(
      (before, at) =>
        at < index &&
        before.way !== entry.way &&
        matchesOverlapWithin(before.match, entry.match, budget) === true,
    );
    if (other < 0) return [];
    return [
      {
        reason: 'InjectAmbiguous',
        field: `spec.allow[${index}]`,
        message: `overlaps spec.allow[${other}], and the two put the secret on requests in different ways, so requests in both are refused: credential_ambiguous; narrow one by hosts, methods or paths, or give both the same inject`,
        blocking: false,
      },
    ];
  });
}
