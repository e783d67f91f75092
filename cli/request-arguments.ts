// A request on the command line, as curl takes it, or in a file.

import { readFileSync } from 'node:fs';
import { parseDocument } from 'yaml';
import { parseWrittenRequest } from '../policy/written-request.ts';
import type { ReadableRequest } from './trial.ts';
import { UsageError } from './usage-error.ts';

export interface RequestArguments {
  /** `METHOD URL`, `URL`, or a file's name; `-` is standard input. */
  readonly positionals: readonly string[];
  /** `Name: value`. */
  readonly headers: readonly string[];
  /** A body, or `@FILE`. */
  readonly data: string | null;
  readonly placeholder: string | null;
}

/** @throws {UsageError} naming the field. */
export function readRequest(given: RequestArguments, usage: string): ReadableRequest {
  const written = isFile(given) ? readYaml(given.positionals[0] ?? '-') : fromCommandLine(given, usage);
  const read = parseWrittenRequest(written);
  if (read.kind !== 'invalid') return read;
  const lines = read.problems.map(({ field, message }) => `the request${field && `'s ${field}`} ${message}`);
  throw new UsageError(lines.join('\n'));
}

function isFile({ positionals }: RequestArguments): boolean {
  const [only = '', ...rest] = positionals;
  return rest.length === 0 && (only === '-' || (/\.(?:ya?ml|json)$/.test(only) && !only.includes('://')));
}

function readYaml(file: string): unknown {
  let text: string;
  try {
    text = readFileSync(file === '-' ? 0 : file, 'utf8');
  } catch {
    throw new UsageError(`${file} cannot be read; it should hold a request, such as { url: https://… }`);
  }
  const document = parseDocument(text, { logLevel: 'silent' });
  const [error] = document.errors;
  if (error !== undefined) throw new UsageError(`${file}: ${error.message.split('\n')[0]}`);
  return document.toJS({ maxAliasCount: 100 });
}

function fromCommandLine(
  { positionals, headers, data, placeholder }: RequestArguments,
  usage: string,
): object {
  const [first, second, ...rest] = positionals;
  if (first === undefined || rest.length > 0)
    throw new UsageError(`write one request: METHOD URL, or the name of a file\n\n${usage}`);
  const url = second ?? first;
  const method = second === undefined ? (data === null ? 'GET' : 'POST') : first;
  const pairs = headers.map((header): [string, string] => {
    const [, name, value] = /^([^:\s]+):[ \t]*(.*?)[ \t]*$/s.exec(header) ?? [];
    if (name === undefined || value === undefined)
      throw new UsageError(`-H ${header}: write Name: value, such as -H 'content-type: application/json'`);
    return [name.toLowerCase(), value];
  });
  const byName = Map.groupBy(pairs, ([name]) => name);
  const written = Object.fromEntries([...byName].map(([name, all]) => [name, all.map(([, value]) => value)]));
  const isTyped = byName.has('content-type') || data === null;
  return {
    url,
    ...(url.startsWith('tcp:') ? {} : { method }),
    headers: isTyped ? written : { ...written, 'content-type': 'application/x-www-form-urlencoded' },
    ...(data === null ? {} : readData(data)),
    ...(placeholder === null ? {} : { placeholder }),
  };
}

function readData(data: string): object {
  if (!data.startsWith('@')) return { body: data };
  try {
    return { base64: readFileSync(data.slice(1)).toString('base64') };
  } catch {
    throw new UsageError(`-d ${data}: the file cannot be read`);
  }
}
