// One MCP message from an agent, as policy reads it.

import type { JsonObject } from '../content/json.ts';
import type { Reading, Unreadable } from '../reading.ts';

export interface McpMessage {
  readonly kind: 'request' | 'notification' | 'session';
  /** JSON-RPC method; `''` for a session's GET and DELETE, which have no message. */
  readonly method: string;
  /** Of tools/call. */
  readonly tool: string | null;
  readonly arguments: JsonObject | null;
}

export function readMessage(_reading: Reading): McpMessage | Unreadable {
  return { unreadable: 'is not read yet' };
}
