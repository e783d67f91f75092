// An agent, the sidecar with a credential that signs, and an AWS endpoint that recomputes each signature with aws4 and
// the chunks' by itself.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { inspect } from 'node:util';
import type { AwsSigV4Inject } from '../../policy/ruleset-credential.ts';
import { startFixture, type Fixture } from '../sidecar/proxy/fixture.ts';
import { createTestCa, originName } from '../sidecar/proxy/origin.ts';
import {
  agentAuthorization,
  awsKeys,
  awsMaterial,
  awsRuleset,
  sendAws,
  type AgentAnswer,
  type AgentRequest,
  type Scope,
} from './s3-agent.ts';
import { startAwsServer, type AwsReceived, type AwsServer } from './s3.ts';

export interface AwsScene {
  readonly aws: AwsServer;
  readonly fixture: Fixture;
  /** What the credential says, and so what the endpoint takes. */
  use(inject?: Partial<AwsSigV4Inject>, keys?: typeof awsKeys): void;
  send(request: AgentRequest): Promise<AgentAnswer>;
  /** Sent, verified upstream, and as it stood there. */
  arrive(request: AgentRequest): Promise<AwsReceived>;
  isRefused(request: AgentRequest, code: string, message: RegExp): Promise<void>;
  close(): Promise<void>;
}

export async function startAwsScene(): Promise<AwsScene> {
  const ca = await createTestCa();
  const { authority } = ca;
  const aws = await startAwsServer({ authority, name: originName, keys: awsKeys, service: 's3' });
  const fixture = await startFixture({ ca, origin: aws, ruleset: awsRuleset() });
  const send = (request: AgentRequest): Promise<AgentAnswer> =>
    sendAws(fixture, `${originName}:${aws.port}`, request);

  return {
    aws,
    fixture,
    send,
    use: (inject = {}, keys = awsKeys) => {
      aws.received.length = 0;
      aws.expect(keys, inject.service ?? 's3');
      fixture.swap(awsRuleset(inject));
      fixture.setSecret(awsMaterial(keys));
    },
    arrive: async (request) => {
      const answer = await send(request);
      const [received] = aws.received;
      assert.ok(received !== undefined, `nothing arrived: ${answer.body}`);
      assert.equal(received.fault, null);
      assert.ok(
        !inspect(received.rawHeaders).includes('outrider-placeholder'),
        'a placeholder went upstream',
      );
      return received;
    },
    isRefused: async (request, code, message) => {
      const { problem } = await send(request);
      assert.equal(problem?.code, code);
      assert.match(problem.message, message);
      assert.deepEqual(aws.received, []);
    },
    close: async () => {
      await fixture.close();
      await aws.close();
      ca.close();
    },
  };
}

export const signedAs = (scope: Scope = {}): string[] => ['authorization', agentAuthorization(scope)];
export const sha256 = (data: string): string => createHash('sha256').update(data).digest('hex');
export const stated = (value: string): string[] => ['x-amz-content-sha256', value];
