// Entries of one ceiling that say different things about the same request, which is then refused.

import { compileInject, isMintingInject } from './compile-inject.ts';
import { matchesOverlap } from './overlap.ts';
import type { Finding } from './parse.ts';
import { compileMatch } from './read-policy.ts';
import type { AgentCredential } from './resources/kinds.ts';
import { canonicalJson } from './ruleset.ts';

export function findAmbiguousInjects({ spec }: AgentCredential): readonly Finding[] {
  const whole = compileInject(spec.inject);
  // A token goes into the header that RFC 6750 names, where its entry does not say otherwise.
  const usual = isMintingInject(whole) ? ({ kind: 'bearer' } as const) : whole;
  const entries = spec.allow.map((entry) => ({
    match: compileMatch(entry),
    way: canonicalJson(entry.inject === undefined ? usual : compileInject(entry.inject)),
  }));
  return entries.flatMap((entry, index): Finding[] => {
    const other = entries.findIndex(
      (before, at) => at < index && before.way !== entry.way && matchesOverlap(before.match, entry.match),
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
