// Objects from YAML files, each knowing where its fields stand, so that what is wrong with one can be pointed at.

import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import {
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  parseAllDocuments,
  Scalar,
  visit,
  type Document,
  type Pair,
} from 'yaml';
import { apiGroup } from '../policy/contract.ts';
import { printable } from './printable.ts';
import { UsageError } from './usage-error.ts';

export interface Place {
  readonly file: string;
  /** From 1. */
  readonly document: number;
  /** From 1, as columns. */
  readonly line: number;
  readonly column: number;
}

export interface SourceObject {
  readonly value: unknown;
  /** Of the whole. */
  readonly place: Place;
  /** Of a field such as `spec.rules[0].hosts`; where it is absent, of what it is absent from. */
  readonly placeOf: (field: string) => Place;
}

export interface SourceProblem {
  readonly place: Place;
  /** Such as `AgentPolicy`; null when it is about the text itself. */
  readonly object: string | null;
  /** Such as `spec.rules[0].hosts`. */
  readonly field: string | null;
  readonly message: string;
}

/** One line, as compilers write it. */
export function problemText({ place, object, field, message }: SourceProblem): string {
  const where = `${place.file}:${place.line}, document ${place.document}`;
  const parts = [where, object, field, message].filter((part) => part !== null && part !== '');
  return printable(parts.join(': '));
}

export interface SourceFiles {
  readonly objects: readonly SourceObject[];
  readonly problems: readonly SourceProblem[];
}

/** Reads every .yaml, .yml and .json file below directories, or single files. */
export function readSourceFiles(paths: readonly string[]): SourceFiles {
  const read = paths.flatMap(listFiles).map((file) => readSource(file, readFileSync(file, 'utf8')));
  return {
    objects: read.flatMap(({ objects }) => objects),
    problems: read.flatMap(({ problems }) => problems),
  };
}

/**
 * Files of resources below a directory, but nothing hidden or installed; `secrets` beside them are values, and
 * kustomizations are no objects.
 * @throws {UsageError}
 */
export function listFiles(path: string): string[] {
  let isDirectory: boolean;
  try {
    isDirectory = statSync(path).isDirectory();
  } catch {
    throw new UsageError(`${path} does not exist; name a directory or a file of resources`);
  }
  if (!isDirectory) return [path];
  const files = readdirSync(path, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && /\.(?:ya?ml|json)$/.test(entry.name))
    .filter((entry) => !/^kustomization\.ya?ml$/.test(entry.name))
    .map((entry) => relative(path, join(entry.parentPath, entry.name)))
    .filter((file) => !/^secrets\/|(?:^|\/)(?:\.|node_modules\/)/.test(file))
    .map((file) => join(path, file))
    .toSorted();
  if (files.length === 0) throw new UsageError(`${path} holds no .yaml, .yml or .json file`);
  return files;
}

export function readSource(file: string, text: string): SourceFiles {
  const lines = new LineCounter();
  // What is read is checked before it is used: warnings would go to the console.
  const documents = parseAllDocuments(text, { lineCounter: lines, logLevel: 'silent' }) as Document[];
  const objects: SourceObject[] = [];
  const problems: SourceProblem[] = [];
  for (const [index, document] of documents.entries()) {
    const placeAt = (offset: number): Place => {
      const { line, col } = lines.linePos(offset);
      return { file, document: index + 1, line: Math.max(line, 1), column: Math.max(col, 1) };
    };
    const broken = document.errors.map(({ message, pos }) => ({
      place: placeAt(pos[0]),
      object: null,
      field: null,
      message: message.split('\n')[0]?.replace(/ at line \d+, column \d+:?$/, '') ?? 'is no YAML',
    }));
    problems.push(...broken);
    if (broken.length > 0) continue;
    const value = document.toJS({ maxAliasCount: 100 }) as unknown;
    if (value === null || value === undefined) continue;
    if (isOurs(value)) problems.push(...ambiguitiesIn(document, placeAt));
    const start = document.contents?.range?.[0] ?? 0;
    objects.push({
      value,
      place: placeAt(start),
      placeOf: (field) => placeAt(offsetOf(document.contents, field) ?? start),
    });
  }
  return { objects, problems };
}

function isOurs(value: unknown): boolean {
  const { apiVersion } = value as { apiVersion?: unknown };
  return typeof apiVersion === 'string' && apiVersion.startsWith(`${apiGroup}/`);
}

function ambiguitiesIn(document: Document, placeAt: (offset: number) => Place): SourceProblem[] {
  return ambiguousScalars(document).map(({ text, offset }) => ({
    place: placeAt(offset),
    object: null,
    field: null,
    message: ambiguityMessage(text),
  }));
}

/** kubectl reads YAML 1.1: `yes` is true there, 010 is 8, 0b1 and 1_000 are numbers, and a key << merges. */
export const elsewhereOtherwise =
  /^(?:y|Y|yes|Yes|YES|on|On|ON|n|N|no|No|NO|off|Off|OFF|<<|[-+]?0[0-9_]+|[-+]?0b[01_]+|[-+]?[0-9][0-9_]*_[0-9_]*(?:\.[0-9_]*)?)$/;

export function ambiguityMessage(text: string): string {
  return `${text} without quotes is read in two ways, as text and as kubectl does: write "${text}", or true, false or a decimal number`;
}

export function ambiguousScalars(document: Document): { text: string; offset: number }[] {
  const found: { text: string; offset: number }[] = [];
  visit(document, {
    Scalar: (_, scalar) => {
      const { source: text, type, range } = scalar;
      if (type === Scalar.PLAIN && text !== undefined && elsewhereOtherwise.test(text))
        found.push({ text, offset: range?.[0] ?? 0 });
    },
  });
  return found;
}

/** Where the deepest part of a field's path stands that is there; names may themselves hold dots and brackets. */
function offsetOf(node: unknown, field: string): number | null {
  if (field === '') return null;
  if (isSeq(node)) {
    const [whole = '', index = ''] = /^\[(\d+)\]\.?/.exec(field) ?? [];
    const item: unknown = whole === '' ? undefined : node.items[Number(index)];
    return item === undefined ? null : (offsetOf(item, field.slice(whole.length)) ?? startOf(item));
  }
  if (!isMap(node)) return null;
  for (const pair of node.items) {
    const rest = restAfter(field, keyText(pair));
    if (rest !== null) return offsetOf(pair.value, rest) ?? startOf(pair.key);
  }
  return null;
}

function restAfter(field: string, key: string): string | null {
  if (field.startsWith(`[${key}]`)) return field.slice(key.length + 2).replace(/^\./, '');
  if (!field.startsWith(key)) return null;
  const rest = field.slice(key.length);
  return rest === '' || rest.startsWith('[') ? rest : rest.startsWith('.') ? rest.slice(1) : null;
}

function keyText({ key }: Pair): string {
  return String(isScalar(key) ? key.value : key);
}

function startOf(node: unknown): number | null {
  return (node as { range?: readonly number[] } | null)?.range?.[0] ?? null;
}
