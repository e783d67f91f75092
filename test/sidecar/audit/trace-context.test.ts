import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { randomHex } from '../../../sidecar/audit/identifiers.ts';
import { joinTrace, upstreamTraceparent } from '../../../sidecar/audit/trace-context.ts';

const traceId = '0af7651916cd43dd8448eb211c80319c';
const parentId = 'b7ad6b7169203331';

describe('a new trace is started for', () => {
  const cases: Record<string, string | undefined> = {
    'no traceparent': undefined,
    'an empty one': '',
    'version ff': `ff-${traceId}-${parentId}-01`,
    'a trace id of zeros': `00-${'0'.repeat(32)}-${parentId}-01`,
    'a parent id of zeros': `00-${traceId}-${'0'.repeat(16)}-01`,
    'upper-case digits': `00-${traceId.toUpperCase()}-${parentId}-01`,
    'a short trace id': `00-${traceId.slice(1)}-${parentId}-01`,
    'version 00 with more behind it': `00-${traceId}-${parentId}-01-extra`,
    'a later version that goes on without a hyphen': `01-${traceId}-${parentId}-01extra`,
    'two values in one header': `00-${traceId}-${parentId}-01, 00-${traceId}-${parentId}-01`,
    'a line end': `00-${traceId}-${parentId}-01\r\nx: y`,
  };
  for (const [what, header] of Object.entries(cases)) {
    test(what, () => {
      const trace = joinTrace(header, 'vendor=1');
      assert.match(trace.traceId, /^(?!0{32})[0-9a-f]{32}$/);
      assert.notEqual(trace.traceId, traceId);
      assert.deepEqual(
        { parent: trace.parentSpanId, state: trace.traceState, flags: trace.flags },
        { parent: null, state: null, flags: 1 },
      );
    });
  }
});

test("the agent's trace is joined, and the upstream is given our span", () => {
  const trace = joinTrace(`00-${traceId}-${parentId}-01`, 'vendor=1,other=2');
  assert.equal(trace.traceId, traceId);
  assert.equal(trace.parentSpanId, parentId);
  assert.equal(trace.traceState, 'vendor=1,other=2');
  assert.equal(upstreamTraceparent(trace), `00-${traceId}-${trace.upstreamSpanId}-01`);
  assert.equal(new Set([trace.spanId, trace.upstreamSpanId, parentId]).size, 3);
});

test('whether the upstream records stays as the agent said, and unknown flags are not sent on', () => {
  assert.equal(joinTrace(`00-${traceId}-${parentId}-00`, undefined).flags, 0);
  assert.match(upstreamTraceparent(joinTrace(`00-${traceId}-${parentId}-ff`, undefined)), /-03$/);
});

test('a later version is read as far as it is known', () => {
  assert.equal(joinTrace(`cc-${traceId}-${parentId}-01-what-the-future-holds`, undefined).traceId, traceId);
});

test('a tracestate that cannot be a header is dropped', () => {
  for (const state of ['', 'a=b\r\nx: y', 'a=é', 'x'.repeat(513)]) {
    assert.equal(joinTrace(`00-${traceId}-${parentId}-01`, state).traceState, null);
  }
});

test('identifiers do not repeat over many pools', () => {
  const drawn = Array.from({ length: 5000 }, () => randomHex(8));
  assert.equal(new Set(drawn).size, drawn.length);
  assert.ok(drawn.every((id) => /^[0-9a-f]{16}$/.test(id)));
});
