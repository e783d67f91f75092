// The one file that imports the AWS SDK, and only once a credential needs it. Everything that the SDK would otherwise
// look for (environment variables, ~/.aws, instance metadata) is given to it here, so that nothing of a pod decides
// whom it asks and as whom.

import type { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import type { Credentials, STSClient } from '@aws-sdk/client-sts';
import type { AwsSecretsManagerSource, AwsStore } from '../../../policy/ruleset-credential.ts';
import { SidecarError } from '../../errors.ts';
import {
  loginFailure,
  refusedAnswer,
  roleFailure,
  secretFailure,
  secretsField,
  stsField,
  type RefusedAnswer,
} from './answer.ts';
import { awsOrigin, checkedRegion } from './name.ts';
import { createAwsTransport, type AwsTransport } from './transport.ts';

/** In the clear: the SDK signs with them. */
export interface AwsKeys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

export interface Role {
  readonly arn: string;
  /** Of the resource that names it. */
  readonly field: string;
  /** What CloudTrail shows. */
  readonly sessionName: string;
}

/** As Secrets Manager stores it: one of the two. */
export interface SecretAnswer {
  readonly text?: string;
  readonly bytes?: Uint8Array;
}

/** Each throws a SidecarError and nothing else. */
export interface AwsClients {
  assumeRoleWithToken(role: Role, token: string): Promise<AwsKeys>;
  assumeRole(role: Role, keys: AwsKeys): Promise<AwsKeys>;
  readSecret(source: AwsSecretsManagerSource, keys: AwsKeys): Promise<SecretAnswer>;
  close(): void;
}

/**
 * What is asked for, and what every role gives: none has a maximum below an hour, and a chained one never more.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use.html#id_roles_use_view-role-max-session
 */
export const roleSessionSeconds = 3600;

/** One call and two more, for throttling and 5xx, with the SDK's backoff. */
const maxAttempts = 3;

export function createAwsClients(store: AwsStore, { timeoutMs }: { readonly timeoutMs: number }): AwsClients {
  const region = checkedRegion(store);
  const secrets = service(store.endpoint, secretsField(store));
  const sts = service(store.stsEndpoint, stsField(store));
  /** What was learnt of AWS's clock; each client keeps its own, and a client lives as long as its keys. */
  let clockOffsetMs = 0;

  function service(endpoint: string | undefined, field: string): Service {
    const transport = createAwsTransport(store, { timeoutMs, endpoint: field });
    return {
      transport,
      // FIPS chooses among the region's own endpoints; one that is written out is what it is.
      where:
        endpoint === undefined
          ? { useFipsEndpoint: store.fips === true }
          : { endpoint: awsOrigin(endpoint, field), useFipsEndpoint: false },
    };
  }

  function configuration({ transport, where }: Service, keys: AwsKeys | null) {
    return {
      region,
      ...where,
      ignoreConfiguredEndpointUrls: true,
      useDualstackEndpoint: false,
      // Without keys, for the one call that is not signed; the default would search environment, files and metadata.
      credentialDefaultProvider: () => () => Promise.reject(new SidecarError('SIDECAR_FAILED')),
      // A copy: the SDK writes into it.
      ...(keys === null ? {} : { credentials: { ...keys } }),
      requestHandler: handlerOf(transport),
      defaultsMode: 'standard' as const,
      retryMode: 'standard',
      maxAttempts,
      authSchemePreference: [],
      sigv4aSigningRegionSet: [region],
      disableClockSkewCorrection: false,
      systemClockOffset: clockOffsetMs,
      defaultUserAgentProvider: () => Promise.resolve([]),
      userAgentAppId: () => Promise.resolve(undefined),
      logger: silent,
      profile: 'none',
    };
  }

  /** Each call has a client of its own, so that none outlives its keys; a whole reading takes 2 ms of a core. */
  async function call<Result>(
    client: STSClient | SecretsManagerClient,
    ask: () => Promise<Result>,
    refusal: (answer: RefusedAnswer) => SidecarError,
  ): Promise<Result> {
    // It copies tracing variables of Lambda's environment into headers.
    client.middlewareStack.remove('recursionDetectionMiddleware');
    try {
      return await ask();
    } catch (error) {
      if (error instanceof SidecarError) {
        Reflect.deleteProperty(error, '$metadata'); // which the SDK adds to whatever passes it
        throw error;
      }
      throw refusal(refusedAnswer(error));
    } finally {
      clockOffsetMs = client.config.systemClockOffset;
    }
  }

  return {
    async assumeRoleWithToken(role, token) {
      const { AssumeRoleWithWebIdentityCommand, STSClient: Client } = await import('@aws-sdk/client-sts');
      const client = new Client(configuration(sts, null));
      const command = new AssumeRoleWithWebIdentityCommand({
        RoleArn: role.arn,
        RoleSessionName: role.sessionName,
        WebIdentityToken: token,
        DurationSeconds: roleSessionSeconds,
      });
      const { Credentials } = await call(
        client,
        () => client.send(command),
        (answer) => loginFailure(answer, role.field, store),
      );
      return keysOf(Credentials, stsField(store));
    },
    async assumeRole(role, keys) {
      const { AssumeRoleCommand, STSClient: Client } = await import('@aws-sdk/client-sts');
      const client = new Client(configuration(sts, keys));
      const command = new AssumeRoleCommand({
        RoleArn: role.arn,
        RoleSessionName: role.sessionName,
        DurationSeconds: roleSessionSeconds,
      });
      const { Credentials } = await call(
        client,
        () => client.send(command),
        (answer) => roleFailure(answer, role.field, store),
      );
      return keysOf(Credentials, stsField(store));
    },
    async readSecret(source, keys) {
      const { GetSecretValueCommand, SecretsManagerClient: Client } =
        await import('@aws-sdk/client-secrets-manager');
      const client = new Client(configuration(secrets, keys));
      const command = new GetSecretValueCommand({
        SecretId: source.secretId,
        ...(source.versionStage === undefined ? {} : { VersionStage: source.versionStage }),
        ...(source.versionId === undefined ? {} : { VersionId: source.versionId }),
      });
      const { SecretString, SecretBinary } = await call(
        client,
        () => client.send(command),
        (answer) => secretFailure(answer, source, store),
      );
      return answerOf(SecretString, SecretBinary, secretsField(store));
    },
    close() {
      for (const { transport } of [secrets, sts]) transport.destroy();
    },
  };
}

interface Service {
  readonly transport: AwsTransport;
  readonly where: { readonly endpoint?: string; readonly useFipsEndpoint: boolean };
}

/** Beside its own silent logger, the SDK writes some warnings to the console, where they would stand among decisions. */
const silent = { trace() {}, debug() {}, info() {}, warn() {}, error() {} };

function handlerOf(transport: AwsTransport) {
  return { ...transport, updateHttpClientConfig() {}, httpHandlerConfigs: () => ({}) };
}

// The SDK declares types that it does not check, so that what arrives may be anything.

function answerOf(text: unknown, bytes: unknown, field: string): SecretAnswer {
  if (text === undefined && bytes === undefined) return {};
  if (typeof text === 'string') return { text };
  if (bytes instanceof Uint8Array) return { bytes };
  throw new SidecarError('AWS_ANSWER_UNREADABLE', { field });
}

function keysOf(given: Credentials | undefined, field: string): AwsKeys {
  const {
    AccessKeyId: accessKeyId,
    SecretAccessKey: secretAccessKey,
    SessionToken: sessionToken,
  } = given ?? {};
  if (!isText(accessKeyId) || !isText(secretAccessKey) || !isText(sessionToken)) {
    throw new SidecarError('AWS_ANSWER_UNREADABLE', { field });
  }
  return { accessKeyId, secretAccessKey, sessionToken };
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}
