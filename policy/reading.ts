// What conditions look at: one request, read as far as some rule needs it and never twice. Each reader gives what
// it read or why it could not; a grant takes the latter as no match, a guard as a match.

import { readContent, type Content } from './content/content.ts';
import { mediaKind as readMediaKind, type MediaKind } from './content/media-type.ts';
import { readPairs, type Pairs } from './content/form.ts';
import { createHeaderTree, createNameTree, noNames, type NameNode } from './fields/name-tree.ts';
import { readMessage, type McpMessage } from './mcp/message.ts';
import { mayHoldOverride, mayOverride } from './method-override.ts';
import { findMinting } from './minting/lookup.ts';
import type { CanonicalRequest } from './request.ts';
import { isUnreadable, type Unreadable } from './unreadable.ts';

export { isUnreadable, type Unreadable };

export interface Reading {
  readonly request: CanonicalRequest;
  /** Labels of the host. */
  labels(): readonly string[];
  /** Wall-clock time in milliseconds since the epoch; null while the clock is in doubt. */
  readonly nowMs: number | null;
  /** The query's parameters, decoded. */
  parameters(): Pairs | Unreadable;
  /** The body by its media type; an unread one is unreadable. */
  content(): Content | Unreadable;
  /** The query's names by what servers could take them for. */
  parameterNames(): NameNode | Unreadable;
  /** The same of a form; empty when the body is none. */
  formNames(): NameNode;
  headerNames(): NameNode;
  /** The body as one MCP message. */
  message(): McpMessage | Unreadable;
  /** What the Content-Type says, also of a body that is not read. */
  mediaKind(): MediaKind | 'unreadable';
  /** Whether the query may name another method than the request has. */
  overridesMethod(): boolean;
  /** Why no glob grants it, of a request that asks for credentials to be minted. */
  minting(): Miss | null;
}

/** Why a rule does not match: made once per rule and field, so that it holds nothing of any request. */
export interface Miss {
  /** A field of the rule, such as `body.fields[/amount]`. */
  readonly field: string;
  /** One sentence: what the rule asks for there. */
  readonly message: string;
  /** The reason for the refusal, when this was what stood in the way; absent: what the request gives cause for. */
  readonly reason?: 'no_grant' | 'body_unreadable' | 'body_too_large' | 'request_ambiguous';
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

interface Kept extends Reading {
  keptParameters: Pairs | Unreadable | null;
  keptContent: Content | Unreadable | null;
  keptParameterNames: NameNode | Unreadable | null;
  keptFormNames: NameNode | null;
  keptHeaderNames: NameNode | null;
  keptMessage: McpMessage | Unreadable | null;
  keptMediaKind: MediaKind | 'unreadable' | null;
  /** Undefined until somebody asks; null is an answer. */
  keptMinting: Miss | null | undefined;
}

/** One object per request: what its functions read is kept beside them, and the functions are shared. */
export function createReading(request: CanonicalRequest, nowMs: number | null): Reading {
  const reading: Kept = {
    request,
    nowMs,
    keptParameters: null,
    keptContent: null,
    keptParameterNames: null,
    keptFormNames: null,
    keptHeaderNames: null,
    keptMessage: null,
    keptMediaKind: null,
    keptMinting: undefined,
    labels,
    parameters,
    content,
    parameterNames,
    formNames,
    headerNames,
    message,
    mediaKind,
    overridesMethod,
    minting,
  };
  return reading;
}

function labels(this: Kept): readonly string[] {
  return this.request.host.split('.');
}

function parameters(this: Kept): Pairs | Unreadable {
  return (this.keptParameters ??= readPairs(this.request.query ?? ''));
}

function content(this: Kept): Content | Unreadable {
  return (this.keptContent ??= readContent(this.request));
}

function parameterNames(this: Kept): NameNode | Unreadable {
  return (this.keptParameterNames ??= namesOf(this.parameters()));
}

function formNames(this: Kept): NameNode {
  return (this.keptFormNames ??= formNamesOf(this.content()));
}

function headerNames(this: Kept): NameNode {
  return (this.keptHeaderNames ??= createHeaderTree(this.request.headers));
}

function message(this: Kept): McpMessage | Unreadable {
  return (this.keptMessage ??= readMessage(this));
}

function mediaKind(this: Kept): MediaKind | 'unreadable' {
  return (this.keptMediaKind ??= readMediaKind(this.request.headers) ?? 'unreadable');
}

function overridesMethod(this: Kept): boolean {
  return mayHoldOverride(this.request.query) && mayOverride(this.parameters());
}

function minting(this: Kept): Miss | null {
  if (this.keptMinting === undefined) this.keptMinting = findMinting(this);
  return this.keptMinting;
}

function namesOf(pairs: Pairs | Unreadable): NameNode | Unreadable {
  return isUnreadable(pairs) ? pairs : createNameTree(pairs);
}

function formNamesOf(read: Content | Unreadable): NameNode {
  return !isUnreadable(read) && read.kind === 'Form' ? createNameTree(read.pairs) : noNames;
}
