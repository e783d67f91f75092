// The headers that repeat a message for those who do not read bodies. Policy decides by the body alone, and refuses
// what says something else in its headers, since a server or a balancer behind us may go by them.

import type { JsonObject, JsonValue } from '../content/json.ts';
import type { Unreadable } from '../unreadable.ts';

/** Published revisions of the protocol: https://modelcontextprotocol.io/specification/versioning */
export const protocolVersions: readonly string[] = [
  '2024-11-05',
  '2025-03-26',
  '2025-06-18',
  '2025-11-25',
  '2026-07-28',
];

export interface McpHeaders {
  readonly accept: string | null;
  /** Lower case, without parameters. */
  readonly mediaType: string | null;
  readonly sessionId: string | null;
  readonly protocolVersion: string | null;
  readonly method: string | null;
  readonly name: string | null;
  /** Values of Mcp-Param-*, decoded. */
  readonly params: readonly string[];
}

const single = ['mcp-session-id', 'mcp-protocol-version', 'mcp-method', 'mcp-name', 'content-type', 'origin'];
const undecodable: Unreadable = { unreadable: 'has an MCP header that cannot be decoded' };

/** @param headers names and values alternating, as in CanonicalRequest. */
export function readMcpHeaders(headers: readonly string[]): McpHeaders | Unreadable {
  const values = new Map<string, string>();
  const accepts: string[] = [];
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] ?? '';
    const value = headers[i + 1] ?? '';
    if (name === 'accept') accepts.push(value);
    if (!single.includes(name) && !name.startsWith('mcp-param-')) continue;
    if (values.has(name)) return { unreadable: `has the header ${name} twice` };
    values.set(name, value);
  }
  const protocolVersion = values.get('mcp-protocol-version') ?? null;
  if (protocolVersion !== null && !protocolVersions.includes(protocolVersion)) return unknownVersion;
  const sessionId = values.get('mcp-session-id') ?? null;
  // Visible ASCII, says the specification; a list would be two sessions.
  if (sessionId !== null && !/^[!-+\--~]+$/.test(sessionId))
    return { unreadable: 'has a malformed Mcp-Session-Id' };
  const name = values.get('mcp-name');
  const decodedName = name === undefined ? null : decode(name);
  const params = [...values]
    .filter(([key]) => key.startsWith('mcp-param-'))
    .map(([, value]) => decode(value));
  if ((name !== undefined && decodedName === null) || params.includes(null)) return undecodable;
  return {
    accept: accepts.length === 0 ? null : accepts.join(','),
    mediaType: values.get('content-type')?.split(';', 1)[0]?.trim().toLowerCase() ?? null,
    sessionId,
    protocolVersion,
    method: values.get('mcp-method') ?? null,
    name: decodedName,
    params: params.filter((value) => value !== null),
  };
}

const unknownVersion: Unreadable = { unreadable: 'is of a version of MCP that is not known' };
const mismatch: Unreadable = { unreadable: 'says in its MCP headers something else than in its body' };

export function findHeaderMismatch(
  headers: McpHeaders,
  method: string,
  params: JsonObject | undefined,
): Unreadable | null {
  if (headers.method !== null && headers.method !== method) return mismatch;
  if (headers.name !== null) {
    // Of resources the URI, of all others that have one the name.
    const source = method.startsWith('resources/') ? params?.get('uri') : params?.get('name');
    if (headers.name !== source) return mismatch;
  }
  const meta = params?.get('_meta');
  const version = meta instanceof Map ? meta.get('io.modelcontextprotocol/protocolVersion') : undefined;
  if (version !== undefined) {
    if (typeof version !== 'string' || !protocolVersions.includes(version)) return unknownVersion;
    if (headers.protocolVersion !== null && headers.protocolVersion !== version) return mismatch;
  }
  return paramsMismatch(headers.params, params?.get('arguments'));
}

/** Which argument an Mcp-Param header repeats only the tool's schema says, so it must at least repeat one. */
function paramsMismatch(values: readonly string[], given: JsonValue | undefined): Unreadable | null {
  if (values.length === 0) return null;
  const leaves = new Set<string>();
  if (given !== undefined) collectLeaves(given, leaves);
  const isRepeated = (value: string): boolean =>
    leaves.has(`text ${value}`) || (value.trim() !== '' && leaves.has(`number ${Number(value)}`));
  return values.every(isRepeated) ? null : mismatch;
}

/** Recursion is bounded by the depth that JSON is read to. */
function collectLeaves(value: JsonValue, leaves: Set<string>): void {
  if (value instanceof Map) for (const each of value.values()) collectLeaves(each, leaves);
  else if (isArray(value)) for (const each of value) collectLeaves(each, leaves);
  else if (typeof value === 'number') leaves.add(`number ${value}`);
  else if (typeof value === 'string' || typeof value === 'boolean') leaves.add(`text ${value}`);
}

function isArray(value: JsonValue): value is readonly JsonValue[] {
  return Array.isArray(value);
}

/** `=?base64?…?=` carries what a header cannot; null when it carries nothing that can be read in one way. */
function decode(value: string): string | null {
  const encoded = /^=\?base64\?(.*)\?=$/.exec(value)?.[1];
  if (encoded === undefined) return value;
  const bytes = Buffer.from(encoded, 'base64');
  if (bytes.toString('base64') !== encoded) return null;
  const text = bytes.toString('utf8');
  return Buffer.from(text, 'utf8').equals(bytes) ? text : null;
}
