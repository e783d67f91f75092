// Two spellings of one request get the same decision, or one of them is refused: what decides is what a request means.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { parseAuthority, parseRequestTarget } from '../../../policy/canonical.ts';
import type { Decision } from '../../../policy/decision.ts';
import { isRefusal } from '../../../policy/refusal.ts';
import type { CanonicalRequest } from '../../../policy/request.ts';
import {
  clusterPolicyOf,
  clusterSpec,
  deciderFor,
  policyOf,
  policySpec,
  requests,
  requestsPerPolicy,
} from './generators.ts';

const runs = { numRuns: 10_000 / requestsPerPolicy };

/** Chooses, character by character and the same way each time, whether to write it otherwise. */
type Choose = (odds: number) => boolean;

function chooserOf(seed: number): Choose {
  let state = seed | 1;
  return (odds) => {
    // xorshift32
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % odds === 0;
  };
}

function hex(character: string, isUpper: boolean): string {
  const digits = character.charCodeAt(0).toString(16).padStart(2, '0');
  return `%${isUpper ? digits.toUpperCase() : digits}`;
}

/** RFC 3986 section 6.2.2: an unreserved character may come percent-encoded, in either letter case. */
function respellPath(path: string, choose: Choose): string {
  return path.replace(/%[0-9a-f]{2}|[A-Za-z0-9_~-]/gi, (part) => {
    if (part.startsWith('%')) return choose(2) ? part.toLowerCase() : part.toUpperCase();
    return choose(3) ? hex(part, choose(2)) : part;
  });
}

function respellQuery(query: string, choose: Choose): string {
  return query.replace(/[A-Za-z0-9]/g, (part) => (choose(3) ? hex(part, choose(2)) : part));
}

function respellHost(host: string, choose: Choose): string {
  const cased = host.replace(/[a-z]/g, (part) => (choose(3) ? part.toUpperCase() : part));
  return choose(3) ? `${cased}.` : cased;
}

/** Escapes, white space and the order of members: nothing that JSON gives a meaning to. */
function respellJson(text: string, choose: Choose): string {
  const value: unknown = JSON.parse(text);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return text;
  const entries = Object.entries(value);
  const turned = choose(2) ? entries.toReversed() : entries;
  const space = choose(2) ? ' \n\t' : '';
  const escaped = (part: string): string => `\\u${part.charCodeAt(0).toString(16).padStart(4, '0')}`;
  const quote = (word: string): string =>
    `"${word.replace(/[A-Za-z0-9]/g, (part) => (choose(3) ? escaped(part) : part))}"`;
  const members = turned.map(([key, item]) => {
    const written = typeof item === 'string' ? quote(item) : JSON.stringify(item);
    return `${quote(key)}${space}:${space}${written}`;
  });
  return `{${space}${members.join(`${space},${space}`)}${space}}`;
}

function respellBody({ headers, body }: CanonicalRequest, choose: Choose): CanonicalRequest['body'] {
  if (body.kind !== 'read') return body;
  const text = new TextDecoder().decode(body.bytes);
  const type = headers[headers.indexOf('content-type') + 1] ?? '';
  const respelled =
    type === 'application/x-www-form-urlencoded'
      ? respellQuery(text, choose)
      : type === 'application/json' && isPlainJson(text)
        ? respellJson(text, choose)
        : text;
  return { ...body, bytes: new TextEncoder().encode(respelled) };
}

/** JSON.parse takes the last of two equal keys, which is a reading of its own. */
function isPlainJson(text: string): boolean {
  try {
    return JSON.stringify(JSON.parse(text)) === text;
  } catch {
    return false;
  }
}

const mediaTypes: Readonly<Record<string, string>> = {
  'application/json': 'Application/JSON; charset=UTF-8',
  'application/x-www-form-urlencoded': 'application/X-WWW-form-urlencoded',
};

function respellHeaders(headers: readonly string[], choose: Choose): string[] {
  return headers.map((text) => (choose(2) ? (mediaTypes[text] ?? text) : text));
}

/** @returns null when the reader refuses the spelling, which is as good. */
function respell(request: CanonicalRequest, choose: Choose): CanonicalRequest | null {
  const authority = parseAuthority(`${respellHost(request.host, choose)}:${request.port}`, null);
  const path = respellPath(request.path, choose);
  const query = request.query === null ? '' : `?${respellQuery(request.query, choose)}`;
  const target = parseRequestTarget(`${path}${query}`);
  if (isRefusal(authority) || isRefusal(target)) return null;
  const headers = respellHeaders(request.headers, choose);
  return { ...request, ...authority, ...target, headers, body: respellBody(request, choose) };
}

it('two spellings of one request get one decision, or one of them is refused (H-10, H-20, H-23, H-51)', () => {
  let compared = 0;
  fc.assert(
    fc.property(policySpec, clusterSpec, requests, fc.integer(), (spec, cluster, all, seed) => {
      const decide = deciderFor({
        policies: [policyOf(spec)],
        clusterPolicies: [clusterPolicyOf(cluster)],
      });
      const choose = chooserOf(seed);
      for (const asked of all) {
        const other = respell(asked, choose);
        if (other === null) continue;
        const [one, two] = [decide(asked), decide(other)];
        compared += 1;
        assert.deepEqual(
          meaning(two),
          meaning(one),
          `${asked.path}?${asked.query} and ${other.path}?${other.query}`,
        );
      }
    }),
    runs,
  );
  assert.ok(compared > 5000, `only ${compared} spellings could be read`);
});

/** Without the sentence, which quotes the path as it was sent. */
function meaning({ closest, ...decision }: Decision): object {
  return { ...decision, closest: closest === null ? null : { ...closest, message: '' } };
}
