// Requests as people write them, through the real parser, and what a compiled form makes of them.

import assert from 'node:assert/strict';
import { compileGithub } from '../../../policy/github/form.ts';
import { createReading, type BodyNeed, type Miss, type Stance } from '../../../policy/reading.ts';
import type { CanonicalRequest } from '../../../policy/request.ts';
import type { GithubOperation, RulesetGithub } from '../../../policy/ruleset.ts';
import { parseWrittenRequest } from '../../../policy/written-request.ts';

export const all: readonly GithubOperation[] = [
  'Read',
  'Comment',
  'OpenPullRequest',
  'Push',
  'Merge',
  'DeleteRepository',
];

/** `METHOD url`, with the rest of a written request. */
export type Asked = string | readonly [line: string, rest: Readonly<Record<string, unknown>>];

export function requestOf(asked: Asked): CanonicalRequest {
  const [line, rest] = typeof asked === 'string' ? [asked, {}] : asked;
  const [method = '', url = ''] = line.split(' ');
  const written = parseWrittenRequest({ method, url, ...rest });
  assert.ok(written.kind === 'request', `${line}: ${JSON.stringify(written)}`);
  return written.request;
}

export function ask(
  form: Partial<RulesetGithub>,
  request: CanonicalRequest,
  stance: Stance = 'grant',
): Miss | null {
  const whole = { operations: all, ...form };
  return compileGithub(whole, stance).condition(createReading(request, null));
}

export function needOf(
  form: Partial<RulesetGithub>,
  request: CanonicalRequest,
  stance: Stance = 'grant',
): BodyNeed | null {
  const whole = { operations: all, ...form };
  return compileGithub(whole, stance).bodyNeed(createReading(unread(request), null));
}

export function unread(request: CanonicalRequest): CanonicalRequest {
  return { ...request, body: { kind: 'unread' } };
}

/** A POST to /graphql of api.github.com. */
export function graphql(
  query: string,
  variables?: Readonly<Record<string, unknown>>,
  more: object = {},
): Asked {
  return [
    'POST https://api.github.com/graphql',
    { json: { query, ...(variables === undefined ? {} : { variables }), ...more } },
  ];
}

export const zeros = '0'.repeat(40);
export const before = 'a'.repeat(40);
export const after = 'b'.repeat(40);

/** One pkt-line. */
export function packet(text: string): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat([Buffer.from((bytes.length + 4).toString(16).padStart(4, '0')), bytes]);
}

export const flush = Buffer.from('0000');

/** The body of a push that updates these refs, as git sends it. */
export function pushOf(...refs: readonly string[]): Buffer {
  const commands = refs.map((ref, index) =>
    packet(
      `${before} ${after} ${ref}${index === 0 ? '\0 report-status-v2 side-band-64k agent=git/2.45' : ''}`,
    ),
  );
  return Buffer.concat([...commands, flush, Buffer.from('PACK\0\0\0\u0002')]);
}

/** POST git-receive-pack with this body. */
export function push(
  repository: string,
  body: Buffer,
  headers: Readonly<Record<string, string>> = {},
): Asked {
  return [
    `POST https://github.com/${repository}/git-receive-pack`,
    {
      headers: { 'content-type': 'application/x-git-receive-pack-request', ...headers },
      base64: body.toString('base64'),
    },
  ];
}
