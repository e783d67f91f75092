// Request headers as the agent sent them, read once into what may be known of them. Nothing is repaired: what two
// servers could read differently is refused. Nothing is copied unseen: `forwarded` is all that goes on.

import { refuse, type Refusal } from '../../policy/refusal.ts';

export interface AgentHeaders {
  readonly host: string | null;
  readonly authorization: string | null;
  /** Null when the header is absent. */
  readonly contentLength: number | null;
  readonly chunked: boolean;
  readonly expectsContinue: boolean;
  /** Name and value alternating, names in lower case, in the agent's order. */
  readonly forwarded: readonly string[];
}

/** RFC 9110 section 5.4 asks for at least 8000 octets in all; Node's own limit for the sum is set to 64 KiB. */
const maxHeaders = 100;

type Treatment =
  /** Forwarded; refused when sent twice, since servers differ in whether the first or the last counts. */
  | 'single'
  /** Read here and made anew by us; refused when sent twice. */
  | 'ours'
  /** Between the agent and us alone (RFC 9110 section 7.6.1), or claims about where a request came from. */
  | 'dropped'
  /** Dropped when it repeats the method, refused when it names another. */
  | 'methodOverride';

/** Where APIs look for who is asking. */
const identityHeaders =
  'authorization cookie x-api-key api-key apikey x-auth-token x-access-token private-token x-goog-api-key x-amz-security-token ' +
  'x-api-token x-auth-key x-apikey x-vault-token x-shopify-access-token x-figma-token dd-api-key dd-application-key ocp-apim-subscription-key x-functions-key x-rapidapi-key';

export const namesIdentity: ReadonlySet<string> = new Set(identityHeaders.split(' '));

const treatments: ReadonlyMap<string, Treatment> = new Map([
  ...names('ours', 'host content-length transfer-encoding expect connection upgrade traceparent tracestate'),
  ...names('single', identityHeaders),
  ...names('single', 'content-type content-encoding range if-range x-amz-date x-amz-content-sha256'),
  ...names('dropped', 'keep-alive te trailer http2-settings'),
  ...names('dropped', 'proxy-connection proxy-authenticate proxy-authorization proxy-authentication-info'),
  ...names('dropped', 'via forwarded x-forwarded-for x-forwarded-host x-forwarded-proto x-forwarded-port'),
  ...names('dropped', 'x-forwarded-server x-forwarded-scheme x-forwarded-ssl x-forwarded-prefix x-real-ip'),
  // Some frameworks route by these instead of by the target that was decided on.
  ...names('dropped', 'x-host x-http-host-override x-original-host x-original-url x-rewrite-url'),
  ...names('dropped', 'baggage'),
  ...names('methodOverride', 'x-http-method-override x-http-method x-method-override'),
]);

/** What a client may name in Connection; another header named there is dropped, one that is governed is refused. */
const connectionOptions = new Set(['close', 'keep-alive', 'upgrade', 'te', 'trailers', 'http2-settings']);

/** Codings that some server undoes; `aws-chunked` is how S3 clients sign a stream. */
const contentCodings = new Set(
  'gzip x-gzip deflate br zstd compress x-compress identity aws-chunked'.split(' '),
);

/**
 * @param raw name and value alternating, as Node's `rawHeaders`.
 * @param version of HTTP/1, `1.0` or `1.1`.
 */
export function readHeaders(raw: readonly string[], method: string, version: string): AgentHeaders | Refusal {
  if (raw.length > 2 * maxHeaders) {
    return refuse(
      'headers_too_large',
      `The request has ${raw.length / 2} headers; send at most ${maxHeaders}.`,
    );
  }
  const seen = new Map<string, string>();
  const forwarded: string[] = [];
  for (let at = 0; at < raw.length; at += 2) {
    const name = (raw[at] ?? '').toLowerCase();
    const value = raw[at + 1] ?? '';
    // RFC 9110 section 5.5: bytes beyond ASCII have no meaning there, and some trim 0x85 and 0xA0 as spaces.
    if (/[^\t\x20-\x7e]/.test(value)) {
      return refuse('request_ambiguous', `The header ${name} has a control or non-ASCII byte; encode it.`);
    }
    const treatment = treatments.get(name);
    if (treatment === undefined) {
      // CGI and its heirs read `content_length` as `content-length`.
      if (name.includes('_') && treatments.has(name.replaceAll('_', '-'))) {
        return refuse(
          'request_ambiguous',
          `The header ${name} is read as another by some servers; leave it out.`,
        );
      }
      if (!name.startsWith('outrider-')) forwarded.push(name, value);
      continue;
    }
    if (treatment === 'dropped') continue;
    if (treatment === 'methodOverride') {
      if (value !== method) {
        return refuse(
          'request_ambiguous',
          `The header ${name} names another method than ${method}; leave it out.`,
        );
      }
      continue;
    }
    const repeats = seen.has(name) && !mayRepeat(name);
    if (repeats) return refuse('request_ambiguous', `The header ${name} was sent twice; send it once.`);
    seen.set(name, seen.has(name) ? `${seen.get(name)},${value}` : value);
    if (treatment === 'single') forwarded.push(name, value);
  }
  return checkGoverned(seen, forwarded, method, version);
}

/** Lists by definition; the trace headers are judged where they are joined. */
function mayRepeat(name: string): boolean {
  return name === 'connection' || name === 'upgrade' || name === 'traceparent' || name === 'tracestate';
}

function checkGoverned(
  seen: ReadonlyMap<string, string>,
  forwarded: string[],
  method: string,
  version: string,
): AgentHeaders | Refusal {
  const length = seen.get('content-length');
  const coding = seen.get('transfer-encoding');
  const refusal =
    checkFraming(length, coding, method, version) ??
    checkContentEncoding(seen.get('content-encoding')) ??
    checkUpgrade(seen.get('upgrade')) ??
    checkExpect(seen.get('expect'), version);
  if (refusal !== null) return refusal;
  const named = readConnection(seen.get('connection'));
  if ('reason' in named) return named;
  return {
    host: seen.get('host') ?? null,
    authorization: seen.get('authorization') ?? null,
    contentLength: length === undefined ? null : Number(length),
    chunked: coding !== undefined,
    expectsContinue: seen.has('expect'),
    forwarded: named.dropped.size === 0 ? forwarded : without(forwarded, named.dropped),
  };
}

function checkFraming(
  length: string | undefined,
  coding: string | undefined,
  method: string,
  version: string,
): Refusal | null {
  if (length !== undefined && coding !== undefined) {
    return refuse(
      'request_ambiguous',
      'The request has both Content-Length and Transfer-Encoding; send one.',
    );
  }
  if (length !== undefined && !/^(?:0|[1-9]\d{0,14})$/.test(length)) {
    return refuse('request_malformed', 'Content-Length is not a plain decimal number.');
  }
  if (coding !== undefined && coding !== 'chunked') {
    return refuse('request_ambiguous', 'Transfer-Encoding is not exactly `chunked`.');
  }
  if (coding !== undefined && version !== '1.1') {
    return refuse('request_ambiguous', 'Transfer-Encoding does not exist in HTTP/1.0.');
  }
  // RFC 9110 section 9.3.1: such content has no meaning, and servers that skip it read it as the next request.
  if ((method === 'GET' || method === 'HEAD') && (coding !== undefined || Number(length ?? 0) > 0)) {
    return refuse('request_ambiguous', `A ${method} request has no body; use POST, or send none.`);
  }
  return null;
}

function checkContentEncoding(value: string | undefined): Refusal | null {
  const unknown = value?.split(',').find((coding) => !contentCodings.has(coding.trim().toLowerCase()));
  if (unknown === undefined) return null;
  return refuse('request_ambiguous', 'Content-Encoding names a coding that is not known.');
}

/** h2c and others are dropped, which RFC 9110 section 7.8 allows; a WebSocket client would wait for its 101. */
function checkUpgrade(value: string | undefined): Refusal | null {
  if (value === undefined || !/(?:^|[\s,])websocket(?:$|[\s,/])/i.test(value)) return null;
  return refuse('protocol_unsupported', 'WebSocket is not governed yet; use plain HTTP requests.');
}

function checkExpect(value: string | undefined, version: string): Refusal | null {
  if (value === undefined || (value === '100-continue' && version === '1.1')) return null;
  return refuse('expectation_unsupported', 'Send `Expect: 100-continue` over HTTP/1.1, or no Expect.');
}

function readConnection(value: string | undefined): { readonly dropped: ReadonlySet<string> } | Refusal {
  const dropped = new Set<string>();
  for (const part of value?.split(',') ?? []) {
    const option = part.trim().toLowerCase();
    if (option === '' || connectionOptions.has(option) || treatments.get(option) === 'dropped') continue;
    // Dropping what it names would undo what was decided or injected (CVE-2022-31813).
    if (treatments.has(option) || option.startsWith('outrider-')) {
      return refuse(
        'request_ambiguous',
        `Connection names ${option}, which is not between you and the proxy.`,
      );
    }
    dropped.add(option);
  }
  return { dropped };
}

function without(headers: readonly string[], dropped: ReadonlySet<string>): string[] {
  return headers.filter((_, at) => !dropped.has(headers[at - (at % 2)] ?? ''));
}

function* names(treatment: Treatment, list: string): Generator<[string, Treatment]> {
  for (const name of list.split(' ')) yield [name, treatment];
}
