// One reading of names and request targets, used for requests and for policy patterns alike. What could be
// read in two ways is refused, never repaired: an origin might repair it differently.

import { isIPv4, isIPv6 } from 'node:net';
import { refuse, type Refusal } from './refusal.ts';
import type { Opening } from './request.ts';

export interface Authority {
  /** Lower case, no trailing dot; IPv6 literals without brackets and compressed. */
  readonly host: string;
  readonly port: number;
}

export interface RequestTarget {
  readonly path: string;
  readonly segments: readonly string[];
  /** What only a rule that opens it lets pass. */
  readonly opens: readonly Opening[];
  readonly query: string | null;
}

/** RFC 1035 section 2.3.4: what DNS can carry at most. */
const maxHostLength = 253;
/** Letters, digits, hyphens: RFC 1123 section 2.1. Underscores are no host names. */
const label = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
/** RFC 3986 pchar and `/`; what else clients put into paths must come percent-encoded. */
const pathCharacters = /^(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/]|%[0-9A-Fa-f]{2})*$/;
/** Queries are not matched on their characters: any printable ASCII but `#` and `\`. */
const queryCharacters = /^(?:[!"$&-[\]-~]|%[0-9A-Fa-f]{2})*$/;

/**
 * Reads a host name or IP literal.
 * @param text as in a Host header without its port; IPv6 in brackets.
 */
export function canonicalHost(text: string): { readonly host: string } | Refusal {
  if (text.startsWith('[')) return ipv6Literal(text);
  const name = text.toLowerCase().replace(/\.$/, '');
  if (isIPv4(name)) return { host: name };
  const labels = name.split('.');
  if (name.length > maxHostLength || !labels.every((part) => label.test(part))) {
    return refuse(
      'request_ambiguous',
      'The host is not a plain DNS name or IP address; write it in lower-case letters, digits, hyphens and dots (international names in punycode).',
    );
  }
  // 127.1, 0x7f.1 and 2130706433 are addresses to some resolvers and names to others.
  if (/^(?:\d+|0x[0-9a-f]*)$/.test(labels.at(-1) ?? '')) {
    return refuse(
      'request_ambiguous',
      'The host ends in a number but is not an IPv4 address of four decimal parts.',
    );
  }
  return { host: name };
}

/**
 * Reads `host[:port]` of a CONNECT target, a Host header or an absolute URL.
 * @param defaultPort null where the port must be written (RFC 9110 section 9.3.6: CONNECT).
 */
export function parseAuthority(text: string, defaultPort: number | null): Authority | Refusal {
  const end = text.startsWith('[') ? text.indexOf(']') + 1 : text.indexOf(':');
  const split = end > 0 ? end : text.length;
  const name = canonicalHost(text.slice(0, split));
  if ('reason' in name) return name;
  const rest = text.slice(split);
  if (rest === '') {
    if (defaultPort !== null) return { host: name.host, port: defaultPort };
    return refuse('request_malformed', 'The CONNECT target has no port; write host:port.');
  }
  // No leading zeros and no sign: `:00443` is 443 to some and nothing to others.
  const digits = /^:([1-9]\d{0,4})$/.exec(rest)?.[1];
  const port = Number(digits);
  if (digits === undefined || port > 65_535) {
    return refuse(
      'request_ambiguous',
      'The port is not a decimal number from 1 to 65535 without leading zeros.',
    );
  }
  return { host: name.host, port };
}

/** Reads an origin-form target, `/path[?query]` (RFC 9112 section 3.2.1). */
export function parseRequestTarget(target: string): RequestTarget | Refusal {
  const mark = target.indexOf('?');
  const path = mark < 0 ? target : target.slice(0, mark);
  const query = mark < 0 ? null : target.slice(mark + 1);
  if (!path.startsWith('/')) {
    return refuse('request_malformed', 'The request target does not start with a slash.');
  }
  if (target.includes('#'))
    return refuse('request_ambiguous', 'The request target has a fragment; leave it out.');
  if (target.includes('\\'))
    return refuse('request_ambiguous', 'The request target has a backslash; write / or %5C in a query.');
  if (!pathCharacters.test(path)) {
    return refuse(
      'request_ambiguous',
      'The path has a character that must be percent-encoded, or a percent sign without two hex digits.',
    );
  }
  if (query !== null && !queryCharacters.test(query)) {
    return refuse(
      'request_ambiguous',
      'The query has a space, control or non-ASCII character or a lone percent sign; percent-encode it.',
    );
  }
  const segments = path.slice(1).split('/');
  // The common path has no escape, no parameter and no dot segment: one scan proves all three absent.
  if (!/[%;]|\/\.{1,2}(?:\/|$)|\/\//.test(path)) return { path, segments, opens: noOpenings, query };
  const opens = new Set<Opening>();
  for (const [index, raw] of segments.entries()) {
    const read = readSegment(raw, index === segments.length - 1);
    if (typeof read !== 'string') return read;
    segments[index] = read;
    // Whoever decodes twice finds a slash in `%252f`, too.
    if (/\/|%2f/i.test(read)) opens.add('EncodedSlash');
    if (raw.includes(';')) opens.add('PathParameters');
  }
  return { path, segments, opens: opens.size === 0 ? noOpenings : [...opens].toSorted(), query };
}

const noOpenings: readonly Opening[] = [];

/** Why a path that no rule opens is refused. */
export const openingMessages: Readonly<Record<Opening, string>> = {
  EncodedSlash: 'The path has an encoded slash, which only a rule with opens: [EncodedSlash] accepts.',
  PathParameters:
    'The path has a semicolon, which some servers cut the path at; write %3B, or use what a rule with opens: [PathParameters] accepts.',
};

/** One segment decoded once, or why two servers might read it differently. */
function readSegment(raw: string, last: boolean): string | Refusal {
  if (raw === '' && !last)
    return refuse('request_ambiguous', 'The path has an empty segment (//); write single slashes.');
  const once = decode(raw);
  if (once === null) return refuse('request_ambiguous', 'The path has percent-escapes that are not UTF-8.');
  // Some servers decode twice; `%252e%252e` is a dot segment to them. A single `%25` stays legal.
  const twice = decodeBytes(once);
  if (twice.includes('\\')) return refuse('request_ambiguous', 'The path has an encoded backslash.');
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  if (/[\u0000-\u001f\u007f-\u009f]/.test(once) || /[\u0000-\u001f\u007f]/.test(twice))
    return refuse('request_ambiguous', 'The path has an encoded control character.');
  const parts = [...once.split('/'), ...twice.split(/[/\\]/)];
  if (parts.some((part) => /^\.{1,2}$/.test(part.split(';')[0] ?? ''))) {
    return refuse(
      'request_ambiguous',
      'The path has a dot segment (. or ..), possibly encoded; write the path it means.',
    );
  }
  return once;
}

/** As whoever decodes again does it who does not ask for UTF-8. */
function decodeBytes(text: string): string {
  if (!text.includes('%')) return text;
  return text.replace(/%([0-9a-f]{2})/gi, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 16)),
  );
}

/** Strict UTF-8 percent-decoding: overlong and lone bytes give null. */
function decode(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}

function ipv6Literal(text: string): { readonly host: string } | Refusal {
  const inner = text.endsWith(']') ? text.slice(1, -1) : '';
  // A zone (`fe80::1%eth0`) names an interface of this machine, not a place on the network.
  if (!isIPv6(inner) || inner.includes('%')) {
    return refuse('request_ambiguous', 'The host in brackets is not an IPv6 address.');
  }
  return { host: new URL(`http://[${inner}]`).hostname.slice(1, -1) };
}
