// An HMAC of a text that a template makes of the request, for webhooks and APIs with schemes of their own. What is signed
// is what is sent, byte for byte: all that the templates add is settled first, but for the signature itself.

import { createHmac, randomBytes } from 'node:crypto';
import type { HmacTemplate } from '../../../policy/hmac-template.ts';
import { refuse, type Refusal } from '../../../policy/refusal.ts';
import type { HmacInject } from '../../../policy/ruleset-credential.ts';
import { SidecarError } from '../../errors.ts';
import type { Material } from '../material.ts';
import { hmacKeyOf } from './hmac/key.ts';
import { digestOf, render, templatesOf, type HmacValue, type SentTemplate } from './hmac/templates.ts';
import type { Injector, Outgoing } from './injector.ts';
import { partOf } from './part.ts';
import { assertPrintable } from './printable.ts';
import { withoutParameters, withParameter } from './query-parameters.ts';

/** Of a field of the secret that a template writes out. */
const printable = /^[!-~](?:[ -~]*[!-~])?$/;

const digests = { Hex: 'hex', Base64: 'base64', Base64Url: 'base64url' } as const;

export const hmac: Injector<'hmac'> = {
  check(inject, material) {
    for (const name of templatesOf(inject).fields) fieldOf(inject, material, name);
    keyOf(inject, material);
  },
  places: ({ headers = {}, query = [] }) => ({
    headers: Object.keys(headers),
    query: query.map(({ name }) => name),
  }),
  needsBody: (inject) => templatesOf(inject).usesBody,
  fill(inject, material, outgoing, nowMs) {
    const { canonical, headers, query, usesBody } = templatesOf(inject);
    if (usesBody && outgoing.hasBody && outgoing.body === null) throw new SidecarError('SIDECAR_FAILED');
    const names = query.map(({ name }) => name);
    const rest = names.length === 0 ? outgoing.query : withoutParameters(outgoing.query, names);
    if (rest !== null && typeof rest !== 'string') return rest;

    const settled = createSettled(inject, material, outgoing, nowMs);
    const unsigned = (part: HmacValue): string => settled(part) ?? '';
    const toSign: Outgoing = {
      ...outgoing,
      headers: withHeaders(outgoing.headers, headers, unsigned),
      query: withParameters(rest, query.filter(isUnsigned), unsigned),
    };
    const refusal = checkHeaders(canonical, toSign);
    if (refusal !== null) return refusal;
    const signature = createHmac(inject.algorithm.toLowerCase(), keyOf(inject, material))
      .update(render(canonical, (part) => settled(part) ?? signedValue(part, toSign)))
      .digest(digests[inject.digest]);

    const signed = (part: HmacValue): string => settled(part) ?? signature;
    return {
      headers: headers.map(({ name, template }) => [name, renderText(template, signed)] as const),
      ...(names.length === 0 ? {} : { query: withParameters(rest, query, signed) }),
    };
  },
};

function keyOf(inject: HmacInject, material: Material): Buffer {
  return hmacKeyOf(partOf(material, inject, 'key', 'main'), inject.keyEncoding);
}

function fieldOf(inject: HmacInject, material: Material, name: string): string {
  return assertPrintable(partOf(material, inject, name).open(), printable, 'spec.inject.hmac');
}

/** What has one value for the whole request, wherever it stands; null for anything else. */
function createSettled(
  inject: HmacInject,
  material: Material,
  { body }: Outgoing,
  nowMs: number,
): (part: HmacValue) => string | null {
  const nonce = randomBytes(16).toString('hex');
  return (part) => {
    if (part.kind === 'field') return fieldOf(inject, material, part.name);
    if (part.kind === 'header') return null;
    if (part.name === 'timestamp') return timestampOf(inject, nowMs);
    if (part.name === 'nonce') return nonce;
    return digestOf(part.name, body ?? Buffer.alloc(0));
  };
}

function timestampOf({ timestamp }: HmacInject, nowMs: number): string {
  if (timestamp === 'Iso8601') return new Date(nowMs).toISOString();
  return String(Math.floor(timestamp === 'Seconds' ? nowMs / 1000 : nowMs));
}

function signedValue(part: HmacValue, request: Outgoing): string | Buffer {
  const { method, host, path, query, body } = request;
  // Node reads the bytes of headers as Latin-1.
  if (part.kind === 'header') return Buffer.from(valuesOf(request, part.name)[0] ?? '', 'latin1');
  switch (part.name) {
    case 'method':
      return method;
    case 'methodLower':
      return method.toLowerCase();
    case 'host':
      return host;
    case 'path':
      return path;
    case 'query':
      return query ?? '';
    case 'target':
      return query === null ? path : `${path}?${query}`;
    case 'body':
      return body ?? '';
    case 'contentType':
      return Buffer.from(valuesOf(request, 'content-type')[0] ?? '', 'latin1');
    case 'newline':
      return '\n';
    default:
      throw new SidecarError('SIDECAR_FAILED');
  }
}

function checkHeaders(canonical: HmacTemplate, request: Outgoing): Refusal | null {
  for (const part of canonical) {
    if (part.kind !== 'header' || valuesOf(request, part.name).length === 1) continue;
    return refuse(
      'request_unsignable',
      `The header ${part.name} is part of what is signed, so the request must have it exactly once.`,
    );
  }
  return null;
}

function valuesOf({ headers }: Outgoing, name: string): readonly string[] {
  return headers.filter((_, at) => at % 2 === 1 && headers[at - 1] === name);
}

function isUnsigned({ isSigned }: SentTemplate): boolean {
  return !isSigned;
}

function withHeaders(
  headers: Outgoing['headers'],
  templates: readonly SentTemplate[],
  valueOf: (part: HmacValue) => string,
): readonly string[] {
  const ours = new Set(templates.map(({ name }) => name));
  const kept = headers.filter((_, at) => !ours.has(headers[at - (at % 2)] ?? ''));
  const set = templates
    .filter(isUnsigned)
    .flatMap(({ name, template }) => [name, renderText(template, valueOf)]);
  return [...kept, ...set];
}

function withParameters(
  rest: string | null,
  templates: readonly SentTemplate[],
  valueOf: (part: HmacValue) => string,
): string | null {
  return templates.reduce(
    (query: string | null, { name, template }) => withParameter(query, name, renderText(template, valueOf)),
    rest,
  );
}

function renderText(template: HmacTemplate, valueOf: (part: HmacValue) => string): string {
  return render(template, valueOf).toString('utf8');
}
