// Spans as bytes: OTLP's protobuf, written straight into one buffer as an exchange ends
// (https://github.com/open-telemetry/opentelemetry-proto, trace/v1/trace.proto). docs/decisions/0004-spans.md
// says why not the SDK: its objects live until they are exported, and the garbage collector pays for each.

/** A string of the wire format that is written often: an attribute's key with its tag and length. */
export type Key = Uint8Array;

export interface SpanHead {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string | null;
  readonly traceState: string | null;
  readonly name: string;
  /** 1 internal, 2 server, 3 client. */
  readonly kind: 1 | 2 | 3;
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  readonly failed: boolean;
}

export interface SpanBytes {
  /** Begins a span; attributes follow, then `end`. */
  begin(head: SpanHead): void;
  text(key: Key, value: string | null | undefined): void;
  whole(key: Key, value: number | null | undefined): void;
  end(): void;
  /** Whether another exchange fits. */
  hasRoom(): boolean;
  /** What was written, as `spans` of a ScopeSpans; a view that the next span overwrites. */
  take(): Buffer;
  readonly length: number;
}

/** A span's texts are cut to this, so that its length always fits the two bytes that are kept for it. */
export const maxTextLength = 1024;
/** Four spans of at most eight long texts each. */
const maxExchangeBytes = 40 * 1024;

const tag = {
  traceId: 0x0a,
  spanId: 0x12,
  traceState: 0x1a,
  parentSpanId: 0x22,
  name: 0x2a,
  kind: 0x30,
} as const;
const tagStart = 0x39;
const tagEnd = 0x41;
const tagAttribute = 0x4a;
const tagStatus = 0x7a;
const tagValue = 0x12;

export function key(name: string): Key {
  return Uint8Array.from([0x0a, name.length, ...Buffer.from(name, 'ascii')]);
}

export function createSpanBytes(capacity: number): SpanBytes {
  const bytes = Buffer.allocUnsafeSlow(capacity);
  let position = 0;
  let spanStart = 0;

  function varint(value: number): void {
    let rest = value;
    while (rest > 0x7f) {
      bytes[position++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    bytes[position++] = rest;
  }

  /** All that comes here is ASCII: canonical requests, names of Kubernetes. One byte each, whatever comes. */
  function ascii(value: string, length: number): void {
    for (let index = 0; index < length; index += 1) {
      const code = value.charCodeAt(index);
      bytes[position++] = code < 0x80 ? code : 0x3f;
    }
  }

  function string(field: number, value: string): void {
    const length = Math.min(value.length, maxTextLength);
    bytes[position++] = field;
    varint(length);
    ascii(value, length);
  }

  function id(field: number, hex: string): void {
    bytes[position++] = field;
    bytes[position++] = hex.length / 2;
    for (let index = 0; index < hex.length; index += 2) {
      bytes[position++] = (digit(hex.charCodeAt(index)) << 4) | digit(hex.charCodeAt(index + 1));
    }
  }

  /** Nanoseconds as fixed64; they pass 2^53, so in two halves: ms = a·2^20 + b, and 10^6 ms never passes 2^41. */
  function time(field: number, ms: number): void {
    const milliseconds = Math.floor(ms);
    const upper = Math.floor(milliseconds / 0x100000) * 1_000_000;
    const lower = (milliseconds % 0x100000) * 1_000_000 + Math.round((ms - milliseconds) * 1_000_000);
    const sum = (upper % 0x1000) * 0x100000 + lower;
    bytes[position++] = field;
    position = bytes.writeUInt32LE(sum % 0x100000000, position);
    position = bytes.writeUInt32LE(Math.floor(upper / 0x1000) + Math.floor(sum / 0x100000000), position);
  }

  function attribute(name: Key, valueLength: number): void {
    bytes[position++] = tagAttribute;
    varint(name.length + 1 + varintLength(valueLength) + valueLength);
    for (let index = 0; index < name.length; index += 1) bytes[position++] = name[index] ?? 0;
    bytes[position++] = tagValue;
    varint(valueLength);
  }

  return {
    begin(head) {
      bytes[position++] = 0x12;
      position += 2; // its length, once it is known
      spanStart = position;
      id(tag.traceId, head.traceId);
      id(tag.spanId, head.spanId);
      if (head.traceState !== null) string(tag.traceState, head.traceState);
      if (head.parentSpanId !== null) id(tag.parentSpanId, head.parentSpanId);
      string(tag.name, head.name);
      bytes[position++] = tag.kind;
      bytes[position++] = head.kind;
      time(tagStart, head.startedAtMs);
      time(tagEnd, head.endedAtMs);
      if (head.failed) {
        bytes[position++] = tagStatus;
        bytes[position++] = 2;
        bytes[position++] = 0x18;
        bytes[position++] = 2;
      }
    },
    text(name, value) {
      if (value === null || value === undefined) return;
      const length = Math.min(value.length, maxTextLength);
      attribute(name, 1 + varintLength(length) + length);
      string(0x0a, value);
    },
    whole(name, value) {
      if (value === null || value === undefined) return;
      attribute(name, 1 + varintLength(value));
      bytes[position++] = 0x18;
      varint(value);
    },
    end() {
      // Always two bytes: parsers take a length that could be shorter, and nothing has to be moved.
      const length = position - spanStart;
      bytes[spanStart - 2] = (length & 0x7f) | 0x80;
      bytes[spanStart - 1] = length >> 7;
    },
    hasRoom: () => position + maxExchangeBytes <= capacity,
    take() {
      const taken = bytes.subarray(0, position);
      position = 0;
      return taken;
    },
    get length() {
      return position;
    },
  };
}

function varintLength(value: number): number {
  let length = 1;
  for (let rest = value; rest > 0x7f; rest = Math.floor(rest / 0x80)) length += 1;
  return length;
}

function digit(code: number): number {
  return code < 0x3a ? code - 0x30 : code - 0x57;
}
