// DNS messages over TCP: two bytes of length, then the message (RFC 1035 section 4.2.2).

export interface MessageReader {
  /** @returns the messages that are whole now; null when one would be longer than is taken. */
  read(chunk: Buffer): Buffer[] | null;
}

export function createMessageReader(maxBytes: number): MessageReader {
  let rest = Buffer.alloc(0);
  return {
    read: (chunk) => {
      const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      const messages: Buffer[] = [];
      let offset = 0;
      while (bytes.length - offset >= 2) {
        const length = bytes.readUInt16BE(offset);
        if (length > maxBytes) return null;
        if (bytes.length - offset - 2 < length) break;
        messages.push(bytes.subarray(offset + 2, offset + 2 + length));
        offset += 2 + length;
      }
      // A copy, so that the rest does not hold the chunk that it came in.
      rest = Buffer.from(bytes.subarray(offset));
      return messages;
    },
  };
}

export function withLength(message: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length);
  return Buffer.concat([length, message]);
}
