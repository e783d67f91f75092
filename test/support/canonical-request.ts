// Writes a canonical request as one line, such as `GET https://api.example/v1?x=y`, through the real parser.

import assert from 'node:assert/strict';
import { parseAuthority, parseRequestTarget } from '../../policy/canonical.ts';
import { isRefusal } from '../../policy/refusal.ts';
import type { CanonicalRequest } from '../../policy/request.ts';

export function canonicalRequest(line: string): CanonicalRequest {
  const parts = /^(\S+) (https?):\/\/([^/]+)(\/.*)$/.exec(line);
  assert.ok(parts !== null, `not a request: ${line}`);
  const [, method = '', scheme = '', authority = '', target = ''] = parts;
  const place = parseAuthority(authority, scheme === 'https' ? 443 : 80);
  const read = parseRequestTarget(target);
  assert.ok(!isRefusal(place) && !isRefusal(read), `refused: ${line}`);
  return {
    scheme: scheme === 'https' ? 'https' : 'http',
    method,
    ...place,
    ...read,
    headers: [],
    body: { kind: 'none' },
    placeholder: null,
  };
}
