// Which names a ruleset knows: those that one of its grants could let a request through to. An agent's question for any
// other name is answered with a no, since nothing could come of it.

import { hostParts, spelling } from './match.ts';
import { addPattern, createPartTree, createPartWalker } from './part-tree.ts';
import { placeOf } from './place.ts';
import type { Ruleset } from './ruleset.ts';

/**
 * @param host canonical.
 * @param nowMs as of `Decider`.
 */
export type KnowsName = (host: string, nowMs: number | null) => boolean;

/** The cost of a question depends on the name's labels, not on how many rules there are. */
export function compileKnownNames(ruleset: Ruleset): KnowsName {
  const exact = new Set<string>();
  const globs = createPartTree();
  const walker = createPartWalker();
  // A policy in mode Audit lets nothing through.
  for (const rule of ruleset.grants.filter(({ audit }) => audit !== true)) {
    for (const host of placeOf(rule, ruleset, 'grant').hosts ?? []) {
      if (host.includes('*')) addPattern(globs, hostParts(host), 0);
      else exact.add(spelling(host));
    }
  }
  const relayed = new Set(
    Object.values(ruleset.destinations).flatMap(({ scheme, names }) => (scheme === 'tcp' ? names : [])),
  );

  function isGranted(host: string): boolean {
    if (exact.has(host)) return true;
    let isFound = false;
    walker.match(globs, host.split('.').toReversed(), () => {
      isFound = true;
    });
    return isFound;
  }

  /**
   * A relayed name as a resolver tries it with its search list first. Were it known, as any is while observing, the agent
   * would get the address of a name that nothing is relayed to. A name of one label says too little to tell.
   */
  function isTrialOfRelayed(host: string): boolean {
    for (let end = host.lastIndexOf('.'); end > 0; end = host.lastIndexOf('.', end - 1)) {
      const name = host.slice(0, end);
      if (name.includes('.') && relayed.has(name)) return true;
    }
    return false;
  }

  return (host, nowMs) => {
    if (isGranted(host)) return true;
    const { observeUntilMs } = ruleset;
    const isObserving = observeUntilMs !== null && nowMs !== null && nowMs < observeUntilMs;
    return isObserving && !isTrialOfRelayed(host);
  };
}
