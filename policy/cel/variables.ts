// What an expression can see. The names and types here are public: docs/policy.md lists them.

import type { Content } from '../content/content.ts';
import type { McpMessage } from '../mcp/message.ts';
import type { Reading } from '../reading.ts';
import { isUnreadable } from '../unreadable.ts';
import { stop, type Evaluate } from './run.ts';
import { timestampOfMs } from './time.ts';
import { fromJson, fromJsonObject, mapOfLists, type CelValue } from './values.ts';

/** What an expression reads that may not be readable; then it has no outcome, whatever the rest of it says. */
export type Source = 'body' | 'mcp' | 'query' | 'now';

export interface Agent {
  readonly namespace: string;
  readonly serviceAccount: string;
}

interface Variable {
  readonly type: string;
  readonly source: Source | null;
  readonly read: (reading: Reading, agent: Agent) => CelValue;
}

const lists = 'map<string, list<string>>';

export const variables: Readonly<Record<string, Readonly<Record<string, Variable>>>> = {
  request: {
    method: { type: 'string', source: null, read: ({ request }) => request.method },
    scheme: { type: 'string', source: null, read: ({ request }) => request.scheme },
    host: { type: 'string', source: null, read: ({ request }) => request.host },
    port: { type: 'int', source: null, read: ({ request }) => BigInt(request.port) },
    path: { type: 'string', source: null, read: ({ request }) => decodedPath(request.segments) },
    segments: { type: 'list<string>', source: null, read: ({ request }) => fromJson(request.segments) },
    query: {
      type: lists,
      source: 'query',
      read: (reading) => {
        const pairs = reading.parameters();
        return isUnreadable(pairs) ? stop() : mapOfLists(pairs);
      },
    },
    headers: { type: lists, source: null, read: ({ request }) => mapOfLists(pairUp(request.headers)) },
    body: {
      type: 'dyn',
      source: 'body',
      read: (reading) => {
        const content = reading.content();
        return isUnreadable(content) ? stop() : bodyValue(content);
      },
    },
  },
  mcp: {
    method: { type: 'string', source: 'mcp', read: (reading) => message(reading).method },
    tool: { type: 'string', source: 'mcp', read: (reading) => message(reading).tool ?? '' },
    arguments: {
      type: 'map<string, dyn>',
      source: 'mcp',
      read: (reading) => fromJsonObject(message(reading).arguments ?? new Map()),
    },
  },
  agent: {
    namespace: { type: 'string', source: null, read: (_reading, agent) => agent.namespace },
    serviceAccount: { type: 'string', source: null, read: (_reading, agent) => agent.serviceAccount },
  },
};

/**
 * The path as it is decided on, not as it was spelled: `/%61dmin` is `/admin`. A slash inside a segment, which a rule
 * must open, stays apart from those between segments.
 */
function decodedPath(segments: readonly string[]): string {
  return `/${segments.map((segment) => segment.replaceAll('/', '%2F')).join('/')}`;
}

export const readNow: Evaluate = ({ reading }) =>
  reading.nowMs === null ? stop() : timestampOfMs(reading.nowMs);

/** The first of `sources` that cannot be read; asked before, so that no order of `||` hides it. */
export function findUnreadable(sources: ReadonlySet<Source>, reading: Reading): Source | null {
  if (sources.has('now') && reading.nowMs === null) return 'now';
  if (sources.has('query') && isUnreadable(reading.parameters())) return 'query';
  if (sources.has('mcp') && isUnreadable(reading.message())) return 'mcp';
  if (!sources.has('body')) return null;
  const content = reading.content();
  const isRead = !isUnreadable(content) && content.kind !== 'Multipart' && content.kind !== 'Other';
  return isRead ? null : 'body';
}

function bodyValue(content: Content): CelValue {
  switch (content.kind) {
    case 'None':
      return null;
    case 'Json':
      return fromJson(content.value);
    case 'Form':
      return mapOfLists(content.pairs);
    default:
      return stop();
  }
}

function message(reading: Reading): McpMessage {
  const read = reading.message();
  return isUnreadable(read) ? stop() : read;
}

function* pairUp(headers: readonly string[]): Iterable<readonly [string, string]> {
  for (let i = 0; i < headers.length; i += 2) yield [headers[i] ?? '', headers[i + 1] ?? ''];
}
