// Requests to an AWS endpoint through the sidecar, with the Authorization that an SDK makes of placeholder keys.

import { request as httpRequest } from 'node:http';
import { text } from 'node:stream/consumers';
import type { Material } from '../../sidecar/credentials/material.ts';
import { Secret } from '../../sidecar/credentials/secret.ts';
import type { AwsSigV4Inject } from '../../policy/ruleset-credential.ts';
import type { Problem } from '../../sidecar/proxy/respond.ts';
import type { Ruleset } from '../../policy/ruleset.ts';
import type { Fixture } from '../sidecar/proxy/fixture.ts';
import { openTunnel } from '../sidecar/proxy/raw-client.ts';
import type { AwsKeys } from './s3-signature.ts';

export const awsPlaceholder = 'outrider-placeholder.research.aws';

export const awsKeys: AwsKeys = {
  accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
};

export function awsMaterial({ accessKeyId, secretAccessKey, sessionToken }: AwsKeys): Material {
  return new Map([
    ['accessKeyId', new Secret(accessKeyId)],
    ['secretAccessKey', new Secret(secretAccessKey)],
    ...(sessionToken === undefined ? [] : [['sessionToken', new Secret(sessionToken)] as const]),
  ]);
}

/** Everything at the origin, with a credential that signs. */
export function awsRuleset(inject: Partial<AwsSigV4Inject> = {}): Partial<Ruleset> {
  return {
    guards: [],
    grants: [
      {
        policy: 'team',
        name: 'aws',
        action: 'Allow',
        destination: 'origin',
        opens: ['EncodedSlash', 'PathParameters'],
        credential: 'aws',
      },
    ],
    credentials: {
      aws: {
        source: { kind: 'file', path: 'aws' },
        allow: [{ destination: 'origin' }],
        inject: { kind: 'awsSigV4', service: 's3', regions: ['eu-central-1', 'us-east-1'], ...inject },
        refreshIntervalMs: 60_000,
      },
    },
  };
}

export interface Scope {
  readonly key?: string;
  readonly region?: string;
  readonly service?: string;
  readonly signed?: string;
}

/** Of yesterday and with a signature of zeros: nobody upstream could take it. */
export function agentAuthorization(scope: Scope = {}): string {
  const { key = awsPlaceholder, region = 'eu-central-1', service = 's3' } = scope;
  const { signed = 'host;x-amz-content-sha256;x-amz-date' } = scope;
  return `AWS4-HMAC-SHA256 Credential=${key}/20200101/${region}/${service}/aws4_request, SignedHeaders=${signed}, Signature=${'0'.repeat(64)}`;
}

export interface AgentRequest {
  readonly method?: string;
  readonly target?: string;
  /** Name and value alternating. */
  readonly headers?: readonly string[];
  readonly body?: string | Buffer;
}

export interface AgentAnswer {
  readonly status: number;
  readonly body: string;
  /** Of a refusal. */
  readonly problem: Problem | null;
}

export async function sendAws(
  fixture: Pick<Fixture, 'port' | 'caPem'>,
  host: string,
  { method = 'GET', target = '/', headers = [], body }: AgentRequest,
): Promise<AgentAnswer> {
  const tls = await openTunnel(fixture, Number(host.split(':')[1]));
  const framing = body === undefined ? [] : ['content-length', String(Buffer.byteLength(body))];
  try {
    return await new Promise((resolve, reject) => {
      const request = httpRequest({
        createConnection: () => tls,
        method,
        path: target,
        headers: ['host', host, ...headers, ...framing],
        signal: AbortSignal.timeout(10_000),
      });
      request.on('error', reject).on('response', (response) => {
        const status = response.statusCode ?? 0;
        const isProblem = response.headers['content-type'] === 'application/problem+json';
        const answer = text(response).then((answered) => ({
          status,
          body: answered,
          problem: isProblem ? (JSON.parse(answered) as Problem) : null,
        }));
        answer.then(resolve, reject);
      });
      request.end(body);
    });
  } finally {
    tls.destroy();
  }
}
