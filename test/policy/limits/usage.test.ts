import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { createUsageReader } from '../../../policy/limits/usage.ts';

function read(
  contentType: string,
  text: string,
  cuts: readonly number[] = [],
  encoding?: string,
): number | null {
  const reader = createUsageReader(contentType, encoding);
  const bytes = Buffer.from(text);
  const ends = [...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].toSorted((a, b) => a - b);
  let start = 0;
  for (const end of ends) {
    reader.push(bytes.subarray(start, end));
    start = end;
  }
  return reader.end();
}

const json = 'application/json';
const events = 'text/event-stream; charset=utf-8';

const openAiStream = [
  'data: {"choices":[{"delta":{"content":"\\"usage\\" is a word, ä€"}}],"usage":null}',
  'data: {"choices":[],"usage":{"prompt_tokens":20,"completion_tokens":30,"total_tokens":50}}',
  'data: [DONE]',
  '',
].join('\n\n');
const anthropicStream = [
  'event: message_start\ndata: {"type":"message_start","message":{"usage":{"input_tokens":25,"cache_creation_input_tokens":5,"cache_read_input_tokens":100,"output_tokens":1}}}',
  'event: ping\ndata: {"type":"ping"}',
  'event: content_block_delta\ndata: {"type":"content_block_delta","delta":{"text":"{\\"usage\\":{\\"output_tokens\\":0}}"}}',
  'event: message_delta\ndata: {"type":"message_delta","delta":{},"usage":{"output_tokens":15}}',
  'event: message_stop\ndata: {"type":"message_stop"}',
  '',
].join('\r\n\r\n');
const responsesStream = [
  'event: response.created\ndata: {"type":"response.created","response":{"usage":null}}',
  'event: response.completed\ndata: {"type":"response.completed","response":{"usage":{"input_tokens":36,"input_tokens_details":{"cached_tokens":30},"output_tokens":87,"total_tokens":123}}}',
  '',
].join('\n\n');

describe('an answer whose usage is not certain: the reservation stays', () => {
  const answers: Readonly<Record<string, [contentType: string, text: string, encoding?: string]>> = {
    'another format': ['text/plain', '{"usage":{"total_tokens":5}}'],
    'no media type': ['', '{"usage":{"total_tokens":5}}'],
    'Amazon’s event stream': ['application/vnd.amazon.eventstream', '{"usage":{"total_tokens":5}}'],
    'a coded body': [json, '{"usage":{"total_tokens":5}}', 'gzip'],
    'half a body': [json, '{"usage":{"total_tokens":5}'],
    'no usage': [json, '{"choices":[]}'],
    'usage of null': [json, '{"usage":null}'],
    'a negative usage': [json, '{"usage":{"total_tokens":-5}}'],
    'a usage that is text': [json, '{"usage":{"total_tokens":"5"}}'],
    'usage inside the text of the answer': [json, '{"content":"{\\"usage\\":{\\"total_tokens\\":5}}"}'],
    'a stream that broke off after its first usage': [
      events,
      anthropicStream.split('event: message_stop')[0] ?? '',
    ],
    'a stream that broke off in the middle': [events, openAiStream.slice(0, openAiStream.length - 9)],
    'a stream without usage': [events, 'data: {"choices":[]}\n\ndata: [DONE]\n\n'],
    'a body of more than 1 MiB': [json, `{"x":"${'x'.repeat(1024 * 1024)}","usage":{"total_tokens":5}}`],
    'an event of more than 1 MiB': [
      events,
      `data: {"x":"${'x'.repeat(1024 * 1024)}","usage":{"total_tokens":5}}\n\ndata: [DONE]\n\n`,
    ],
  };
  for (const [what, [contentType, text, encoding]] of Object.entries(answers)) {
    it(what, () => assert.equal(read(contentType, text, [], encoding), null));
  }
});

const stated: Readonly<Record<string, [contentType: string, text: string, tokens: number]>> = {
  'an OpenAI chat completion': [
    'application/json; charset=utf-8',
    '{"usage":{"prompt_tokens":19,"completion_tokens":10,"total_tokens":29,"prompt_tokens_details":{"cached_tokens":10}}}',
    29,
  ],
  'an OpenAI response': [json, '{"usage":{"input_tokens":36,"output_tokens":87,"total_tokens":123}}', 123],
  'an Anthropic message, with what its cache took and gave': [
    json,
    '{"type":"message","usage":{"input_tokens":10,"cache_creation_input_tokens":20,"cache_read_input_tokens":30,"output_tokens":40}}',
    100,
  ],
  'an embedding': [json, '{"usage":{"prompt_tokens":8,"total_tokens":8}}', 8],
  'a total that is smaller than its parts': [
    json,
    '{"usage":{"prompt_tokens":8,"completion_tokens":8,"total_tokens":1}}',
    16,
  ],
  'JSON by another name': ['application/vnd.api+json', '{"usage":{"total_tokens":7}}', 7],
  'a stream of OpenAI’s chat completions': [events, openAiStream, 50],
  'a stream of Anthropic’s messages': [events, anthropicStream, 145],
  'a stream of OpenAI’s responses': [events, responsesStream, 123],
  'a stream whose usage grows with each event': [
    events,
    'data: {"usage":{"total_tokens":5}}\n\ndata: {"usage":{"total_tokens":9}}\n\ndata: [DONE]\n\n',
    9,
  ],
};

describe('the usage that is stated by', () => {
  for (const [what, [contentType, text, tokens]] of Object.entries(stated)) {
    it(what, () => assert.equal(read(contentType, text), tokens));
    it(`${what}, however it is cut into chunks`, () => {
      fc.assert(
        fc.property(fc.array(fc.nat(10_000), { maxLength: 30 }), (cuts) => {
          assert.equal(read(contentType, text, cuts), tokens);
        }),
        { numRuns: 500 },
      );
    });
  }
});

it('nothing that an answer can be makes the reader throw', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(json, events),
      fc.array(
        fc.oneof(
          fc.uint8Array(),
          fc.string().map((text) => new TextEncoder().encode(`data: ${text}\n\n`)),
        ),
      ),
      (contentType, chunks) => {
        const reader = createUsageReader(contentType);
        for (const chunk of chunks) reader.push(chunk);
        const tokens = reader.end();
        assert.ok(tokens === null || Number.isSafeInteger(tokens));
      },
    ),
    { numRuns: 2000 },
  );
});
