// An executable GraphQL document (GraphQL specification of October 2021, section 2), parsed strictly: what is not
// known is refused. docs/decisions/0007-github-form.md says why it is no library.

import { readTokens, type Token } from './graphql-tokens.ts';

export type Value =
  /** A string, or an enum's name, which variables write as a string too. */
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'variable'; readonly name: string }
  | { readonly kind: 'list'; readonly items: readonly Value[] }
  | { readonly kind: 'object'; readonly fields: ReadonlyMap<string, Value> }
  | { readonly kind: 'null' }
  /** Something that nothing governed can be: a number or a Boolean. */
  | { readonly kind: 'opaque' };

export type Selection =
  | {
      readonly kind: 'field';
      /** Its own name, whatever its alias. */
      readonly name: string;
      readonly arguments: ReadonlyMap<string, Value>;
      /** Null for a leaf. */
      readonly selections: readonly Selection[] | null;
    }
  | { readonly kind: 'spread'; readonly fragment: string }
  | { readonly kind: 'inline'; readonly selections: readonly Selection[] };

export interface Operation {
  readonly kind: 'query' | 'mutation' | 'subscription';
  readonly name: string | null;
  /** Each with its default; null without one. */
  readonly variables: ReadonlyMap<string, Value | null>;
  readonly selections: readonly Selection[];
}

export interface Document {
  readonly operations: readonly Operation[];
  readonly fragments: ReadonlyMap<string, readonly Selection[]>;
}

/** As deep as JSON may be (H-51). */
const maxDepth = 64;

/** Thrown and caught in this file only: a descent has no other short way out. */
class Unexpected extends Error {}

/** Null for anything that is not exactly an executable document. */
export function parseDocument(source: string): Document | null {
  const tokens = readTokens(source);
  if (tokens === null) return null;
  try {
    return createParser(tokens).document();
  } catch (error) {
    if (error instanceof Unexpected) return null;
    throw error;
  }
}

function createParser(tokens: readonly Token[]): { document: () => Document } {
  let at = 0;
  let depth = 0;
  /** Within a variable's default, where there are no variables. */
  let isConstant = false;

  function isMark(text: string): boolean {
    const token = tokens[at];
    return token?.kind === 'mark' && token.text === text;
  }

  function skip(text: string): boolean {
    if (!isMark(text)) return false;
    at += 1;
    return true;
  }

  function expect(text: string): void {
    if (!skip(text)) throw new Unexpected();
  }

  function name(): string {
    const token = tokens[at];
    if (token?.kind !== 'name') throw new Unexpected();
    at += 1;
    return token.text;
  }

  function nested<T>(read: () => T): T {
    depth += 1;
    if (depth > maxDepth) throw new Unexpected();
    const value = read();
    depth -= 1;
    return value;
  }

  /** One or more between two marks. */
  function several<T>(open: string, close: string, read: () => T): T[] {
    expect(open);
    const items = [read()];
    while (!skip(close)) items.push(read());
    return items;
  }

  /** Pairs of a name and a value, each name once. */
  function pairs(open: string, close: string, isEmptyAllowed: boolean): Map<string, Value> {
    const fields = new Map<string, Value>();
    expect(open);
    while (!skip(close)) {
      const key = name();
      expect(':');
      if (fields.has(key)) throw new Unexpected();
      fields.set(key, nested(value));
    }
    if (fields.size === 0 && !isEmptyAllowed) throw new Unexpected();
    return fields;
  }

  function value(): Value {
    if (isMark('{')) return { kind: 'object', fields: pairs('{', '}', true) };
    if (!isConstant && skip('$')) return { kind: 'variable', name: name() };
    if (skip('[')) {
      const items: Value[] = [];
      while (!skip(']')) items.push(nested(value));
      return { kind: 'list', items };
    }
    const token = tokens[at];
    if (token === undefined || token.kind === 'mark') throw new Unexpected();
    at += 1;
    if (token.kind === 'number') return { kind: 'opaque' };
    if (token.kind === 'string') return { kind: 'text', text: token.text };
    if (token.text === 'null') return { kind: 'null' };
    return token.text === 'true' || token.text === 'false'
      ? { kind: 'opaque' }
      : { kind: 'text', text: token.text };
  }

  /** `@include` and `@skip` may drop a field, never add one: what they are on counts as there. */
  function directives(): void {
    while (skip('@')) {
      name();
      if (isMark('(')) pairs('(', ')', false);
    }
  }

  function type(): void {
    if (skip('[')) {
      nested(type);
      expect(']');
    } else name();
    skip('!');
  }

  function variables(): Map<string, Value | null> {
    const defined = new Map<string, Value | null>();
    if (!isMark('(')) return defined;
    several('(', ')', () => {
      expect('$');
      const key = name();
      expect(':');
      type();
      if (defined.has(key)) throw new Unexpected();
      isConstant = true;
      defined.set(key, skip('=') ? value() : null);
      isConstant = false;
      directives();
    });
    return defined;
  }

  function selections(): readonly Selection[] {
    return nested(() => several('{', '}', selection));
  }

  function selection(): Selection {
    if (skip('...')) return spread();
    const first = name();
    const own = skip(':') ? name() : first;
    const given = isMark('(') ? pairs('(', ')', false) : new Map<string, Value>();
    directives();
    return { kind: 'field', name: own, arguments: given, selections: isMark('{') ? selections() : null };
  }

  function spread(): Selection {
    const token = tokens[at];
    if (token?.kind === 'name' && token.text !== 'on') {
      at += 1;
      directives();
      return { kind: 'spread', fragment: token.text };
    }
    if (token?.kind === 'name') {
      at += 1;
      name();
    }
    directives();
    return { kind: 'inline', selections: selections() };
  }

  function operation(): Operation {
    if (isMark('{')) return { kind: 'query', name: null, variables: new Map(), selections: selections() };
    const kind = name();
    if (kind !== 'query' && kind !== 'mutation' && kind !== 'subscription') throw new Unexpected();
    const own = tokens[at]?.kind === 'name' ? name() : null;
    const defined = variables();
    directives();
    return { kind, name: own, variables: defined, selections: selections() };
  }

  function document(): Document {
    const operations: Operation[] = [];
    const fragments = new Map<string, readonly Selection[]>();
    while (at < tokens.length) {
      const token = tokens[at];
      if (token?.kind !== 'name' || token.text !== 'fragment') {
        operations.push(operation());
        continue;
      }
      at += 1;
      const own = name();
      if (own === 'on' || fragments.has(own) || name() !== 'on') throw new Unexpected();
      name();
      directives();
      fragments.set(own, selections());
    }
    if (operations.length === 0) throw new Unexpected();
    return { operations, fragments };
  }

  return { document };
}
