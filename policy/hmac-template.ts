// Templates of a signature of one's own making: what is signed, and what is written into headers and parameters. Text
// with variables in braces; there is no way to write a brace, since no scheme known to us has one.

import type { HmacInject } from './ruleset-credential.ts';

/** Whatever may stand in braces as it is; `{header.NAME}` and `{field.NAME}` come on top. */
const variables = {
  timestamp: 'anywhere',
  nonce: 'anywhere',
  bodySha256Hex: 'anywhere',
  bodySha256Base64: 'anywhere',
  bodySha512Hex: 'anywhere',
  bodySha512Base64: 'anywhere',
  bodyMd5Hex: 'anywhere',
  bodyMd5Base64: 'anywhere',
  method: 'signed',
  methodLower: 'signed',
  host: 'signed',
  path: 'signed',
  query: 'signed',
  target: 'signed',
  body: 'signed',
  contentType: 'signed',
  newline: 'signed',
  signature: 'sent',
} as const;

export type HmacVariable = keyof typeof variables;

export type HmacPart =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'variable'; readonly name: HmacVariable }
  /** As it is sent. */
  | { readonly kind: 'header'; readonly name: string }
  /** Of the secret. */
  | { readonly kind: 'field'; readonly name: string };

export type HmacTemplate = readonly HmacPart[];

/** The end of a sentence whose subject is the field: what is wrong, and what would be right. */
export interface HmacProblem {
  readonly problem: string;
}

export function isHmacProblem(value: HmacTemplate | HmacProblem): value is HmacProblem {
  return 'problem' in value;
}

/** They are not what the agent sent by the time the request goes out. */
const framing =
  /^(?:host|content-length|transfer-encoding|connection|te|trailer|upgrade|expect|traceparent|tracestate)$/;

export function parseHmacTemplate(text: string): HmacTemplate | HmacProblem {
  const parts: HmacPart[] = [];
  // At odd places is what stood in braces.
  for (const [at, piece] of text.split(/\{([^{}]*)\}/).entries()) {
    if (at % 2 === 1) {
      const part = parseVariable(piece);
      if ('problem' in part) return part;
      parts.push(part);
    } else if (/[{}]/.test(piece)) {
      return { problem: 'has a brace without its counterpart: write variables such as {timestamp}' };
    } else if (piece !== '') {
      parts.push({ kind: 'text', text: piece });
    }
  }
  return parts;
}

function parseVariable(written: string): HmacPart | HmacProblem {
  if (Object.hasOwn(variables, written)) return { kind: 'variable', name: written as HmacVariable };
  const [, kind, name] = /^(header|field)\.([A-Za-z0-9._-]+)$/.exec(written) ?? [];
  if (kind === 'field' && name !== undefined) return { kind, name };
  if (kind !== 'header' || name === undefined) {
    const known = [...Object.keys(variables), 'header.NAME', 'field.NAME'].map((each) => `{${each}}`);
    return { problem: `has {${written}}, which is no variable: write one of ${known.join(' ')}` };
  }
  if (name !== name.toLowerCase()) {
    return { problem: `has {${written}}: write the header's name in lower case` };
  }
  if (framing.test(name)) {
    return {
      problem: `has {${written}}, which is written anew for the upstream and cannot be signed: leave it out${name === 'host' ? ', or write {host}' : ''}`,
    };
  }
  return { kind, name };
}

type Templates = Pick<HmacInject, 'canonical' | 'headers' | 'query'>;

export interface HmacFinding extends HmacProblem {
  /** Below the injection: `canonical`, `headers[x-signature]`, `query[1].value`. */
  readonly field: string;
}

/** All that is wrong with the templates of one injection, each by itself and with each other. */
export function findHmacProblems({ canonical, headers = {}, query = [] }: Templates): readonly HmacFinding[] {
  const sent = [
    ...Object.entries(headers).map(([name, text]) => [`headers[${name}]`, text] as const),
    ...query.map(({ value }, at) => [`query[${at}].value`, value] as const),
  ];
  const findings = [
    ...findIn('canonical', canonical, 'signed'),
    ...sent.flatMap(([field, text]) => findIn(field, text, 'sent')),
  ];
  if (findings.length > 0) return findings;

  const signed = variablesOf(canonical);
  const outside = new Set(sent.flatMap(([, text]) => [...variablesOf(text)]));
  // An upstream that cannot know them cannot verify either.
  for (const name of ['timestamp', 'nonce']) {
    if (!signed.has(name) || outside.has(name)) continue;
    findings.push({
      field: 'canonical',
      problem: `has {${name}}, which the upstream is not told: write it under headers or query as well`,
    });
  }
  for (const [name, text] of Object.entries(headers)) {
    if (!variablesOf(text).has('signature') || !signed.has(`header.${name}`)) continue;
    findings.push({ field: 'canonical', problem: `has {header.${name}}, which has the signature in it` });
  }
  if (!outside.has('signature')) {
    findings.push({
      field: 'headers',
      problem: 'has {signature} nowhere, and query neither: write it into one',
    });
  }
  for (const [at, { name, value }] of query.entries()) {
    if (query.findIndex((other) => other.name === name) !== at) {
      findings.push({ field: `query[${at}].name`, problem: `is ${name} for the second time` });
    }
    // {query} is what stands before the signature, which so has to be the end of it.
    if (at < query.length - 1 && variablesOf(value).has('signature')) {
      findings.push({
        field: `query[${at}]`,
        problem: 'has {signature} and is not the last: write it at the end',
      });
    }
  }
  return findings;
}

function findIn(field: string, text: string, place: 'signed' | 'sent'): HmacFinding[] {
  const template = parseHmacTemplate(text);
  if (isHmacProblem(template)) return [{ field, ...template }];
  return template.flatMap((part): HmacFinding[] => {
    if (part.kind === 'text' || part.kind === 'field') return [];
    const allowed = part.kind === 'header' ? 'signed' : variables[part.name];
    if (allowed === 'anywhere' || allowed === place) return [];
    const written = part.kind === 'header' ? `{header.${part.name}}` : `{${part.name}}`;
    return [
      {
        field,
        problem:
          place === 'sent'
            ? `has ${written}, which can only be signed: write it in canonical`
            : `has ${written}, which is what canonical is made into: write it under headers or query`,
      },
    ];
  });
}

function variablesOf(text: string): ReadonlySet<string> {
  return new Set([...text.matchAll(/\{([^{}]*)\}/g)].map(([, name = '']) => name));
}
