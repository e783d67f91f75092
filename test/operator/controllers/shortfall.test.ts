import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createShortfall, type ShortfallFacts } from '../../../operator/controllers/shortfall.ts';
import type { InjectionStatus } from '../../../operator/injector/annotations.ts';
import { credential, store } from '../resources.ts';

const githubFile = (changes: object = {}): object => of('github', { file: fileOf('github'), ...changes });
const fileOf = (secret: string): object => ({ path: 'token', volume: { secret } });

function of(
  name: string,
  { file, ...changes }: { readonly file?: object; readonly placeholderEnv?: readonly string[] },
): object {
  const base = credential({ namespace: 'team', name }) as { readonly spec: object };
  return { ...base, spec: { ...base.spec, ...(file === undefined ? {} : { source: { file } }), ...changes } };
}

const appRole = {
  ...store('vault', { team: 'red' }),
  spec: {
    namespaceSelector: { matchLabels: { team: 'red' } },
    audience: 'outrider.dev/vault',
    vault: {
      address: 'https://vault.vault.svc:8200',
      auth: { appRole: { secretId: { secret: 'vault-approle' } } },
    },
  },
};

const injected = (
  volumes: readonly string[] = [],
  placeholders: Readonly<Record<string, string>> = {},
): InjectionStatus => ({
  level: 'cooperative',
  image: 'sidecar',
  stores: [],
  volumes,
  placeholders,
  destinations: null,
});

describe('what an agent lacks of a credential', () => {
  const cases: Record<
    string,
    {
      credential: object;
      others?: readonly object[];
      labels?: Record<string, string>;
      injected: InjectionStatus | null;
      is: object;
    }
  > = {
    'a credential that cannot be read: nothing': {
      credential: { ...githubFile(), spec: { source: 7 } },
      injected: injected(),
      is: { volume: null, placeholder: false },
    },
    'a pod of which nothing is known: nothing': {
      credential: githubFile({ placeholderEnv: ['GITHUB_TOKEN'] }),
      injected: null,
      is: { volume: null, placeholder: false },
    },
    'a Secret that was named after the pod was created': {
      credential: githubFile(),
      injected: injected(['secret.other']),
      is: { volume: 'missing', placeholder: false },
    },
    'nothing, where the Secret is mounted': {
      credential: githubFile(),
      injected: injected(['secret.github']),
      is: { volume: 'mounted', placeholder: false },
    },
    'the Secret of its store, which began to use AppRole': {
      credential: of('github', {}),
      injected: injected(),
      is: { volume: 'missing', placeholder: false },
    },
    'nothing of a store that is closed to its namespace': {
      credential: of('github', {}),
      labels: {},
      injected: injected(),
      is: { volume: null, placeholder: false },
    },
    'a variable that was asked for later': {
      credential: githubFile({ placeholderEnv: ['GITHUB_TOKEN', 'GH_TOKEN'] }),
      injected: injected(['secret.github'], { GITHUB_TOKEN: 'github' }),
      is: { volume: 'mounted', placeholder: true },
    },
    'a key file that was asked for later': {
      credential: githubFile({
        inject: { googleServiceAccount: { audience: 'https://run.example.com' } },
        placeholderFile: { env: 'GOOGLE_APPLICATION_CREDENTIALS' },
      }),
      injected: injected(['secret.github']),
      is: { volume: 'mounted', placeholder: true },
    },
    'nothing, where an earlier credential of its policies has the variable': {
      credential: githubFile({ placeholderEnv: ['GITHUB_TOKEN'] }),
      others: [of('gists', { file: fileOf('gists'), placeholderEnv: ['GITHUB_TOKEN'] })],
      injected: injected(['secret.github'], { GITHUB_TOKEN: 'gists' }),
      is: { volume: 'mounted', placeholder: false },
    },
    'the variable, where the earlier credential is none of its policies’': {
      credential: githubFile({ placeholderEnv: ['GITHUB_TOKEN'] }),
      others: [of('unbound', {}), of('actions', { file: fileOf('a'), placeholderEnv: ['GITHUB_TOKEN'] })],
      injected: injected(['secret.github'], { GITHUB_TOKEN: 'actions' }),
      is: { volume: 'mounted', placeholder: true },
    },
  };
  for (const [what, { credential: object, others = [], labels, injected: status, is }] of Object.entries(
    cases,
  )) {
    it(what, () => {
      const facts: ShortfallFacts = {
        credential: object,
        credentials: [object, ...others],
        stores: [appRole],
        namespaceLabels: labels ?? { team: 'red' },
      };
      assert.deepEqual(createShortfall(facts)(status, new Set(['github', 'gists'])), is);
    });
  }
});
