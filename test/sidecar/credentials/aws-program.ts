// A process of its own that reads from AWS, so that a test can give it any environment. Its one argument is JSON; it
// prints what came of each reading, which names were looked up, and what was loaded.

import dns from 'node:dns';
import { createRequire } from 'node:module';
import type { AwsSecretsManagerSource, AwsStore } from '../../../policy/ruleset-credential.ts';
import { createAwsProvider } from '../../../sidecar/credentials/aws/aws.ts';

export interface AwsProgramInput {
  readonly tokensDirectory: string;
  readonly secretsDirectory: string;
  readonly readings: readonly { readonly source: AwsSecretsManagerSource; readonly store: AwsStore }[];
  /** No name has an address then. */
  readonly resolveNothing?: boolean;
}

export interface AwsProgramOutput {
  readonly outcomes: readonly string[];
  readonly lookedUp: readonly string[];
  /** Whether the SDK was there before the first reading. */
  readonly loadedEarly: boolean;
  readonly loadedLate: boolean;
  readonly residentBefore: number;
  readonly residentAfter: number;
}

const {
  readings,
  resolveNothing = false,
  ...directories
} = JSON.parse(process.argv[2] ?? '') as AwsProgramInput;

const lookedUp: string[] = [];
if (resolveNothing) {
  const lookup = (host: string, _: unknown, answer: (error: Error) => void): void => {
    lookedUp.push(host);
    setImmediate(() => answer(Object.assign(new Error('not found'), { code: 'ENOTFOUND' })));
  };
  dns.lookup = lookup as unknown as typeof dns.lookup;
}

// The SDK is CommonJS, so that what is loaded of it stands in the cache of `require`.
const { cache } = createRequire(import.meta.url);
const loaded = (): boolean => Object.keys(cache).some((file) => file.includes('@aws-sdk'));

const provider = createAwsProvider({ ...directories, level: 'cooperative', timeoutMs: 3000 });
const loadedEarly = loaded();
globalThis.gc?.();
const residentBefore = process.memoryUsage.rss();
const outcomes: string[] = [];
for (const { source, store } of readings) {
  outcomes.push(
    await provider.read(source, { [source.store]: store }).then(
      ({ material }) => String(material.get('value')?.open()),
      (error: { code: string }) => error.code,
    ),
  );
}
globalThis.gc?.();
const output: AwsProgramOutput = {
  outcomes,
  lookedUp: [...new Set(lookedUp)],
  loadedEarly,
  loadedLate: loaded(),
  residentBefore,
  residentAfter: process.memoryUsage.rss(),
};
await provider.forget();
process.stdout.write(JSON.stringify(output));
