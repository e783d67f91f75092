// What of an AgentCredential an agent's pod cannot have, because it was created before: volumes and placeholders come at
// admission alone.

import { secretDirectory } from '../../policy/contract.ts';
import { isParsed, parseOnce } from '../../policy/parse.ts';
import type { AgentCredential, AgentSecretStore } from '../../policy/resources/kinds.ts';
import { opensTo } from '../../policy/selection.ts';
import type { Labels } from '../../policy/resources/selector.ts';
import type { InjectionStatus } from '../injector/annotations.ts';
import { secretsFor } from '../injector/store-access.ts';

export interface Shortfall {
  /** Without it the secret cannot be read. Null: it needs none, or what the pod has is unknown. */
  readonly volume: 'missing' | 'mounted' | null;
  /** The secret works without, but an SDK may not start. */
  readonly placeholder: boolean;
}

export interface ShortfallFacts {
  readonly credential: unknown;
  /** All of its namespace. */
  readonly credentials: readonly unknown[];
  readonly stores: readonly unknown[];
  readonly namespaceLabels: Labels;
}

/** @returns of an agent: by what was injected, null if that is unknown, and the credentials that its policies name. */
export function createShortfall(
  facts: ShortfallFacts,
): (injected: InjectionStatus | null, named: ReadonlySet<string>) => Shortfall {
  const credential = parseOnce('AgentCredential', facts.credential);
  if (!isParsed<AgentCredential>(credential)) return () => ({ volume: null, placeholder: false });
  const { name } = credential.metadata;
  const wishes = wishesOf(credential);
  const stores = facts.stores
    .map((store) => parseOnce('AgentSecretStore', store))
    .filter((store) => isParsed<AgentSecretStore>(store))
    .filter((store) => opensTo(store, facts.namespaceLabels));
  const directories = secretsFor(credential, stores).map(({ volume }) => secretDirectory(volume));
  const rivals = wishes.length === 0 ? [] : earlierOf(facts.credentials, name);
  return (injected, named) => {
    if (injected === null) return { volume: null, placeholder: false };
    const { volumes, placeholders } = injected;
    const isTaken = (env: string): boolean =>
      rivals.some((rival) => named.has(rival.metadata.name) && wishesOf(rival).includes(env));
    return {
      volume:
        directories.length === 0
          ? null
          : directories.every((directory) => volumes.includes(directory))
            ? 'mounted'
            : 'missing',
      placeholder: wishes.some((env) => placeholders[env] !== name && !isTaken(env)),
    };
  };
}

function wishesOf({ spec }: AgentCredential): readonly string[] {
  const { placeholderEnv = [], placeholderFile } = spec;
  return placeholderFile === undefined ? placeholderEnv : [...placeholderEnv, placeholderFile.env];
}

/** Of two credentials that ask for one variable the first by name has it. */
function earlierOf(credentials: readonly unknown[], name: string): readonly AgentCredential[] {
  return credentials
    .map((each) => parseOnce('AgentCredential', each))
    .filter((each) => isParsed<AgentCredential>(each))
    .filter(({ metadata }) => metadata.name < name);
}
