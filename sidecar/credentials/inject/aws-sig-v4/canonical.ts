// The canonical request of Signature Version 4, made from what goes onto the wire
// (AWS General Reference, "Create a signed AWS API request").

import { createHash } from 'node:crypto';

export interface Signable {
  readonly method: string;
  readonly host: string;
  /** As on the wire. */
  readonly path: string;
  readonly query: string | null;
  /** Name and value alternating, names in lower case; no host. */
  readonly headers: readonly string[];
  /** Names that are signed where they are there; host is always. */
  readonly signed: ReadonlySet<string>;
  /** Hex, or what stands for it. */
  readonly payloadHash: string;
  /** S3 encodes its keys once; everybody else encodes what is on the wire again. */
  readonly encodesPathOnce: boolean;
}

export interface CanonicalRequest {
  readonly text: string;
  /** Joined by semicolons. */
  readonly signedHeaders: string;
}

/**
 * What another hand on the way to the upstream, ours included, may add or change after this: signed, it would break
 * the signature. The SDKs leave out the same.
 */
const neverSigned = new Set([
  ...'authorization connection content-length transfer-encoding expect te trailer upgrade'.split(' '),
  ...'user-agent accept-encoding traceparent tracestate x-amzn-trace-id'.split(' '),
]);

/** Signed where they are there, whether or not the agent signed them: they say what the request does. */
const alwaysSigned = /^(?:x-amz-.*|content-type|content-md5)$/;

export function canonicalRequest(signable: Signable): CanonicalRequest {
  const { method, path, query, payloadHash } = signable;
  const headers = canonicalHeaders(signable);
  const signedHeaders = headers.map(([name]) => name).join(';');
  const text = [
    method,
    signable.encodesPathOnce ? encodeOnce(path, '/') : encodeAgain(path),
    canonicalQuery(query),
    ...headers.map(([name, value]) => `${name}:${value}`),
    '',
    signedHeaders,
    payloadHash,
  ].join('\n');
  return { text, signedHeaders };
}

function canonicalHeaders({ host, headers, signed }: Signable): readonly (readonly [string, string])[] {
  const values = new Map([['host', [host]]]);
  for (let at = 0; at < headers.length; at += 2) {
    const name = headers[at] ?? '';
    if (neverSigned.has(name) || !(signed.has(name) || alwaysSigned.test(name))) continue;
    const value = (headers[at + 1] ?? '').replaceAll(/[\t ]+/g, ' ').trim();
    values.set(name, [...(values.get(name) ?? []), value]);
  }
  return [...values].map(([name, all]) => [name, all.join(',')] as const).toSorted(byName);
}

/** Names and values, each as it stands in the canonical request, in the order of the query. */
export function queryPairs(query: string | null): readonly (readonly [name: string, value: string])[] {
  // An empty piece is no parameter to anybody.
  const pieces = (query ?? '').split('&').filter((piece) => piece !== '');
  return pieces.map((piece) => {
    const at = piece.indexOf('=');
    const end = at < 0 ? piece.length : at;
    return [encodeQuery(piece.slice(0, end)), encodeQuery(piece.slice(end + 1))] as const;
  });
}

function canonicalQuery(query: string | null): string {
  return [...queryPairs(query)]
    .toSorted((a, b) => byName(a, b) || compare(a[1], b[1]))
    .map(([name, value]) => `${name}=${value}`)
    .join('&');
}

/** A plus is a space there, as servlets, Go's net/url and curl read it. */
function encodeQuery(text: string): string {
  return encodeOnce(text.replaceAll('+', '%20'), '');
}

/** Each byte that the text means, escaped unless RFC 3986 calls it unreserved, or `kept` has it. */
function encodeOnce(text: string, kept: string): string {
  return text.replaceAll(/%([0-9A-Fa-f]{2})|[^A-Za-z0-9\-._~]/g, (found, hex?: string) => {
    const code = hex === undefined ? found.charCodeAt(0) : Number.parseInt(hex, 16);
    const character = String.fromCharCode(code);
    return kept.includes(character) || /[A-Za-z0-9\-._~]/.test(character) ? character : escape(code);
  });
}

function encodeAgain(path: string): string {
  return path.replaceAll(/[^A-Za-z0-9\-._~/]/g, (character) => escape(character.charCodeAt(0)));
}

function escape(code: number): string {
  return `%${code.toString(16).toUpperCase().padStart(2, '0')}`;
}

/** By code point, which for ASCII is by byte; a locale's order would be another. */
function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

function byName([a]: readonly [string, string], [b]: readonly [string, string]): number {
  return compare(a, b);
}

export function sha256(data: string | Buffer): string {
  return createHash('sha256').update(data).digest('hex');
}
