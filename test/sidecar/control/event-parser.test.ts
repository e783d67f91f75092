import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { createEventParser, type StreamEvent } from '../../../sidecar/control/event-parser.ts';

function parseAll(chunks: readonly (string | Buffer)[], maxEventBytes?: number): StreamEvent[] {
  const parse = createEventParser(maxEventBytes);
  return chunks.flatMap((chunk) => parse(Buffer.from(chunk as string)));
}

describe('refused', () => {
  test('bytes that are not UTF-8', () => {
    assert.throws(() => parseAll([Buffer.from([0x64, 0xff, 0xfe])]), { code: 'STREAM_MALFORMED' });
  });

  test('an event beyond the limit, whether or not it ends', () => {
    assert.throws(() => parseAll([`data: ${'x'.repeat(100)}`], 64), { code: 'STREAM_MALFORMED' });
    assert.throws(
      () =>
        parseAll(
          Array.from({ length: 20 }, () => 'data: xx\n'),
          64,
        ),
      { code: 'STREAM_MALFORMED' },
    );
  });

  test('comments without end, too', () => {
    assert.throws(
      () =>
        parseAll(
          Array.from({ length: 20 }, () => ': keep\n'),
          64,
        ),
      { code: 'STREAM_MALFORMED' },
    );
  });
});

const cases: Record<string, [text: string, events: StreamEvent[]]> = {
  'an event': ['event: heartbeat\ndata: {}\n\n', [{ name: 'heartbeat', data: '{}' }]],
  'line ends of CR LF': ['event: a\r\ndata: 1\r\n\r\n', [{ name: 'a', data: '1' }]],
  'several lines of data': ['data: 1\ndata: 2\n\n', [{ name: 'message', data: '1\n2' }]],
  'no space behind the colon': ['event:a\ndata:1\n\n', [{ name: 'a', data: '1' }]],
  'a second space, which is data': ['data:  1\n\n', [{ name: 'message', data: ' 1' }]],
  'a comment, an id and a retry': [': x\nid: 1\nretry: 2\ndata: 1\n\n', [{ name: 'message', data: '1' }]],
  'a name without data, which is no event': ['event: a\n\ndata: 1\n\n', [{ name: 'message', data: '1' }]],
  'an event that is cut off': ['data: 1\n', []],
  'a field without a colon': ['data\n\n', [{ name: 'message', data: '' }]],
};
for (const [what, [text, events]] of Object.entries(cases)) {
  test(`${what} is read as the specification says`, () => assert.deepEqual(parseAll([text]), events));
}

test('where chunks are cut makes no difference', () => {
  const text = 'event: ruleset\ndata: {"a":"ä😀"}\n\n: x\nevent: heartbeat\r\ndata: {}\r\n\r\n';
  const bytes = Buffer.from(text);
  const whole = parseAll([text]);
  assert.equal(whole.length, 2);
  fc.assert(
    fc.property(fc.array(fc.nat(bytes.length), { maxLength: 12 }), (cuts) => {
      const ends = [...cuts.toSorted((a, b) => a - b), bytes.length];
      const chunks = ends.map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end));
      assert.deepEqual(parseAll(chunks), whole);
    }),
  );
});
