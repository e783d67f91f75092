import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { compileTokenEstimate, defaultOutputTokens } from '../../../policy/limits/tokens.ts';
import { createReading } from '../../../policy/reading.ts';
import type { CanonicalRequest } from '../../../policy/request.ts';

function request(body: string | null, headers = ['content-type', 'application/json']): CanonicalRequest {
  return {
    scheme: 'https',
    host: 'api.example.com',
    port: 443,
    method: 'POST',
    path: '/v1/messages',
    segments: ['v1', 'messages'],
    opens: [],
    query: null,
    headers,
    body: body === null ? { kind: 'none' } : { kind: 'read', bytes: Buffer.from(body), isWhole: true },
    placeholder: null,
  };
}

const estimate = compileTokenEstimate(10_000);

function estimateOf(body: string | null, headers?: string[]): number | string {
  const outcome = estimate(createReading(request(body, headers), null));
  return typeof outcome === 'number' ? outcome : (outcome.reason ?? 'a miss');
}

describe('a body whose tokens cannot be reserved', () => {
  const bodies: Readonly<Record<string, { body: string; headers?: string[]; reason: string }>> = {
    'no JSON': { body: 'hello', reason: 'body_unreadable' },
    'a list': { body: '[]', reason: 'body_unreadable' },
    'a cap twice (H-51)': { body: '{"max_tokens":1,"max_tokens":100000}', reason: 'body_unreadable' },
    'a cap that is text': { body: '{"max_tokens":"100000"}', reason: 'body_unreadable' },
    'a negative cap': { body: '{"max_tokens":-1}', reason: 'body_unreadable' },
    'half a cap': { body: '{"max_tokens":0.5}', reason: 'body_unreadable' },
    'a cap beyond 2^53': { body: '{"max_tokens":9007199254740993}', reason: 'body_unreadable' },
    'a cap of a billion answers': { body: '{"max_tokens":1000,"n":1000000000}', reason: 'body_unreadable' },
    'more answers than there are numbers': { body: '{"n":1e400}', reason: 'body_unreadable' },
    'JSON that is called text (H-50)': {
      body: '{"max_tokens":1}',
      headers: ['content-type', 'text/plain'],
      reason: 'body_unreadable',
    },
    'JSON in gzip (H-53)': {
      body: '{"max_tokens":1}',
      headers: ['content-type', 'application/json', 'content-encoding', 'gzip'],
      reason: 'body_unreadable',
    },
    'a longer body than is read': { body: `{"prompt":"${'x'.repeat(10_000)}"}`, reason: 'body_too_large' },
  };
  for (const [what, { body, headers, reason }] of Object.entries(bodies)) {
    it(`${what}: ${reason}`, () => assert.equal(estimateOf(body, headers), reason));
  }
});

describe('what is reserved', () => {
  const bodies: Readonly<Record<string, { body: string; output: number }>> = {
    'Anthropic’s messages': { body: '{"max_tokens":1024,"messages":[]}', output: 1024 },
    'OpenAI’s chat completions': { body: '{"max_completion_tokens":500,"messages":[]}', output: 500 },
    'OpenAI’s responses': { body: '{"max_output_tokens":700,"input":"hi"}', output: 700 },
    'several answers': { body: '{"max_tokens":100,"n":3}', output: 300 },
    'the legacy best_of': { body: '{"max_tokens":100,"n":2,"best_of":5}', output: 500 },
    'two caps: the larger': { body: '{"max_tokens":100,"max_completion_tokens":200}', output: 200 },
    'no cap: the default': { body: '{"messages":[]}', output: defaultOutputTokens },
    'a cap of null is none': { body: '{"max_tokens":null,"n":null}', output: defaultOutputTokens },
    'a cap inside something else is none': { body: '{"x":{"max_tokens":1}}', output: defaultOutputTokens },
  };
  for (const [what, { body, output }] of Object.entries(bodies)) {
    it(`${what}, and a token for each byte`, () => assert.equal(estimateOf(body), body.length + output));
  }

  it('bytes are counted, not characters', () => {
    assert.equal(estimateOf('{"max_tokens":0,"p":"ä€"}'), Buffer.byteLength('{"max_tokens":0,"p":"ä€"}'));
  });

  it('a request without a body takes none', () => assert.equal(estimateOf(null), 0));
});
