// Which names agents asked for in vain, as one diagnostic line a minute: a line per question would let a flood of them
// fill the log, and search lists make some for every name that is known.

import type { Diagnostics } from '../diagnostics.ts';

export interface RefusedNames {
  note(name: string): void;
  close(): void;
}

export interface RefusedNamesOptions {
  readonly diagnostics: Pick<Diagnostics, 'happened'>;
  readonly intervalMs?: number;
}

/** The names of a line are told in full, at most 253 characters each; of further ones the number. */
const maxNames = 20;

export function createRefusedNames({ diagnostics, intervalMs = 60_000 }: RefusedNamesOptions): RefusedNames {
  const names = new Set<string>();
  let questions = 0;
  let timer: NodeJS.Timeout | undefined;

  function tell(): void {
    diagnostics.happened('names_refused', { questions, names: [...names].join(' ') });
    names.clear();
    questions = 0;
    timer = undefined;
  }

  return {
    note: (name) => {
      questions += 1;
      if (names.size < maxNames) names.add(name.toLowerCase().slice(0, 253));
      timer ??= setTimeout(tell, intervalMs).unref();
    },
    close: () => {
      if (timer !== undefined) tell();
      clearTimeout(timer);
    },
  };
}
