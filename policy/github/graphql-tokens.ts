// Tokens of a GraphQL document (GraphQL specification of October 2021, section 2.1), read in one pass. Where servers'
// lexers differ (block strings, \u{…}, a lone carriage return, a BOM) the document is refused: text that one of them
// takes for a string is a field to another.

export type Token =
  | { readonly kind: 'mark'; readonly text: string }
  | { readonly kind: 'name'; readonly text: string }
  /** Decoded. */
  | { readonly kind: 'string'; readonly text: string }
  | { readonly kind: 'number'; readonly text: string };

/** gh's longest query has about a thousand. */
const maxTokens = 50_000;

const spaces = /[ \t\r\n,]+/y;
const comment = /#[^\r\n]*/y;
const mark = /\.\.\.|[!$()[\]{}:=@]/y;
const name = /[_A-Za-z][_0-9A-Za-z]*/y;
/** Not followed by what would make it another number or a name. */
const number = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?(?![_0-9A-Za-z.])/y;
const escape = /["\\/bfnrt]|u[0-9a-fA-F]{4}/y;
const escapes: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' };

/** Null for what is no document. */
export function readTokens(source: string): readonly Token[] | null {
  if (/\r(?!\n)/.test(source)) return null;
  const tokens: Token[] = [];
  let at = 0;

  function take(pattern: RegExp): string | null {
    pattern.lastIndex = at;
    const found = pattern.exec(source);
    if (found === null) return null;
    at = pattern.lastIndex;
    return found[0];
  }

  /** From behind the opening quote to behind the closing one. */
  function takeString(): string | null {
    let text = '';
    let from = at;
    for (;;) {
      const code = source.charCodeAt(at);
      // NaN at the end of the source; control characters but the tab are no part of a string.
      if (Number.isNaN(code) || (code < 0x20 && code !== 0x09)) return null;
      if (code !== 0x22 && code !== 0x5c) {
        at += 1;
        continue;
      }
      text += source.slice(from, at);
      at += 1;
      if (code === 0x22) return text.isWellFormed() ? text : null;
      const one = take(escape);
      if (one === null) return null;
      text += one.length > 1 ? String.fromCharCode(Number.parseInt(one.slice(1), 16)) : (escapes[one] ?? one);
      from = at;
    }
  }

  function takeToken(): Token | null {
    const word = take(name);
    if (word !== null) return { kind: 'name', text: word };
    const sign = take(mark);
    if (sign !== null) return { kind: 'mark', text: sign };
    if (source.startsWith('"', at) && !source.startsWith('"""', at)) {
      at += 1;
      const text = takeString();
      return text === null ? null : { kind: 'string', text };
    }
    const digits = take(number);
    return digits === null ? null : { kind: 'number', text: digits };
  }

  for (;;) {
    while (take(spaces) !== null || take(comment) !== null);
    if (at === source.length) return tokens;
    const token = takeToken();
    if (token === null || tokens.length === maxTokens) return null;
    tokens.push(token);
  }
}
