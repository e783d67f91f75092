// The plainest reading of the rules, one after the other, by regular expressions: to know what a request should get
// before anybody is asked. Nothing here is shared with a contestant.

import type { BenchRule } from './rules.ts';

export interface Target {
  readonly host: string;
  readonly method: string;
  /** Without a query. */
  readonly path: string;
}

export interface Reference {
  /** The rule that is recorded: the first guard that matches, else the first grant; null: none matches. */
  decide(target: Target): BenchRule | null;
}

export function createReference(rules: readonly BenchRule[]): Reference {
  const compiled = rules.map((rule) => ({
    rule,
    hosts: rule.hosts?.map(hostExpression) ?? null,
    paths: rule.paths?.map(pathExpression) ?? null,
  }));
  const guardsFirst = [
    ...compiled.filter(({ rule }) => rule.action === 'Deny'),
    ...compiled.filter(({ rule }) => rule.action === 'Allow'),
  ];
  /** Ten thousand rules for each of thousands of requests would take longer than the bench. */
  const byHost = new Map<string, typeof compiled>();

  function rulesOn(host: string): typeof compiled {
    const known = byHost.get(host);
    if (known !== undefined) return known;
    const found = guardsFirst.filter(
      ({ hosts }) => hosts === null || hosts.some((expression) => expression.test(host)),
    );
    byHost.set(host, found);
    return found;
  }

  return {
    decide({ host, method, path }) {
      const first = rulesOn(host).find(
        ({ rule, paths }) =>
          (rule.methods === null || rule.methods.includes(method)) &&
          (paths === null || paths.some((expression) => expression.test(path))),
      );
      return first?.rule ?? null;
    },
  };
}

function hostExpression(pattern: string): RegExp {
  const labels = pattern
    .split('.')
    .map((label) => (label === '**' ? '[^.]+(?:\\.[^.]+)*' : label.replaceAll('*', '[^.]+')));
  return new RegExp(`^${labels.join('\\.')}$`);
}

/** `**` is any number of whole segments, also none. */
function pathExpression(pattern: string): RegExp {
  const segments = pattern.slice(1).split('/');
  const parts = segments.map((segment) => {
    if (segment === '**') return '(?:/[^/]*)*';
    return segment === '*' ? '/[^/]+' : `/${segment.replaceAll('*', '[^/]*')}`;
  });
  return new RegExp(`^${parts.join('')}$`);
}
