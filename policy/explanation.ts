// Sentences about what stood in the way, made when a request is refused. What a rule governs is never quoted back:
// only method, path and place, which the agent's own log has anyway.

import type { Miss } from './reading.ts';
import type { CanonicalRequest } from './request.ts';

/** In the order in which conditions are looked at: the further a rule got, the closer it came. */
const fields = [
  'hosts',
  'destination',
  'github',
  'paths',
  'methods',
  'opens',
  'query',
  'headers',
  'during',
  'outside',
  'body',
  'mcp',
  'github.',
  'when',
  'limits',
];

export function fieldRank(field: string): number {
  const exact = fields.indexOf(field);
  if (exact >= 0) return exact;
  return fields.indexOf(field.startsWith('github.') ? 'github.' : (/^[a-z]+/.exec(field)?.[0] ?? ''));
}

export function explainMiss({ field, message }: Miss, request: CanonicalRequest): string {
  // What asks for something else than the field's own values is a whole sentence already.
  const seen = message.startsWith('The rule ') ? seenIn(field, request) : null;
  return seen === null ? message : `${message.slice(0, -1)}, not ${seen}.`;
}

function seenIn(field: string, { scheme, host, port, method, path }: CanonicalRequest): string | null {
  if (field === 'methods') return method;
  if (field === 'paths') return path;
  if (field === 'hosts' || field === 'destination' || field === 'github') {
    return `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}`;
  }
  return null;
}
