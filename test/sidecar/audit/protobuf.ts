// As much of protobuf's wire format as it takes to look into an export request, written from the specification
// (https://protobuf.dev/programming-guides/encoding/) so that no mistake of the encoder's is shared.

/** Values by field number, in their order. */
export type Message = ReadonlyMap<number, readonly (bigint | Buffer)[]>;

export function parseMessage(bytes: Buffer): Message {
  const fields = new Map<number, (bigint | Buffer)[]>();
  let position = 0;
  const varint = (): bigint => {
    for (let value = 0n, shift = 0n; ; shift += 7n) {
      const byte = bytes[position++];
      if (byte === undefined || shift > 63n) throw new Error('a varint does not end');
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  const take = (length: number): Buffer => {
    if (position + length > bytes.length) throw new Error('a field is longer than its message');
    position += length;
    return bytes.subarray(position - length, position);
  };
  while (position < bytes.length) {
    const tag = Number(varint());
    const wireType = tag & 7;
    const values = fields.get(tag >> 3) ?? [];
    fields.set(tag >> 3, values);
    if (wireType === 0) values.push(varint());
    else if (wireType === 1) values.push(take(8).readBigUInt64LE());
    else if (wireType === 2) values.push(take(Number(varint())));
    else throw new Error(`wire type ${wireType} is not expected`);
  }
  return fields;
}

export function messagesOf(message: Message, field: number): Message[] {
  return (message.get(field) ?? []).map((value) => parseMessage(value as Buffer));
}

export function bytesOf(message: Message, field: number): Buffer | undefined {
  return message.get(field)?.[0] as Buffer | undefined;
}

export function textOf(message: Message, field: number): string | undefined {
  return bytesOf(message, field)?.toString('utf8');
}

export function numberOf(message: Message, field: number): bigint | undefined {
  return message.get(field)?.[0] as bigint | undefined;
}
