// Who the sidecar is at AWS: by the pod's own token for this store, by EKS Pod Identity or by keys of a Secret; and
// then perhaps in another role. Each login begins anew, since the kubelet and others replace what lies in the files.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  podIdentityTokenFile,
  secretDirectory,
  staticKeyFiles,
  storeTokenFile,
} from '../../../policy/contract.ts';
import type { AwsStore } from '../../../policy/ruleset-credential.ts';
import { callBounded } from '../../bounded-call.ts';
import { SidecarError } from '../../errors.ts';
import { Agent } from '../../node-http.ts';
import { awsFields } from './answer.ts';
import { roleSessionSeconds, type AwsClients, type AwsKeys, type Role } from './clients.ts';
import { sessionNameOf } from './name.ts';
import type { Login } from './session.ts';
import { readSecretFile } from '../secret-file.ts';

export interface AwsPlaces {
  /** Holds one projected token per store. */
  readonly tokensDirectory: string;
  /** Holds one directory per volume; null where there is none. */
  readonly secretsDirectory: string | null;
  /** Whether the agent could reach the Pod Identity agent by itself: it cannot where it is captured. */
  readonly level: 'cooperative' | 'captured';
  readonly podIdentityEndpoint: string;
  readonly timeoutMs: number;
}

export interface AwsIdentity {
  readonly storeName: string;
  readonly store: AwsStore;
  /** Of the credential. */
  readonly roleArn: string | undefined;
}

const roleLifeMs = roleSessionSeconds * 1000;

/** Logs in through every step: who the pod is first, then role by role. @throws SidecarError */
export async function logIn(identity: AwsIdentity, clients: AwsClients, places: AwsPlaces): Promise<Login> {
  const { storeName, store } = identity;
  const roles = rolesOf(identity);
  const first = await firstLogin();
  let { keys, lifeMs } = first.login;
  for (const role of first.left) {
    keys = await clients.assumeRole(role, keys);
    lifeMs = roleLifeMs;
  }
  return { keys, lifeMs };

  async function firstLogin(): Promise<{ readonly login: Login; readonly left: readonly Role[] }> {
    if (store.auth.kind === 'staticKeys') {
      return { login: { keys: await staticKeys(store.auth.secret, places), lifeMs: 0 }, left: roles };
    }
    if (store.auth.kind === 'podIdentity')
      return { login: await podIdentity(storeName, places), left: roles };
    const [role, ...left] = roles;
    if (role === undefined) throw new SidecarError('AWS_ROLE_MISSING', { field: awsFields.role });
    const token = await tokenOf(join(places.tokensDirectory, storeTokenFile(storeName)));
    return { login: { keys: await clients.assumeRoleWithToken(role, token), lifeMs: roleLifeMs }, left };
  }
}

/** The store's before the credential's, one that both name once. */
function rolesOf({ storeName, store, roleArn }: AwsIdentity): readonly Role[] {
  const sessionName = sessionNameOf(storeName);
  const named = [
    { arn: store.roleArn, field: awsFields.storeRole },
    { arn: roleArn === store.roleArn ? undefined : roleArn, field: awsFields.role },
  ];
  return named.flatMap(({ arn, field }) => (arn === undefined ? [] : [{ arn, field, sessionName }]));
}

async function tokenOf(path: string): Promise<string> {
  const token = await readFile(path, 'utf8').catch(() => '');
  if (token.trim() === '') throw new SidecarError('STORE_TOKEN_MISSING', { field: awsFields.store });
  return token.trim();
}

async function staticKeys(secret: string, { secretsDirectory }: AwsPlaces): Promise<AwsKeys> {
  if (secretsDirectory === null) throw new SidecarError('VOLUME_MISSING', { field: awsFields.staticKeys });
  const directory = join(secretsDirectory, secretDirectory({ secret }));
  const [accessKeyId, secretAccessKey, sessionToken] = await Promise.all([
    keyOf(directory, staticKeyFiles.accessKeyId),
    keyOf(directory, staticKeyFiles.secretAccessKey),
    keyOf(directory, staticKeyFiles.sessionToken).catch((error: SidecarError) => {
      if (error.code === 'FILE_NOT_FOUND') return null;
      throw error;
    }),
  ]);
  return { accessKeyId, secretAccessKey, ...(sessionToken === null ? {} : { sessionToken }) };
}

async function keyOf(directory: string, file: string): Promise<string> {
  const text = (await readSecretFile(directory, file, awsFields.staticKeys)).toString('utf8').trim();
  if (text === '')
    throw new SidecarError('SECRET_EMPTY', { field: awsFields.staticKeys, detail: `(${file})` });
  // They stand in headers, which a line end in the middle would split.
  if (!/^[\x21-\x7e]+$/.test(text)) {
    throw new SidecarError('SECRET_UNPRINTABLE', { field: awsFields.staticKeys, detail: `(${file})` });
  }
  return text;
}

/** Six hours is what it gives: https://docs.aws.amazon.com/eks/latest/userguide/pod-id-how-it-works.html */
const podIdentityMaxLifeMs = 6 * 3_600_000;
const maxPodIdentityBytes = 64 * 1024;

/**
 * In the clear, as the agent's address is link-local: what it sends does not leave the node (T-07). Any process of the
 * pod that can connect there gets the role by asking for a token with EKS's own audience, hence for captured agents only.
 */
async function podIdentity(storeName: string, places: AwsPlaces): Promise<Login> {
  const field = awsFields.podIdentity;
  if (places.level !== 'captured') throw new SidecarError('POD_IDENTITY_NEEDS_CAPTURE', { field });
  const token = await tokenOf(join(places.tokensDirectory, podIdentityTokenFile(storeName)));
  const { status, headers, body } = await callBounded({
    agent: new Agent({ keepAlive: false }),
    url: new URL(places.podIdentityEndpoint),
    method: 'GET',
    headers: { authorization: token },
    timeoutMs: places.timeoutMs,
    maxAnswerBytes: maxPodIdentityBytes,
    failures: {
      unreachable: { code: 'POD_IDENTITY_UNREACHABLE', field },
      untrusted: { code: 'POD_IDENTITY_UNREACHABLE', field },
      unreadable: { code: 'AWS_ANSWER_UNREADABLE', field },
    },
  });
  if (status === 429) throw new SidecarError('AWS_THROTTLED', { field });
  if (status >= 500) throw new SidecarError('AWS_UNAVAILABLE', { field, detail: `It answered ${status}.` });
  if (status !== 200)
    throw new SidecarError('POD_IDENTITY_REFUSED', { field, detail: `It answered ${status}.` });
  const login = readPodIdentity(body, Date.parse(headers.date ?? '') || Date.now());
  if (login === null) throw new SidecarError('AWS_ANSWER_UNREADABLE', { field });
  return login;
}

function readPodIdentity(body: string, theirTime: number): Login | null {
  try {
    const given = JSON.parse(body) as Readonly<Record<string, unknown>> | null;
    const { AccessKeyId: accessKeyId, SecretAccessKey: secretAccessKey, Token: sessionToken } = given ?? {};
    const lifeMs = Math.min(Date.parse(String(given?.['Expiration'])) - theirTime, podIdentityMaxLifeMs);
    if (
      typeof accessKeyId !== 'string' ||
      typeof secretAccessKey !== 'string' ||
      typeof sessionToken !== 'string' ||
      !(lifeMs > 0)
    ) {
      return null;
    }
    return { keys: { accessKeyId, secretAccessKey, sessionToken }, lifeMs };
  } catch {
    return null; // the parser's message quotes what it could not read
  }
}
