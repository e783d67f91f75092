// The templates of an hmac injection, parsed once and rendered for each request.

import { createHash } from 'node:crypto';
import {
  findHmacProblems,
  isHmacProblem,
  parseHmacTemplate,
  type HmacPart,
  type HmacTemplate,
  type HmacVariable,
} from '../../../../policy/hmac-template.ts';
import type { HmacInject } from '../../../../policy/ruleset-credential.ts';
import { SidecarError } from '../../../errors.ts';

export interface HmacTemplates {
  readonly canonical: HmacTemplate;
  readonly headers: readonly SentTemplate[];
  readonly query: readonly SentTemplate[];
  readonly usesBody: boolean;
  /** Names of the secret's fields that some template writes. */
  readonly fields: readonly string[];
}

export interface SentTemplate {
  readonly name: string;
  readonly template: HmacTemplate;
  readonly isSigned: boolean;
}

/** Of each injection of a ruleset, and no longer than that is there. */
const compiled = new WeakMap<HmacInject, HmacTemplates>();

/** @throws SidecarError HMAC_TEMPLATE_INVALID */
export function templatesOf(inject: HmacInject): HmacTemplates {
  const known = compiled.get(inject);
  if (known !== undefined) return known;
  const [finding] = findHmacProblems(inject);
  if (finding !== undefined) throw invalid(finding.field, finding.problem);
  const canonical = parse('canonical', inject.canonical);
  const headers = Object.entries(inject.headers ?? {}).map(([name, text]) => sent(name, text));
  const query = (inject.query ?? []).map(({ name, value }) => sent(name, value));
  const all = [canonical, ...[...headers, ...query].map(({ template }) => template)].flat();
  const templates: HmacTemplates = {
    canonical,
    headers,
    query,
    usesBody: all.some((part) => part.kind === 'variable' && part.name.startsWith('body')),
    fields: [...new Set(all.flatMap((part) => (part.kind === 'field' ? [part.name] : [])))],
  };
  compiled.set(inject, templates);
  return templates;
}

function sent(name: string, text: string): SentTemplate {
  const template = parse(name, text);
  const isSigned = template.some((part) => part.kind === 'variable' && part.name === 'signature');
  return { name, template, isSigned };
}

function parse(field: string, text: string): HmacTemplate {
  const template = parseHmacTemplate(text);
  if (isHmacProblem(template)) throw invalid(field, template.problem);
  return template;
}

function invalid(field: string, problem: string): SidecarError {
  return new SidecarError('HMAC_TEMPLATE_INVALID', {
    field: `spec.inject.hmac.${field}`,
    detail: `It ${problem}.`,
  });
}

export type HmacValue = Exclude<HmacPart, { readonly kind: 'text' }>;

/** @param valueOf bytes where the request has bytes. */
export function render(template: HmacTemplate, valueOf: (part: HmacValue) => string | Buffer): Buffer {
  return Buffer.concat(
    template.map((part) => {
      const value = part.kind === 'text' ? part.text : valueOf(part);
      return typeof value === 'string' ? Buffer.from(value) : value;
    }),
  );
}

const bodyDigest = /^body(Sha256|Sha512|Md5)(Hex|Base64)$/;

/** Null for what is no digest of the body. */
export function digestOf(name: HmacVariable, body: Buffer): string | null {
  const [, hash, encoding] = bodyDigest.exec(name) ?? [];
  if (hash === undefined) return null;
  return createHash(hash.toLowerCase())
    .update(body)
    .digest(encoding === 'Hex' ? 'hex' : 'base64');
}
