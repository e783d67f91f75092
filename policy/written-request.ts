// A request as people write it, in PolicyTest files, in test vectors and for `outrider explain`: parsed by the same
// reading of names and targets that a sidecar has, into the same canonical model.

import { parseAuthority, parseRequestTarget } from './canonical.ts';
import { placeholderPrefix } from './contract.ts';
import { isRefusal, refuse, type Refusal } from './refusal.ts';
import { noBody, type CanonicalRequest, type RequestBody } from './request.ts';

/** What is wrong with the writing, not with the request. */
export interface WrittenProblem {
  /** Such as `headers.x-id`; `''` is the whole. */
  readonly field: string;
  /** What is wrong and what is allowed. */
  readonly message: string;
}

export type WrittenRequest =
  | { readonly kind: 'request'; readonly request: CanonicalRequest }
  /** A sidecar would refuse it before any rule is asked. */
  | { readonly kind: 'refused'; readonly refusal: Refusal }
  | { readonly kind: 'invalid'; readonly problems: readonly WrittenProblem[] };

const bodyKeys = ['json', 'form', 'body', 'base64'] as const;
const keys: readonly string[] = ['method', 'url', 'headers', ...bodyKeys, 'placeholder'];

/** RFC 9110 section 5.6.2. */
const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const placeholderName = /^[a-z0-9-]{1,63}\.[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/;

/** Headers that no rule ever sees, since a sidecar makes them anew or does not pass them on. */
const unseenHeaders = new Set(
  [
    'host content-length transfer-encoding expect connection upgrade traceparent tracestate baggage keep-alive te trailer',
    'http2-settings proxy-connection proxy-authenticate proxy-authorization proxy-authentication-info via forwarded',
    'x-forwarded-for x-forwarded-host x-forwarded-proto x-forwarded-port x-forwarded-server x-forwarded-scheme',
    'x-forwarded-ssl x-forwarded-prefix x-real-ip x-host x-http-host-override x-original-host x-original-url',
    'x-rewrite-url x-http-method-override x-http-method x-method-override',
  ].flatMap((line) => line.split(' ')),
);

/** Deeper than a sidecar reads. */
const maxWrittenDepth = 100;

type Fields = { readonly [key: string]: unknown };
type Report = (field: string, message: string) => void;

/**
 * Reads `{ method, url, headers, json | form | body | base64, placeholder }`. Only `url` is required; a method is GET
 * unless it is written; `json` and `form` set Content-Type unless `headers` do.
 */
export function parseWrittenRequest(value: unknown): WrittenRequest {
  const problems: WrittenProblem[] = [];
  const report: Report = (field, message) => problems.push({ field, message });
  if (!isFields(value)) {
    report('', 'is no request: write at least a url, such as { url: https://api.example.com/v1/items }');
    return { kind: 'invalid', problems };
  }
  for (const key of Object.keys(value)) {
    if (!keys.includes(key)) report(key, `is not a field of a request; those are ${keys.join(', ')}`);
  }
  const place = readUrl(value.url, report);
  const isTcp = place !== null && place.scheme === 'tcp';
  const method = isTcp ? '' : readMethod(value.method, report);
  const headers = readHeaders(value.headers, report);
  const { body, contentType } = readBody(value, report);
  if (isTcp) {
    for (const key of keys) {
      if (key !== 'url' && value[key] !== undefined) {
        report(key, 'does not go with tcp, whose bytes nobody reads: leave it out');
      }
    }
  }
  if (contentType !== null && !has(headers, 'content-type')) headers.push('content-type', contentType);
  const placeholder = readPlaceholder(value.placeholder, headers, report);
  if (problems.length > 0 || place === null) return { kind: 'invalid', problems };

  const authority = parseAuthority(place.authority, place.scheme === 'https' ? 443 : 80);
  if (isRefusal(authority)) return { kind: 'refused', refusal: authority };
  const target = parseRequestTarget(place.target);
  if (isRefusal(target)) return { kind: 'refused', refusal: target };
  if (method === 'TRACE') {
    const message = 'TRACE is never sent on: it returns the request, and its credential.';
    return { kind: 'refused', refusal: refuse('protocol_unsupported', message) };
  }
  const { scheme } = place;
  const { path, segments, opens, query } = isTcp ? { ...target, path: '', segments: [] } : target;
  return {
    kind: 'request',
    request: { scheme, ...authority, method, path, segments, opens, query, headers, body, placeholder },
  };
}

interface Place {
  readonly scheme: CanonicalRequest['scheme'];
  readonly authority: string;
  readonly target: string;
}

/** Split by hand: `new URL` repairs what a sidecar refuses. */
function readUrl(value: unknown, report: Report): Place | null {
  const text = typeof value === 'string' ? value : '';
  const [, scheme, authority, rest] = /^(https?|tcp):\/\/([^/?#\\]*)(.*)$/s.exec(text) ?? [];
  if (scheme === undefined || authority === undefined || rest === undefined) {
    report('url', 'is no URL: write scheme, host and path, such as https://api.example.com/v1/items?page=2');
    return null;
  }
  if (scheme === 'tcp') {
    if (rest === '' && authority.includes(':')) return { scheme, authority, target: '/' };
    report('url', 'of a tcp destination has a host and a port and nothing else: tcp://db.corp.example:5432');
    return null;
  }
  const target = rest.startsWith('/') || rest.startsWith('\\') ? rest : `/${rest}`;
  return { scheme: scheme === 'https' ? 'https' : 'http', authority, target };
}

function readMethod(value: unknown, report: Report): string {
  if (value === undefined) return 'GET';
  if (typeof value === 'string' && token.test(value)) return value;
  report('method', 'is no method: write one word, such as POST');
  return '';
}

function readHeaders(value: unknown, report: Report): string[] {
  if (value === undefined) return [];
  if (!isFields(value)) {
    report('headers', 'is no map of headers: write { name: value } or { name: [value, value] }');
    return [];
  }
  return Object.entries(value).flatMap(([written, given]) => {
    const name = written.toLowerCase();
    const field = `headers.${written}`;
    if (!token.test(name)) report(field, 'is no name of a header');
    if (unseenHeaders.has(name)) report(field, 'is never seen by a rule: a sidecar makes or drops it itself');
    const values = Array.isArray(given) ? given : [given];
    return values.flatMap((each) => {
      if (name === 'authorization' && typeof each === 'string' && each.includes(placeholderPrefix))
        report(field, 'holds a placeholder: write placeholder: namespace.name instead of the header');
      // RFC 9110 section 5.5; a sidecar refuses other bytes before it decides.
      if (typeof each === 'string' && /^[\t\x20-\x7e]*$/.test(each)) return [name, each];
      report(field, 'is no value of a header: write printable ASCII, in quotes where it looks like a number');
      return [];
    });
  });
}

interface WrittenBody {
  readonly body: RequestBody;
  readonly contentType: string | null;
}

function readBody(value: Fields, report: Report): WrittenBody {
  const written = bodyKeys.filter((key) => value[key] !== undefined);
  const [key] = written;
  if (key === undefined) return { body: noBody, contentType: null };
  if (written.length > 1) report('', `has ${written.join(' and ')}: write at most one of them`);
  const given = value[key];
  switch (key) {
    case 'json': {
      const isJson = checkJson(given, 'json', 0, report);
      return { body: bodyOf(isJson ? JSON.stringify(given) : ''), contentType: 'application/json' };
    }
    case 'form':
      return { body: bodyOf(formText(given, report)), contentType: 'application/x-www-form-urlencoded' };
    case 'body': {
      if (typeof given !== 'string') report(key, 'is no text: write the raw body in quotes, or use json');
      return { body: bodyOf(typeof given === 'string' ? given : ''), contentType: null };
    }
    case 'base64': {
      const text = typeof given === 'string' ? given.replaceAll(/\s/g, '') : '';
      const bytes = Buffer.from(text, 'base64');
      if (typeof given !== 'string' || bytes.toString('base64') !== text)
        report(key, 'is no padded base64 (RFC 4648 section 4)');
      return { body: bodyOf(bytes), contentType: null };
    }
  }
}

function bodyOf(content: string | Uint8Array): RequestBody {
  const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content;
  return bytes.length === 0 ? noBody : { kind: 'read', bytes, isWhole: true };
}

/** What would be sent as something else than what is written; a YAML alias can even lead back to itself. */
function checkJson(value: unknown, field: string, depth: number, report: Report): boolean {
  const refuse = (message: string): false => {
    report(field, message);
    return false;
  };
  if (depth > maxWrittenDepth)
    return refuse(`lies deeper than ${maxWrittenDepth}: write the JSON as text, in body`);
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return true;
  if (typeof value === 'number') {
    const isExact = Number.isInteger(value) ? Number.isSafeInteger(value) : Number.isFinite(value);
    if (isExact && !Object.is(value, -0)) return true;
    return refuse('is a number that is not kept exactly: write the JSON as text, in body');
  }
  if (Array.isArray(value)) {
    return value.every((item: unknown, index) => checkJson(item, `${field}[${index}]`, depth + 1, report));
  }
  if (!isFields(value)) return refuse('is nothing that JSON has');
  return Object.entries(value).every(([key, item]) => checkJson(item, `${field}.${key}`, depth + 1, report));
}

function formText(value: unknown, report: Report): string {
  if (!isFields(value)) {
    report('form', 'is no map: write { name: value } or { name: [value, value] }');
    return '';
  }
  const pairs = Object.entries(value).flatMap(([name, given]) =>
    (Array.isArray(given) ? given : [given]).map((each): [string, string] => {
      if (typeof each !== 'string')
        report(`form.${name}`, 'is no text: a form has nothing else, so write it in quotes');
      return [name, typeof each === 'string' ? each : ''];
    }),
  );
  return new URLSearchParams(pairs).toString();
}

/** As an SDK sends it: in Authorization, which is added where `headers` have none. */
function readPlaceholder(value: unknown, headers: string[], report: Report): string | null {
  if (value === undefined) return null;
  if (typeof value !== 'string' || !placeholderName.test(value)) {
    report('placeholder', 'is no credential: write namespace.name, such as support.stripe');
    return null;
  }
  if (!has(headers, 'authorization')) headers.push('authorization', `Bearer ${placeholderPrefix}${value}`);
  return value;
}

function has(headers: readonly string[], name: string): boolean {
  return headers.some((each, at) => at % 2 === 0 && each === name);
}

function isFields(value: unknown): value is Fields {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
