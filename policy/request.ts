// The canonical model of one request: what policy reads, and what is sent. Built by `canonical.ts` alone.

/** What some servers read differently, and what is therefore refused unless a rule opens it. */
export type Opening = 'EncodedSlash' | 'PathParameters';

export interface CanonicalRequest {
  /** `tcp`: a connection to an AgentDestination that is not read; then method, path and headers are empty. */
  readonly scheme: 'https' | 'http' | 'tcp';
  /** Lower-case A-labels or an IP literal (IPv6 without brackets), without a trailing dot. */
  readonly host: string;
  readonly port: number;
  /** As sent: methods are case-sensitive (RFC 9110 section 9.1). */
  readonly method: string;
  /** The path as it goes onto the wire, always starting with `/`. */
  readonly path: string;
  /** The path's segments, percent-decoded once; `/` is `['']`, `/a/` is `['a', '']`. */
  readonly segments: readonly string[];
  /** What in the path needs a rule that opens it; empty for nearly every request. */
  readonly opens: readonly Opening[];
  /** What follows the first `?`, as it goes onto the wire; null when there is no `?`. */
  readonly query: string | null;
  /** Name and value alternating, names in lower case, in the agent's order: all that is forwarded, and no more. */
  readonly headers: readonly string[];
  readonly body: RequestBody;
  /** The credential whose placeholder the agent put into the Authorization header, as namespace.name. */
  readonly placeholder: string | null;
}

export type RequestBody =
  | { readonly kind: 'none' }
  /** There is one, and nobody has needed it yet. */
  | { readonly kind: 'unread' }
  /** `isWhole` is false when there is more of it than was read. Bytes as sent, in their Content-Encoding. */
  | { readonly kind: 'read'; readonly bytes: Uint8Array; readonly isWhole: boolean };

export const noBody: RequestBody = { kind: 'none' };
