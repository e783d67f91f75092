// The head of a request, canonicalised: one model that is decided on and from which the upstream request is built,
// or a refusal. Every name that the request carries must be the same.

import type { IncomingMessage } from 'node:http';
import { parseAuthority, parseRequestTarget, type Authority } from '../../policy/canonical.ts';
import { isRefusal, refuse, type Refusal } from '../../policy/refusal.ts';
import { noBody, type CanonicalRequest, type RequestBody } from '../../policy/request.ts';
import type { Entry } from './entry.ts';
import { readHeaders, type AgentHeaders } from './headers.ts';
import { findPlaceholders, type FoundPlaceholders } from './placeholder.ts';

export interface Head {
  readonly request: CanonicalRequest;
  readonly headers: AgentHeaders;
  readonly hasBody: boolean;
  readonly placeholders: FoundPlaceholders;
}

/** What every server on the way is likely to take; RFC 9110 section 4.1 asks for 8000 octets. */
const maxTargetBytes = 8192;
const unreadBody: RequestBody = { kind: 'unread' };
const defaultPorts = { https: 443, http: 80 } as const;

export function readHead(message: IncomingMessage, entry: Entry): Head | Refusal {
  const { method = '', url = '', httpVersion } = message;
  const otherVersion = checkVersion(httpVersion);
  if (otherVersion !== null) return otherVersion;
  if (url.length > maxTargetBytes) {
    return refuse(
      'target_too_long',
      `The request target has ${url.length} bytes; send at most ${maxTargetBytes}.`,
    );
  }
  if (method === 'TRACE') {
    return refuse(
      'protocol_unsupported',
      'TRACE is never sent on: it returns the request, and its credential.',
    );
  }
  const headers = readHeaders(message.rawHeaders, method, httpVersion);
  if (isRefusal(headers)) return headers;
  const place = readPlace(url, headers.host, entry);
  if (isRefusal(place)) return place;
  const disagreement = checkNames(place, headers.host, entry);
  if (disagreement !== null) return disagreement;
  const target = parseRequestTarget(place.target);
  if (isRefusal(target)) return target;
  const placeholders = findPlaceholders(headers.forwarded, target.path, target.query);
  if (isRefusal(placeholders)) return placeholders;
  const hasBody = headers.chunked || (headers.contentLength ?? 0) > 0;
  return {
    request: {
      scheme: place.scheme,
      host: place.authority.host,
      port: place.authority.port,
      method,
      path: target.path,
      segments: target.segments,
      opens: target.opens,
      query: target.query,
      headers: headers.forwarded,
      body: hasBody ? unreadBody : noBody,
      placeholder: placeholders.placeholder,
    },
    headers,
    hasBody,
    placeholders,
  };
}

/** Node reads `HTTP/2.0` and `HTTP/0.9` request lines as if they were HTTP/1. */
export function checkVersion(httpVersion: string): Refusal | null {
  if (httpVersion === '1.1' || httpVersion === '1.0') return null;
  return refuse('request_malformed', 'The request is not of HTTP/1.1 or HTTP/1.0.');
}

interface Place {
  readonly scheme: 'https' | 'http';
  readonly authority: Authority;
  /** In origin-form. */
  readonly target: string;
}

/** From the connection for `/path`, from the target itself for `https://host/path` (RFC 9112 section 3.2). */
function readPlace(url: string, host: string | null, entry: Entry): Place | Refusal {
  if (url.startsWith('/')) return readOriginPlace(url, host, entry);
  // Compared to the letter: clients write schemes in lower case, and `http:/evil` is one to some parsers only.
  const [, scheme, authorityText, target] = /^(https?):\/\/([^/?#\\]*)(\/.*)$/.exec(url) ?? [];
  if ((scheme !== 'https' && scheme !== 'http') || authorityText === undefined || target === undefined) {
    return refuse('request_malformed', 'The request target is neither /path nor https://host/path.');
  }
  const authority = parseAuthority(authorityText, defaultPorts[scheme]);
  if (isRefusal(authority)) return authority;
  if (entry.kind !== 'absolute' && scheme !== schemeOf(entry)) {
    return refuse(
      'names_disagree',
      `The request target names ${scheme} on a connection of ${schemeOf(entry)}.`,
    );
  }
  return { scheme, authority, target };
}

function readOriginPlace(url: string, host: string | null, entry: Entry): Place | Refusal {
  switch (entry.kind) {
    case 'absolute':
      return refuse(
        'request_malformed',
        'This is a proxy: send CONNECT, or the whole URL as the request target.',
      );
    case 'captured_http': {
      if (host === null) return refuseNameless();
      const authority = parseAuthority(host, defaultPorts.http);
      return isRefusal(authority) ? authority : { scheme: 'http', authority, target: url };
    }
    default:
      return { scheme: 'https', authority: entry.authority, target: url };
  }
}

function schemeOf({ kind }: Exclude<Entry, { readonly kind: 'absolute' }>): 'https' | 'http' {
  return kind === 'captured_http' ? 'http' : 'https';
}

function checkNames(place: Place, host: string | null, entry: Entry): Refusal | null {
  if (host === null) return refuseNameless();
  // Most clients write what is canonical already, and then there is nothing to parse.
  if (host !== hostHeader(place.authority, place.scheme)) {
    const named = parseAuthority(host, defaultPorts[place.scheme]);
    if (isRefusal(named)) return named;
    if (!same(named, place.authority)) {
      return refuse('names_disagree', `Host names another place than ${spell(place.authority)}.`);
    }
  }
  if (entry.kind === 'absolute') return null;
  if (entry.kind === 'captured_http') {
    if (place.authority.port === entry.port) return null;
    return refuse(
      'names_disagree',
      `The request names port ${place.authority.port} on a connection to port ${entry.port}.`,
    );
  }
  const { authority, serverName } = entry;
  const source = entry.kind === 'connect' ? 'CONNECT' : 'the connection';
  if (!same(authority, place.authority)) {
    return refuse(
      'names_disagree',
      `The request target names another place than ${source}, ${spell(authority)}.`,
    );
  }
  if (serverName !== authority.host) {
    return refuse('names_disagree', `The TLS handshake names another host than CONNECT, ${authority.host}.`);
  }
  return null;
}

function refuseNameless(): Refusal {
  return refuse('request_malformed', 'The request has no Host header; send one.');
}

function same(a: Authority, b: Authority): boolean {
  return a.host === b.host && a.port === b.port;
}

/** As it stands in a Host header: RFC 3986 section 3.2.2 brackets, no default port. */
export function hostHeader({ host, port }: Authority, scheme: 'https' | 'http'): string {
  const name = host.includes(':') ? `[${host}]` : host;
  return port === defaultPorts[scheme] ? name : `${name}:${port}`;
}

export function spell({ host, port }: Authority): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
