// The canonical model of one request: what policy reads, and what is sent. Built by `canonical.ts` alone.

export interface CanonicalRequest {
  readonly scheme: 'https' | 'http';
  /** Lower-case A-labels or an IP literal (IPv6 without brackets), without a trailing dot. */
  readonly host: string;
  readonly port: number;
  /** As sent: methods are case-sensitive (RFC 9110 section 9.1). */
  readonly method: string;
  /** The path as it goes onto the wire, always starting with `/`. */
  readonly path: string;
  /** The path's segments, percent-decoded once; `/` is `['']`, `/a/` is `['a', '']`. */
  readonly segments: readonly string[];
  /** What follows the first `?`, as it goes onto the wire; null when there is no `?`. */
  readonly query: string | null;
  /** The credential whose placeholder the agent put into the Authorization header, as namespace.name. */
  readonly placeholder: string | null;
}
