// Domain names on the wire (RFC 1035 sections 3.1 and 4.1.4). As text a name has no trailing dot, the root is empty, and
// what is no plain character of a label stands as `\DDD` (section 5.1), so that no two names have one text.

export const maxNameBytes = 255;
export const maxLabelBytes = 63;
/** A name has no more labels than this, and a pointer that leads to no label is of no use. */
const maxPointers = 127;
/** Where a message's first name begins; a pointer into the header is none. */
const headerBytes = 12;
const maxPointerTarget = 0x3fff;

export interface NameRead {
  readonly name: string;
  /** Offset of what follows. */
  readonly end: number;
}

/**
 * Each pointer must lead to before the labels that it ends, so that reading ends, whatever was written.
 * @throws {Error} that says what is wrong.
 */
export function parseName(message: Buffer, start: number): NameRead {
  let name = '';
  let length = 1;
  let position = start;
  let segment = start;
  let end = -1;
  let pointers = 0;
  for (;;) {
    const octet = message[position];
    if (octet === undefined) throw new Error('a name goes beyond the message');
    if (octet === 0) return { name, end: end === -1 ? position + 1 : end };
    if (octet >= 0xc0) {
      const low = message[position + 1];
      if (low === undefined) throw new Error('a name goes beyond the message');
      if (end === -1) end = position + 2;
      position = ((octet & 0x3f) << 8) | low;
      if (position >= segment || position < headerBytes) {
        throw new Error('a compression pointer does not lead back');
      }
      if (++pointers > maxPointers) throw new Error('a name has too many compression pointers');
      segment = position;
      continue;
    }
    if (octet > maxLabelBytes) throw new Error('a label has a type that is not in use');
    const next = position + 1 + octet;
    length += 1 + octet;
    if (length > maxNameBytes) throw new Error('a name is longer than 255 bytes');
    if (next > message.length) throw new Error('a name goes beyond the message');
    name += (name === '' ? '' : '.') + labelText(message.toString('latin1', position + 1, next));
    position = next;
  }
}

const unusual = /[^!-~]|[.\\]/g;

function labelText(label: string): string {
  return label.replace(unusual, (char) => `\\${String(char.charCodeAt(0)).padStart(3, '0')}`);
}

/** Writes names one after the other, each as a pointer to what is there of it already. */
export interface NameWriter {
  /** @returns the offset after it. */
  write(into: Buffer, offset: number, name: string): number;
}

export function createNameWriter(): NameWriter {
  const offsets = new Map<string, number>();
  return {
    write: (into, start, name) => {
      let offset = start;
      let rest = name;
      while (rest !== '') {
        const known = offsets.get(rest);
        if (known !== undefined) return into.writeUInt16BE(0xc000 | known, offset);
        if (offset <= maxPointerTarget) offsets.set(rest, offset);
        const dot = rest.indexOf('.');
        const label = labelBytes(dot === -1 ? rest : rest.slice(0, dot));
        offset = into.writeUInt8(label.length, offset);
        offset += into.write(label, offset, 'latin1');
        rest = dot === -1 ? '' : rest.slice(dot + 1);
      }
      return into.writeUInt8(0, offset);
    },
  };
}

function labelBytes(text: string): string {
  if (!text.includes('\\')) return text;
  return text.replace(/\\(\d{3})/g, (_, code: string) => String.fromCharCode(Number(code)));
}

/** At least what the name takes, of which a written one has two bytes more than its text. */
export function nameBytes(name: string): number {
  return name.length + 2;
}

/** Whether DNS takes them for one name: letters of ASCII alone have no case (RFC 4343). */
export function isSameName(a: string, b: string): boolean {
  return a.length === b.length && (a === b || a.toLowerCase() === b.toLowerCase());
}
