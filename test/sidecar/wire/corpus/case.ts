// Raw requests as data. What has no `reading` must be refused before anything is sent. In bytes, {to} is what comes before
// the path (nothing inside TLS, the scheme and authority in a whole URL), {host} the origin's host and port, {name} and
// {port} the two apart. Strings are Latin-1: one character, one byte.
//
// The permutations are those of: J. Kettle, "HTTP Desync Attacks" (2019), "Browser-Powered Desync Attacks" (2022) and
// "HTTP/1.1 Must Die" (2025) with PortSwigger's http-request-smuggler; defparam/smuggler; A. Klein, "HTTP Request Smuggling
// in 2020"; N. Davison, "TE.0" and hop-by-hop notes; narfindustries/http-garden; RFC 9112.

export interface WireCase {
  readonly bytes: string;
  /** What every origin must read; absent for a refusal. */
  readonly reading?: Expected;
  /** What becomes of a well-formed request behind it; `answered` by default where there is a reading. */
  readonly next?: 'answered' | 'unread' | 'swallowed';
  /** Read, and then refused by a rule, so that the connection goes on. */
  readonly isDenied?: boolean;
  /** The head is as it should be and the body is not: the request may be under way by then, but is never whole. */
  readonly isCut?: boolean;
  readonly only?: 'whole URL' | 'path';
  /** Not where the origin speaks plain HTTP: a credential is never put on that. */
  readonly needsTls?: boolean;
}

export interface Expected {
  readonly method?: string;
  /** Path and query; `/plain/x` by default. */
  readonly target?: string;
  /** In lower case, without Host, framing and our trace header. */
  readonly headers?: readonly (readonly [string, string])[];
  readonly body?: string;
}

export type Corpus = Readonly<Record<string, WireCase>>;

export const hello = 'hello';
export const helloChunked = '5\r\nhello\r\n0\r\n\r\n';

/** @param lines of the head, each without its end. */
export function post(lines: readonly string[], body = ''): string {
  return compose('POST {to}/plain/x HTTP/1.1', lines, body);
}

export function get(path: string, lines: readonly string[] = []): string {
  return compose(`GET {to}${path} HTTP/1.1`, lines);
}

export function compose(requestLine: string, lines: readonly string[], body = ''): string {
  return [requestLine, 'Host: {host}', ...lines, '', body].join('\r\n');
}

/** Keyed by what differs, with control and non-ASCII characters made visible. */
export function visible(text: string): string {
  return text.replace(
    // eslint-disable-next-line no-control-regex -- they are what is shown
    /[\u0000-\u001f\u007f-\u00ff]/g,
    (unit) => `\\x${unit.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
}

export function byteRange(from: number, to: number): string[] {
  return Array.from({ length: to - from + 1 }, (_, at) => String.fromCharCode(from + at));
}

/** All bytes that are neither printable ASCII nor a space. */
export const oddBytes: readonly string[] = [...byteRange(0x00, 0x1f), ...byteRange(0x7f, 0xff)];
