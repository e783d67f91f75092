// What is wrong with the templates of a credential's signatures.

import { compileInject } from './compile-inject.ts';
import { findHmacProblems } from './hmac-template.ts';
import type { Finding } from './parse.ts';
import type { AgentCredential } from './resources/kinds.ts';

export function findTemplateProblems({ spec }: AgentCredential): readonly Finding[] {
  const ways = [
    ['spec.inject', spec.inject] as const,
    ...spec.allow.map(({ inject }, index) => [`spec.allow[${index}].inject`, inject] as const),
  ];
  return ways.flatMap(([at, way]) => {
    const inject = way === undefined ? null : compileInject(way);
    if (inject?.kind !== 'hmac') return [];
    return findHmacProblems(inject).map(({ field, problem }) => ({
      reason: 'TemplateInvalid',
      field: `${at}.hmac.${field}`,
      message: problem,
      blocking: true,
    }));
  });
}
