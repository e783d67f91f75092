// A payload in chunks that the agent signed with its placeholder key, signed again one by one, each on top of the one
// before it. The framing is kept to the byte, so that as many leave as come. Read strictly: what is not exactly
//
//   (SIZE;chunk-signature=HEX64 CRLF data CRLF)* 0;chunk-signature=HEX64 CRLF (CRLF | trailers)
//   trailers = (name:value CRLF)+ x-amz-trailer-signature:HEX64 CRLF CRLF
//
// ends the request before its last byte (Amazon S3 API Reference, "Transferring Payload in Multiple Chunks" and
// "Including Trailing Headers").

import { Transform } from 'node:stream';
import { BodyRefusal } from './body-refusal.ts';
import { sha256 } from './canonical.ts';
import type { Signer } from './signer.ts';

export interface ChunkOptions {
  readonly signer: Pick<Signer, 'chunk' | 'trailer'>;
  /** The signature of the head. */
  readonly seed: string;
  readonly decodedLength: number;
  /** Names in lower case that were announced; null: no trailer. */
  readonly trailers: readonly string[] | null;
}

/** A signature stands before its data, so a chunk is held whole. Twice the largest of an SDK: Java's have 128 KiB. */
export const maxChunkBytes = 256 * 1024;
/** The longest line is a trailer: the base64 of a SHA-512 takes 88 characters. */
const maxLineBytes = 512;

const chunkLine = /^(0|[1-9a-fA-F][0-9a-fA-F]{0,7});chunk-signature=[0-9a-fA-F]{64}$/;
const signatureLine = /^x-amz-trailer-signature:[0-9a-fA-F]{64}$/;
const trailerLine = /^([a-z0-9-]+):([!-~]+)$/i;
const crlf = Buffer.from('\r\n');

type State =
  | { readonly at: 'line'; readonly read: (line: string) => State }
  | { readonly at: 'data'; readonly size: string; readonly held: Buffer; length: number }
  | { readonly at: 'end' };

export function createChunkSigner(options: ChunkOptions): Transform {
  const { signer, decodedLength, trailers } = options;
  let previous = options.seed;
  let decoded = 0;
  let line = '';
  let state: State = { at: 'line', read: readChunkLine };
  /** From the last chunk on, which nothing may follow: sent when all of it has been read. */
  let tail = '';
  const canonicalTrailers: string[] = [];
  const missing = new Set(trailers);

  function readChunkLine(text: string): State {
    const size = chunkLine.exec(text)?.[1];
    if (size === undefined) throw new BodyRefusal('A chunk of the payload does not begin as S3 has it.');
    const bytes = Number.parseInt(size, 16);
    if (bytes > maxChunkBytes) throw new BodyRefusal(`A chunk is longer than ${maxChunkBytes} bytes.`);
    decoded += bytes;
    if (decoded > decodedLength) throw new BodyRefusal(wrongLength);
    if (bytes > 0) return { at: 'data', size, held: Buffer.allocUnsafe(bytes + crlf.length), length: 0 };
    if (decoded < decodedLength) throw new BodyRefusal(wrongLength);
    tail += chunkHead(size, sha256(''));
    return { at: 'line', read: trailers === null ? readBlankLine : readTrailer };
  }

  function readTrailer(text: string): State {
    if (missing.size === 0) return readTrailerSignature(text);
    const [, name = '', value = ''] = trailerLine.exec(text) ?? [];
    // Each that was announced, once, and no other.
    if (!missing.delete(name.toLowerCase())) {
      throw new BodyRefusal('The trailer of the payload is not what x-amz-trailer announces.');
    }
    canonicalTrailers.push(`${name.toLowerCase()}:${value}\n`);
    tail += `${text}\r\n`;
    return { at: 'line', read: readTrailer };
  }

  function readTrailerSignature(text: string): State {
    if (!signatureLine.test(text)) throw new BodyRefusal('The trailer of the payload is not signed.');
    previous = signer.trailer(previous, sha256(canonicalTrailers.toSorted().join('')));
    tail += `x-amz-trailer-signature:${previous}\r\n`;
    return { at: 'line', read: readBlankLine };
  }

  function readBlankLine(text: string): State {
    if (text !== '') throw new BodyRefusal('The payload does not end where its last chunk says.');
    tail += '\r\n';
    return { at: 'end' };
  }

  function chunkHead(size: string, dataHash: string): string {
    previous = signer.chunk(previous, dataHash);
    return `${size};chunk-signature=${previous}\r\n`;
  }

  /** @returns how many bytes it took. */
  function takeLine(read: (line: string) => State, bytes: Buffer): number {
    const end = bytes.indexOf(0x0a);
    const taken = end < 0 ? bytes.length : end + 1;
    if (line.length + taken > maxLineBytes) throw new BodyRefusal('A line of the framing is too long.');
    line += bytes.toString('latin1', 0, taken);
    if (end < 0) return taken;
    if (!line.endsWith('\r\n')) throw new BodyRefusal('A line of the framing does not end in CRLF.');
    const text = line.slice(0, -2);
    line = '';
    state = read(text);
    return taken;
  }

  function takeData(chunk: State & { at: 'data' }, bytes: Buffer, push: (out: Buffer) => void): number {
    const taken = bytes.copy(chunk.held, chunk.length);
    chunk.length += taken;
    if (chunk.length < chunk.held.length) return taken;
    const data = chunk.held.subarray(0, -crlf.length);
    if (!chunk.held.subarray(-crlf.length).equals(crlf)) {
      throw new BodyRefusal('A chunk of the payload is longer than it says.');
    }
    push(Buffer.from(chunkHead(chunk.size, sha256(data)), 'latin1'));
    push(chunk.held);
    state = { at: 'line', read: readChunkLine };
    return taken;
  }

  function take(bytes: Buffer, push: (out: Buffer) => void): void {
    let rest = bytes;
    while (rest.length > 0) {
      if (state.at === 'end') throw new BodyRefusal('The payload goes on after its last chunk.');
      const taken = state.at === 'line' ? takeLine(state.read, rest) : takeData(state, rest, push);
      rest = rest.subarray(taken);
    }
  }

  return new Transform({
    transform(bytes: Buffer, _encoding, done) {
      try {
        take(bytes, (out) => this.push(out));
        done();
      } catch (error) {
        done(error as Error);
      }
    },
    flush: (done) => {
      if (state.at === 'end') done(null, Buffer.from(tail, 'latin1'));
      else done(new BodyRefusal('The payload ends before its last chunk.'));
    },
  });
}

const wrongLength =
  'The chunks of the payload are not as long together as x-amz-decoded-content-length says.';
