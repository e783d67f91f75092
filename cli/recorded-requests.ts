// Requests from decision lines (docs/decision-lines.md). A line holds no query, no header and no body, so what those
// decide cannot be told from it; that is counted and said, never guessed.

import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { isRefusal } from '../policy/refusal.ts';
import { parseAuthority, parseRequestTarget } from '../policy/canonical.ts';
import { noBody, type CanonicalRequest } from '../policy/request.ts';
import { UsageError } from './usage-error.ts';

export interface RecordedRequest {
  readonly request: CanonicalRequest;
  readonly nowMs: number;
  /** How many lines are of it. */
  readonly count: number;
}

export interface Recording {
  readonly requests: readonly RecordedRequest[];
  /** Lines of requests that were refused before any rule was asked, or are cut. */
  readonly skipped: number;
}

/** A path as long as this may be cut (docs/decision-lines.md). */
const maxPathLength = 1024;

const line = z.looseObject({
  kind: z.literal('decision'),
  time: z.iso.datetime({ offset: true }),
  method: z.string().nullable(),
  scheme: z.enum(['https', 'http', 'tcp']).nullable(),
  host: z.string().nullable(),
  port: z.int().nullable(),
  path: z.string().nullable(),
  requestBytes: z.number().nullish(),
  decision: z.string(),
});

/**
 * @param paths of JSONL files; `-` is standard input.
 * @throws {UsageError} naming file and line.
 */
export function loadRecording(paths: readonly string[]): Recording {
  const kept = new Map<string, RecordedRequest>();
  let skipped = 0;
  for (const path of paths) {
    for (const [index, text] of readText(path).split('\n').entries()) {
      if (text.trim() === '') continue;
      const recorded = readLine(text, `${path}:${index + 1}`);
      if (recorded === null) {
        skipped += 1;
        continue;
      }
      const { method, scheme, host, port, path: target, body } = recorded.request;
      const key = JSON.stringify([method, scheme, host, port, target, body.kind]);
      kept.set(key, { ...recorded, count: (kept.get(key)?.count ?? 0) + 1 });
    }
  }
  return { requests: [...kept.values()], skipped };
}

function readText(path: string): string {
  try {
    return readFileSync(path === '-' ? 0 : path, 'utf8');
  } catch {
    throw new UsageError(`${path} cannot be read; it should hold decision lines`);
  }
}

function readLine(text: string, where: string): RecordedRequest | null {
  const parsed = line.safeParse(json(text));
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const field = issue?.path.join('.') ?? '';
    throw new UsageError(
      `${where}: is no decision line${field === '' ? '' : `: ${field} is missing or wrong`}`,
    );
  }
  const { time, method, scheme, host, port, path, requestBytes, decision } = parsed.data;
  if (method === null || scheme === null || host === null || port === null || path === null) return null;
  if (path.length >= maxPathLength) return null;
  const authority = parseAuthority(`${host.includes(':') ? `[${host}]` : host}:${port}`, null);
  const target = parseRequestTarget(path === '' ? '/' : path);
  if (isRefusal(authority) || isRefusal(target)) return null;
  // Of what was refused by its head, the body was never read and so not counted.
  const mayHaveBody = decision !== 'allow' && !/^(?:GET|HEAD|OPTIONS|)$/.test(method);
  const hasBody = (requestBytes ?? 0) > 0 || mayHaveBody;
  const request: CanonicalRequest = {
    scheme,
    ...authority,
    method,
    ...target,
    ...(scheme === 'tcp' ? { path: '', segments: [] } : {}),
    // Lines have no headers; a body is taken for JSON, which rules look into, so that what it decides stays undecided.
    headers: hasBody ? ['content-type', 'application/json'] : [],
    body: hasBody ? { kind: 'unread' } : noBody,
    placeholder: null,
  };
  return { request, nowMs: Date.parse(time), count: 1 };
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
