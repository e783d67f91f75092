// Secrets from AWS Secrets Manager, read as the pod itself: see identity.ts for how, clients.ts for with what.

import { isUtf8 } from 'node:buffer';
import { canonicalJson } from '../../../policy/ruleset.ts';
import type { AwsSecretsManagerSource, AwsStore } from '../../../policy/ruleset-credential.ts';
import { asSidecarError, SidecarError } from '../../errors.ts';
import { awsFields } from './answer.ts';
import { createAwsClients, type SecretAnswer } from './clients.ts';
import { logIn, type AwsPlaces } from './identity.ts';
import { checkSecretId } from './name.ts';
import { createAwsSession, type AwsSession } from './session.ts';
import type { Material } from '../material.ts';
import type { Provider, Stores } from '../provider.ts';
import { materialOfText, type FieldPlaces } from '../source-fields.ts';

export interface AwsOptions extends Omit<AwsPlaces, 'podIdentityEndpoint' | 'timeoutMs'> {
  readonly podIdentityEndpoint?: string;
  /** Of each call. */
  readonly timeoutMs?: number;
  /** Monotonic. */
  readonly now?: () => number;
}

interface OpenSession {
  /** The store as it was when the session began: another region or CA is another session. */
  readonly definition: string;
  read(source: AwsSecretsManagerSource): Promise<SecretAnswer>;
  end(): void;
}

/** https://docs.aws.amazon.com/eks/latest/userguide/pod-id-how-it-works.html */
const eksPodIdentityAgent = 'http://169.254.170.23/v1/credentials';

const places: FieldPlaces = {
  at: awsFields.source,
  missing: 'SECRET_FIELD_MISSING',
  notText: 'SECRET_FIELD_NOT_TEXT',
};

export function createAwsProvider(options: AwsOptions): Provider<'awsSecretsManager'> {
  const { now = () => performance.now() } = options;
  const identityPlaces = { podIdentityEndpoint: eksPodIdentityAgent, timeoutMs: 5000, ...options };
  /** By store and role. */
  const open = new Map<string, OpenSession>();

  function sessionFor({ store: storeName, roleArn }: AwsSecretsManagerSource, store: AwsStore): OpenSession {
    const key = `${storeName}\n${roleArn ?? ''}`;
    const definition = canonicalJson(store);
    const kept = open.get(key);
    if (kept?.definition === definition) return kept;
    const clients = createAwsClients(store, identityPlaces);
    const session: AwsSession = createAwsSession(
      () => logIn({ storeName, store, roleArn }, clients, identityPlaces),
      now,
    );
    const opened: OpenSession = {
      definition,
      read: (source) => session.use((keys) => clients.readSecret(source, keys)),
      end() {
        session.drop();
        clients.close();
      },
    };
    open.set(key, opened);
    kept?.end();
    return opened;
  }

  return {
    async read(source, stores) {
      const store = storeOf(source, stores);
      checkSecretId(source, store);
      const answer = await sessionFor(source, store)
        .read(source)
        .catch((error: unknown) => {
          throw asSidecarError(error);
        });
      return { material: materialOf(answer, source), lease: null };
    },
    async forget() {
      for (const session of open.values()) session.end();
      open.clear();
    },
  };
}

function storeOf({ store: name }: AwsSecretsManagerSource, stores: Stores): AwsStore {
  const store = Object.hasOwn(stores, name) ? stores[name] : undefined;
  if (store?.kind === 'awsSecretsManager') return store;
  throw new SidecarError('STORE_UNKNOWN', { field: awsFields.store });
}

function materialOf({ text, bytes }: SecretAnswer, source: AwsSecretsManagerSource): Material {
  if (text !== undefined) return materialOfText(text, source, places);
  const stored = Buffer.from(bytes ?? []);
  if (source.binary === 'Base64') return materialOfText(stored.toString('base64'), source, places);
  if (!isUtf8(stored)) throw new SidecarError('SECRET_NOT_TEXT', { field: `${awsFields.source}.binary` });
  return materialOfText(stored.toString('utf8'), source, places);
}
