// What conditions look at: one request, read as far as some rule needs it and never twice. Each reader gives what
// it read or why it could not; a grant takes the latter as no match, a guard as a match.

import { readContent, type Content } from './content/content.ts';
import { readPairs, type Pairs } from './content/form.ts';
import { createHeaderTree, createNameTree, noNames, type NameNode } from './fields/name-tree.ts';
import { readMessage, type McpMessage } from './mcp/message.ts';
import type { CanonicalRequest } from './request.ts';
import { isUnreadable, type Unreadable } from './unreadable.ts';

export { isUnreadable, type Unreadable };

export interface Reading {
  readonly request: CanonicalRequest;
  /** Labels of the host. */
  readonly labels: () => readonly string[];
  /** Wall-clock time in milliseconds since the epoch; null while the clock is in doubt. */
  readonly nowMs: number | null;
  /** The query's parameters, decoded. */
  readonly parameters: () => Pairs | Unreadable;
  /** The body by its media type; an unread one is unreadable. */
  readonly content: () => Content | Unreadable;
  /** The query's names by what servers could take them for. */
  readonly parameterNames: () => NameNode | Unreadable;
  /** The same of a form; empty when the body is none. */
  readonly formNames: () => NameNode;
  readonly headerNames: () => NameNode;
  /** The body as one MCP message. */
  readonly message: () => McpMessage | Unreadable;
}

/** Why a rule does not match: made once per rule and field, so that it holds nothing of any request. */
export interface Miss {
  /** A field of the rule, such as `body.fields[/amount]`. */
  readonly field: string;
  /** One sentence: what the rule asks for there. */
  readonly message: string;
  /** A better reason than no_grant for the refusal, when this was what stood in the way. */
  readonly reason?: 'body_unreadable' | 'body_too_large' | 'request_ambiguous';
}

/** Null when it matches: for a grant when that is proved, for a guard when it cannot be ruled out. */
export type Condition = (reading: Reading) => Miss | null;

/** Whether a condition grants or guards. */
export type Stance = 'grant' | 'guard';

/** How much of the body a condition needs to see before it can say anything. */
export interface BodyNeed {
  readonly maxBytes: number;
  /** `flush`: up to git's flush packet; the rest is not looked at and may be of any size. */
  readonly until: 'end' | 'flush';
}

export function createReading(request: CanonicalRequest, nowMs: number | null): Reading {
  let parameters: Pairs | Unreadable | null = null;
  let content: Content | Unreadable | null = null;
  let parameterNames: NameNode | Unreadable | null = null;
  let formNames: NameNode | null = null;
  let headerNames: NameNode | null = null;
  let message: McpMessage | Unreadable | null = null;
  const reading: Reading = {
    request,
    labels: () => request.host.split('.'),
    nowMs,
    parameters: () => (parameters ??= readPairs(request.query ?? '')),
    content: () => (content ??= readContent(request)),
    parameterNames: () => (parameterNames ??= namesOf(reading.parameters())),
    formNames: () => (formNames ??= formNamesOf(reading.content())),
    headerNames: () => (headerNames ??= createHeaderTree(request.headers)),
    message: () => (message ??= readMessage(reading)),
  };
  return reading;
}

function namesOf(pairs: Pairs | Unreadable): NameNode | Unreadable {
  return isUnreadable(pairs) ? pairs : createNameTree(pairs);
}

function formNamesOf(content: Content | Unreadable): NameNode {
  return !isUnreadable(content) && content.kind === 'Form' ? createNameTree(content.pairs) : noNames;
}
