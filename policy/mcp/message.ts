// One MCP message from an agent, as policy reads it: JSON-RPC 2.0 over Streamable HTTP
// (https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/streamable-http). What a lenient server
// might read otherwise is unreadable: batches, unknown members, another letter case, headers that differ from the body.

import type { JsonObject, JsonValue } from '../content/json.ts';
import { foldCase } from '../fields/spelling.ts';
import type { Reading } from '../reading.ts';
import { isUnreadable, type Unreadable } from '../unreadable.ts';
import { findHeaderMismatch, readMcpHeaders, type McpHeaders } from './headers.ts';
import { findToolNameProblem, foldToolName } from './tool-name.ts';

export interface McpMessage {
  readonly kind: 'request' | 'notification' | 'session';
  /** JSON-RPC method; `''` for a session's GET and DELETE, which have no message. */
  readonly method: string;
  /** Of tools/call. */
  readonly tool: string | null;
  /** What a server might take for the same tool; for guards. */
  readonly foldedTool: string | null;
  readonly arguments: JsonObject | null;
}

const session: McpMessage = { kind: 'session', method: '', tool: null, foldedTool: null, arguments: null };

export function readMessage(reading: Reading): McpMessage | Unreadable {
  const headers = readMcpHeaders(reading.request.headers);
  if (isUnreadable(headers)) return headers;
  switch (reading.request.method) {
    case 'POST':
      return readPost(reading, headers);
    case 'GET':
      return readSession(reading, /(?:^|[,\s])text\/event-stream(?:$|[;,\s])/i.test(headers.accept ?? ''));
    case 'DELETE':
      return readSession(reading, headers.sessionId !== null);
    default:
      return { unreadable: `has the method ${reading.request.method}, which MCP does not have` };
  }
}

function readSession(reading: Reading, isSession: boolean): McpMessage | Unreadable {
  const content = reading.content();
  if (isUnreadable(content)) return content;
  if (content.kind !== 'None') return { unreadable: 'has a body where MCP has none' };
  if (!isSession) {
    return { unreadable: 'neither asks for text/event-stream nor names a session, and has no message' };
  }
  return session;
}

function readPost(reading: Reading, headers: McpHeaders): McpMessage | Unreadable {
  if (headers.mediaType !== 'application/json') {
    return { unreadable: 'is not sent as application/json' };
  }
  const content = reading.content();
  if (isUnreadable(content)) return content;
  if (content.kind !== 'Json') return { unreadable: 'is not JSON' };
  const message = content.value;
  if (Array.isArray(message)) return { unreadable: 'is a batch of messages' };
  if (!(message instanceof Map)) return { unreadable: 'is not a JSON-RPC message' };
  return readRpc(message, headers);
}

const members = ['jsonrpc', 'id', 'method', 'params'];

function readRpc(message: JsonObject, headers: McpHeaders): McpMessage | Unreadable {
  for (const key of message.keys()) {
    if (!members.includes(key)) return { unreadable: 'has a member that JSON-RPC requests do not have' };
  }
  if (message.get('jsonrpc') !== '2.0') return { unreadable: 'is not JSON-RPC 2.0' };
  const method = message.get('method');
  if (typeof method !== 'string' || !/^[\w$.-]+(?:\/[\w$.-]+)*$/.test(method)) {
    return { unreadable: 'has no method that can be read in one way' };
  }
  if (method !== 'tools/call' && method.toLowerCase() === 'tools/call') {
    return { unreadable: 'calls a tool in another letter case' };
  }
  const params = message.get('params');
  if (params !== undefined && !(params instanceof Map))
    return { unreadable: 'has params other than an object' };
  const meta = params?.get('_meta');
  if (meta !== undefined && !(meta instanceof Map)) return { unreadable: 'has a _meta other than an object' };
  const isNotification = method.startsWith('notifications/');
  if (isNotification === message.has('id')) {
    return { unreadable: isNotification ? 'is a notification with an id' : 'is a request without an id' };
  }
  if (!isNotification && !isId(message.get('id'))) {
    return { unreadable: 'has an id other than a string or an integer' };
  }
  const call = method === 'tools/call' ? readCall(params) : noCall;
  if (isUnreadable(call)) return call;
  const mismatch = findHeaderMismatch(headers, method, params);
  if (mismatch !== null) return mismatch;
  return { kind: isNotification ? 'notification' : 'request', method, ...call };
}

function isId(id: JsonValue | undefined): boolean {
  return typeof id === 'string' || (typeof id === 'number' && Number.isSafeInteger(id));
}

type Call = Pick<McpMessage, 'tool' | 'foldedTool' | 'arguments'>;
const noCall: Call = { tool: null, foldedTool: null, arguments: null };

function readCall(params: JsonObject | undefined): Call | Unreadable {
  if (params === undefined) return { unreadable: 'calls a tool without saying which' };
  for (const key of params.keys()) {
    const folded = foldCase(key);
    if (key !== folded && (folded === 'name' || folded === 'arguments')) {
      return { unreadable: 'has the name or the arguments of a tool in another letter case' };
    }
  }
  const tool = params.get('name');
  if (typeof tool !== 'string') return { unreadable: 'calls a tool without saying which' };
  const problem = findToolNameProblem(tool);
  if (problem !== null) return problem;
  const given = params.get('arguments');
  if (given !== undefined && !(given instanceof Map))
    return { unreadable: 'has arguments other than an object' };
  return { tool, foldedTool: foldToolName(tool), arguments: given ?? null };
}
