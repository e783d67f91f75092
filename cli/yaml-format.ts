// One way to write a resource file: keys in one order, quotes only where they are needed, comments where they were.
// The author still chooses between lines and braces, as long as braces fit on one line.

import { isDeepStrictEqual } from 'node:util';
import {
  Document,
  isCollection,
  isMap,
  isPair,
  isScalar,
  isSeq,
  Lexer,
  parseAllDocuments,
  parseDocument,
  Scalar,
  visit,
  type Node,
  type Pair,
  type ToStringOptions,
  type YAMLMap,
  type YAMLSeq,
} from 'yaml';
import { apiGroup } from '../policy/contract.ts';
import { keyOrder } from './key-order.ts';
import { ambiguityMessage, ambiguousScalars, elsewhereOtherwise } from './source-files.ts';

/** As wide as the widest line that a review shows without scrolling. */
const maxLineLength = 110;
const output: ToStringOptions = { lineWidth: 0, flowCollectionPadding: true };

export class FormatProblem extends Error {
  override readonly name = 'FormatProblem';
}

/**
 * The file in its canonical form; one that holds nothing of ours is left as it is.
 * @throws {FormatProblem} when it is no YAML, or would not mean the same.
 */
export function formatYaml(text: string): string {
  const ours = parse(text).filter((document) => kindOf(document) !== null);
  if (ours.length === 0) return text;
  const [ambiguous] = ours.flatMap(ambiguousScalars);
  if (ambiguous !== undefined) throw new FormatProblem(ambiguityMessage(ambiguous.text));
  // Comments at the end of a block can move to the next one out, which is seen only when the result is read again.
  let formatted = formatOnce(text);
  for (let round = 0; formatted !== (formatted = formatOnce(formatted)); round += 1) {
    if (round > 3) throw new FormatProblem('has comments that find no place to rest; please report it');
  }
  // Nobody reviews what a formatter did, so it proves by itself that it did nothing.
  for (const version of ['1.1', '1.2'] as const) {
    if (!isDeepStrictEqual(valuesOf(text, version), valuesOf(formatted, version)))
      throw new FormatProblem('cannot be formatted without changing what it means; please report it');
  }
  if (!isDeepStrictEqual(commentsOf(text), commentsOf(formatted)))
    throw new FormatProblem('cannot be formatted without losing a comment; please report it');
  return formatted;
}

function formatOnce(text: string): string {
  return parse(text)
    .filter(({ contents, comment, commentBefore }) => !isNothing(contents) || comment || commentBefore)
    .map(format)
    .join('');
}

function parse(text: string): Document[] {
  const documents = parseAllDocuments(text, { intAsBigInt: true, logLevel: 'silent' });
  if (!Array.isArray(documents)) return [];
  const error = documents.flatMap(({ errors }) => errors)[0];
  if (error !== undefined) throw new FormatProblem(error.message.split('\n')[0] ?? 'is no YAML');
  return documents as Document[];
}

function valuesOf(text: string, version: '1.1' | '1.2'): unknown[] {
  return (parseAllDocuments(text, { version, intAsBigInt: true, logLevel: 'silent' }) as Document[])
    .filter(({ contents }) => !isNothing(contents))
    .map((document) => document.toJS({ maxAliasCount: 100 }) as unknown);
}

function commentsOf(text: string): string[] {
  return [...new Lexer().lex(text)]
    .filter((lexeme) => lexeme.startsWith('#'))
    .map((each) => each.trimEnd())
    .toSorted();
}

function isNothing(contents: unknown): boolean {
  return contents === null || (isScalar(contents) && contents.value === null);
}

/** The kind of an object of our group. */
function kindOf(document: Document): string | null {
  const { contents } = document;
  if (!isMap(contents)) return null;
  const [apiVersion, kind] = [contents.get('apiVersion'), contents.get('kind')];
  const isOurs = typeof apiVersion === 'string' && apiVersion.startsWith(`${apiGroup}/`);
  return isOurs && typeof kind === 'string' ? kind : null;
}

function format(document: Document, index: number): string {
  const kind = kindOf(document);
  let hasAlias = false;
  visit(document, {
    Alias: () => {
      hasAlias = true;
    },
    Scalar: (_, scalar) => {
      const { value, type } = scalar;
      const isQuoted = type === Scalar.QUOTE_DOUBLE || type === Scalar.QUOTE_SINGLE;
      if (typeof value !== 'string') return;
      if (isQuoted) scalar.type = styleOf(value);
      // Blocks whose lines begin or end with spaces need indentation indicators, which hardly anybody can read.
      else if (type !== Scalar.PLAIN && /^(?:\s|$)|[ \t]$|[ \t]\n|\n[ \t]/.test(value))
        scalar.type = Scalar.QUOTE_DOUBLE;
    },
    Collection: (_, collection) => {
      padFlow(collection);
    },
  });
  // An alias must stay behind its anchor.
  if (kind !== null && !hasAlias) orderKeys(document.contents, kind, []);
  if (isCollection(document.contents)) unfoldLong(document.contents, 0, 0);
  if (document.directives !== undefined) {
    document.directives.docStart = index > 0 ? true : null;
    document.directives.docEnd = false;
  }
  return document.toString(output);
}

/** Quotes stay around what YAML 1.1 reads as no string, since kubectl reads so; backslashes need no second one. */
function styleOf(text: string): Scalar.Type {
  if (isPlain(text)) return Scalar.PLAIN;
  const isSingle = !text.includes("'") && !text.includes('\n') && /["\\]/.test(text);
  return isSingle ? Scalar.QUOTE_SINGLE : Scalar.QUOTE_DOUBLE;
}

function isPlain(text: string): boolean {
  if (elsewhereOtherwise.test(text)) return false;
  return (['1.1', '1.2'] as const).every((version) => {
    const document = parseDocument(text, { version, logLevel: 'silent' });
    return document.errors.length === 0 && isScalar(document.contents) && document.contents.value === text;
  });
}

function orderKeys(node: unknown, kind: string, path: readonly string[], isValue = true): void {
  if (isSeq(node)) {
    for (const item of node.items) orderKeys(item, kind, path, false);
  }
  if (!isMap(node)) return;
  for (const { key, value } of node.items) orderKeys(value, kind, [...path, keyText(key)]);
  const order = keyOrder(kind, path);
  if (order === null) return;
  const rank = ({ key }: Pair): number => order.get(keyText(key)) ?? order.size;
  const sorted = node.items.toSorted((a, b) => rank(a) - rank(b));
  const [before, after] = [node.items[0]?.key, sorted[0]?.key];
  if (before === after) return void (node.items = sorted);
  // The parser gives a first comment to the map or to its first key. At the top it is about the whole, elsewhere about
  // that key; in a list it stands before the dash.
  if (isScalar(before) && path.length === 0 && before.commentBefore) {
    node.commentBefore = joined(node.commentBefore, before.commentBefore);
    before.commentBefore = null;
  } else if (isScalar(before) && isValue && node.commentBefore) {
    before.commentBefore = joined(node.commentBefore, before.commentBefore);
    node.commentBefore = null;
  }
  if (isScalar(after) && after.spaceBefore) {
    after.spaceBefore = false;
    if (isScalar(before)) before.spaceBefore = true;
  }
  node.items = sorted;
}

function joined(...comments: readonly (string | null | undefined)[]): string {
  return comments.filter((comment) => comment != null).join('\n');
}

function keyText(key: unknown): string {
  return String(isScalar(key) ? key.value : key);
}

/** `{ a: 1 }`, but `[a, b]`: the library has one setting for both. */
function padFlow(collection: YAMLMap | YAMLSeq): void {
  const padding = isMap(collection) ? ' ' : '';
  const write = collection.toString.bind(collection) as (context?: object, ...rest: unknown[]) => string;
  collection.toString = (context?: object, ...rest: unknown[]) =>
    write(context && { ...context, flowCollectionPadding: padding }, ...rest);
}

function lineOf(node: Node): string {
  const alone = new Document(null);
  alone.contents = node as typeof alone.contents;
  return alone.toString({ ...output, verifyAliasOrder: false }).trimEnd();
}

/** Gives a line to each item of what is in braces and does not fit, or has comments inside. */
function unfoldLong(node: unknown, indent: number, column: number): void {
  if (!isCollection(node) || node.items.length === 0) return;
  if (node.flow === true) {
    const line = lineOf(node);
    if (!line.includes('\n') && column + line.length <= maxLineLength) return;
    node.flow = false;
  }
  for (const item of node.items) {
    const value = isPair(item) ? item.value : item;
    const key = isPair(item) ? keyText(item.key).length + 2 : 2;
    unfoldLong(value, indent + 2, indent + key);
  }
}
