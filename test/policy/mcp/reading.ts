// Requests to an MCP server, as policy reads them.

import { createReading, type Reading } from '../../../policy/reading.ts';
import { noBody } from '../../../policy/request.ts';

export interface Sent {
  readonly method?: string;
  /** Null: no body; what is no string is written as JSON. */
  readonly body?: unknown;
  readonly type?: string | null;
  /** Besides Content-Type and Accept. */
  readonly headers?: readonly string[];
  readonly accept?: string;
  readonly isWhole?: boolean;
}

export function readingOf(sent: Sent): Reading {
  const { method = 'POST', body = null, type = 'application/json', headers = [], isWhole = true } = sent;
  const accept = sent.accept ?? 'application/json, text/event-stream';
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return createReading(
    {
      scheme: 'https',
      host: 'mcp.tracker.example',
      port: 443,
      method,
      path: '/mcp',
      segments: ['mcp'],
      opens: [],
      query: null,
      headers: [
        'accept',
        accept,
        ...(body === null || type === null ? [] : ['content-type', type]),
        ...headers,
      ],
      body: body === null ? noBody : { kind: 'read', bytes: Buffer.from(text), isWhole },
      placeholder: null,
    },
    0,
  );
}

/** tools/call as clients write it. */
export function callOf(name: unknown, args?: unknown, more: object = {}): Record<string, unknown> {
  const given = args === undefined ? {} : { arguments: args };
  return { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name, ...given, ...more } };
}
