// `mcp`: which tools with which arguments, and which other methods, of an MCP server.

import { isTooLong } from '../content/content.ts';
import { compileArguments } from '../fields/arguments.ts';
import { compileGlob } from '../glob.ts';
import { compilePathPattern } from '../match.ts';
import type { Condition, Miss, Stance } from '../reading.ts';
import type { RulesetMcp } from '../ruleset.ts';
import { isUnreadable } from '../unreadable.ts';
import type { McpMessage } from './message.ts';
import { foldToolName } from './tool-name.ts';

/** What `tools` grants by itself: without these no client gets as far as to call one. */
const sessionMethods: readonly string[] = ['initialize', 'server/discover', 'ping', 'tools/list'];

interface Tool {
  readonly isNamed: (message: McpMessage) => boolean;
  readonly findMiss: (message: McpMessage) => Miss | null;
}

/**
 * A grant's `methods` never let a tool through that its `tools` do not name; without `tools` they may name tools/call
 * itself. A guard is not for the messages of the session, which harm nobody.
 */
export function compileMcp(mcp: RulesetMcp, stance: Stance): Condition {
  const tools = mcp.tools?.map((tool) => compileTool(tool, stance)) ?? null;
  const isMethod = compileMethods(mcp.methods ?? [], stance);
  const misses = describeMisses(mcp);
  return stance === 'grant'
    ? grantCondition(tools, isMethod, misses)
    : guardCondition(tools, isMethod, misses);
}

function grantCondition(
  tools: readonly Tool[] | null,
  isMethod: (method: string) => boolean,
  misses: Misses,
): Condition {
  return (reading) => {
    const message = reading.message();
    if (isUnreadable(message)) return isTooLong(message) ? misses.tooLarge : misses.unreadable;
    if (tools === null) return message.kind !== 'session' && isMethod(message.method) ? null : misses.method;
    if (message.tool === null) {
      return isOfSession(message) || isMethod(message.method) ? null : misses.method;
    }
    let closest = misses.tool;
    for (const tool of tools) {
      if (!tool.isNamed(message)) continue;
      const miss = tool.findMiss(message);
      if (miss === null) return null;
      if (closest === misses.tool) closest = miss;
    }
    return closest;
  };
}

function guardCondition(
  tools: readonly Tool[] | null,
  isMethod: (method: string) => boolean,
  misses: Misses,
): Condition {
  return (reading) => {
    const message = reading.message();
    if (isUnreadable(message)) return null;
    if (message.kind !== 'session' && isMethod(message.method)) return null;
    if (message.tool === null || tools === null) return misses.method;
    let closest = misses.tool;
    for (const tool of tools) {
      if (!tool.isNamed(message)) continue;
      const miss = tool.findMiss(message);
      if (miss === null) return null;
      closest = miss;
    }
    return closest;
  };
}

function isOfSession({ kind, method }: McpMessage): boolean {
  return kind !== 'request' || sessionMethods.includes(method);
}

function compileTool(tool: NonNullable<RulesetMcp['tools']>[number], stance: Stance): Tool {
  const matches = compileGlob(stance === 'grant' ? tool.name : foldToolName(tool.name));
  const isNamed = ({ tool: exact, foldedTool }: McpMessage): boolean =>
    matches((stance === 'grant' ? exact : foldedTool) ?? '');
  if (tool.arguments === undefined) return { isNamed, findMiss: () => null };
  const findMiss = compileArguments(tool.arguments, stance);
  // Made once for each of its misses, so that requests make none.
  const placed = new Map<Miss, Miss>();
  return {
    isNamed,
    findMiss: (message) => {
      const miss = findMiss(message.arguments);
      if (miss === null) return null;
      let inPlace = placed.get(miss);
      if (inPlace === undefined) {
        inPlace = { ...miss, field: `mcp.tools[${tool.name}].arguments.${miss.field}` };
        placed.set(miss, inPlace);
      }
      return inPlace;
    },
  };
}

/** Methods have segments as paths do: `resources/*` is those of one more, `**` any. */
function compileMethods(patterns: readonly string[], stance: Stance): (method: string) => boolean {
  const fold = (text: string): string => (stance === 'grant' ? text : text.toLowerCase());
  const compiled = patterns.map((pattern) => compilePathPattern(`/${fold(pattern)}`));
  if (compiled.length === 0) return () => false;
  // Agents repeat themselves, so requests split nothing.
  let last = '';
  let isLast = false;
  return (method) => {
    if (method !== last) {
      const segments = fold(method).split('/');
      isLast = compiled.some((match) => match(segments));
      last = method;
    }
    return isLast;
  };
}

interface Misses {
  readonly tool: Miss;
  readonly method: Miss;
  readonly unreadable: Miss;
  readonly tooLarge: Miss;
}

function describeMisses({ tools, methods }: RulesetMcp): Misses {
  const field = tools === undefined ? 'mcp.methods' : 'mcp.tools';
  const names = tools?.map((tool) => tool.name).join(', ') ?? '';
  const also = methods === undefined ? '' : `, or the method one of ${methods.join(', ')}`;
  return {
    tool: { field: 'mcp.tools', message: `The MCP tool must be one of ${names}.` },
    method: {
      field,
      message:
        tools === undefined
          ? `The MCP method must be one of ${methods?.join(', ') ?? ''}.`
          : `The message must call one of the MCP tools ${names}${also}.`,
    },
    unreadable: {
      field,
      message: 'The body must be one MCP message that can be read in one way.',
      reason: 'body_unreadable',
    },
    tooLarge: {
      field,
      message: 'The MCP message must not be longer than what is read of a body.',
      reason: 'body_too_large',
    },
  };
}
