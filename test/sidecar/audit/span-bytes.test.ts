import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createExportRequests } from '../../../sidecar/audit/export-request.ts';
import { writeExchangeSpans } from '../../../sidecar/audit/exchange-spans.ts';
import { createSpanBytes, key, maxTextLength, type SpanHead } from '../../../sidecar/audit/span-bytes.ts';
import { exchange } from './exchanges.ts';
import { parseSpans } from './otlp-collector.ts';

const request = createExportRequests({ 'service.name': 'x' });
const hex = (bytes: number): fc.Arbitrary<string> =>
  fc.uint8Array({ minLength: bytes, maxLength: bytes }).map((drawn) => Buffer.from(drawn).toString('hex'));
const ascii = (maxLength: number): fc.Arbitrary<string> =>
  fc.string({
    maxLength,
    unit: fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code)),
  });
const moment = fc.double({ min: 0, max: 4_102_444_800_000, noNaN: true });

const head: fc.Arbitrary<SpanHead> = fc.record({
  traceId: hex(16),
  spanId: hex(8),
  parentSpanId: fc.option(hex(8)),
  traceState: fc.option(ascii(512)),
  name: ascii(40),
  kind: fc.constantFrom(1, 2, 3),
  startedAtMs: moment,
  endedAtMs: moment,
  failed: fc.boolean(),
});
const attribute = fc.tuple(
  fc.string({ minLength: 1, maxLength: 60, unit: fc.constantFrom('a', 'b', 'c', 'z', '.') }),
  fc.oneof(ascii(maxTextLength), fc.nat(Number.MAX_SAFE_INTEGER)),
);

/** What a fractional millisecond is in nanoseconds, by arithmetic that cannot round. */
function nanoseconds(ms: number): bigint {
  return BigInt(Math.floor(ms)) * 1_000_000n + BigInt(Math.round((ms - Math.floor(ms)) * 1_000_000));
}

test('what is written is what any protobuf parser reads', () => {
  const bytes = createSpanBytes(1 << 20);
  const spans = fc.array(
    fc.tuple(head, fc.uniqueArray(attribute, { maxLength: 8, selector: ([name]) => name })),
    {
      maxLength: 6,
    },
  );
  fc.assert(
    fc.property(spans, (written) => {
      for (const [facts, attributes] of written) {
        bytes.begin(facts);
        for (const [name, value] of attributes) {
          if (typeof value === 'string') bytes.text(key(name), value);
          else bytes.whole(key(name), value);
        }
        bytes.end();
      }
      const read = parseSpans(request(bytes.take()));
      assert.deepEqual(
        read,
        written.map(([facts, attributes]) => ({
          traceId: facts.traceId,
          spanId: facts.spanId,
          parentSpanId: facts.parentSpanId ?? undefined,
          traceState: facts.traceState ?? undefined,
          name: facts.name,
          kind: facts.kind,
          startTimeUnixNano: nanoseconds(facts.startedAtMs),
          endTimeUnixNano: nanoseconds(facts.endedAtMs),
          statusCode: facts.failed ? 2 : 0,
          attributes: Object.fromEntries(attributes),
          resource: { 'service.name': 'x' },
        })),
      );
    }),
  );
});

test('a text beyond the limit is cut, and one beyond ASCII loses its letters, not its shape', () => {
  const bytes = createSpanBytes(1 << 20);
  const drawn = fc.sample(head, 1)[0] ?? assert.fail();
  bytes.begin(drawn);
  bytes.text(key('long'), 'x'.repeat(5000));
  bytes.text(key('foreign'), 'né\u{1f600}');
  bytes.text(key('absent'), null);
  bytes.whole(key('absent'), undefined);
  bytes.end();
  const [span] = parseSpans(request(bytes.take()));
  assert.deepEqual(span?.attributes, { long: 'x'.repeat(maxTextLength), foreign: 'n???' });
});

test('the largest exchange fits into the room that is kept for one', () => {
  const long = `/${'x'.repeat(8191)}`;
  const { request: canonical } = exchange();
  const largest = exchange({
    request: canonical && { ...canonical, path: long, method: long, host: long },
    id: long,
    errorCode: long,
    revision: long,
    trace: { ...exchange().trace, traceState: 'x'.repeat(512) },
    phases: Array.from({ length: 4 }, () => exchange().phases[2] ?? assert.fail()),
  });
  const bytes = createSpanBytes(256 * 1024);
  while (bytes.hasRoom()) writeExchangeSpans(bytes, largest);
  assert.ok(bytes.length < 256 * 1024);
  assert.ok(parseSpans(request(bytes.take())).every(({ name }) => name === 'HTTP'));
});
