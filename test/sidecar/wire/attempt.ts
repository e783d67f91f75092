// One raw request of the corpora, sent and judged: nothing of it was sent on, or what the origin read is what was decided.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { renderDecisionLine } from '../../../sidecar/audit/decision-line.ts';
import type { ExchangeRecord } from '../../../sidecar/audit/record.ts';
import { waitFor } from '../../cluster/deadline.ts';
import type { Fixture } from '../proxy/fixture.ts';
import type { Expected, WireCase } from './corpus/case.ts';
import { tapOf, type Entry } from './entries.ts';
import type { TappedOrigin } from './origins.ts';
import type { Reading } from './reading.ts';

export interface Attempt {
  readonly entry: Entry;
  readonly origin: TappedOrigin;
  readonly fixture: Fixture;
}

/** What agents may be told of a request that could not be read. */
const unreadable =
  /^(?:request_malformed|request_ambiguous|names_disagree|protocol_unsupported|expectation_unsupported|target_too_long|headers_too_large|credential_ambiguous)$/;
const decided = /^(?:no_grant|denied_by_rule)$/;

let sent = 0;

/** @returns how it ended. @throws AssertionError */
export async function attempt(where: Attempt, each: WireCase): Promise<'refused' | 'agreed'> {
  const { entry, origin, fixture } = where;
  sent += 1;
  const nextPath = `/plain/next-${sent}`;
  const fill = filler(entry, origin, nextPath);
  const next = fill('GET {to}{nextPath} HTTP/1.1\r\nHost: {host}\r\n\r\n');
  const before = { readings: origin.readings().length, bytes: tapOf(entry, origin).bytes() };
  const records = fixture.records.length;
  const isRead = each.reading !== undefined;
  const answers = (isRead ? 1 : 0) + ((each.next ?? 'answered') === 'answered' && isRead ? 1 : 0);
  const socket = await entry.open(fixture, origin);
  const told = await converse(socket, fill(each.bytes) + next, each.isDenied === true ? 2 : answers);

  const read = origin.readings().slice(before.readings);
  const nextReading = { method: 'GET', target: nextPath };
  const expected = isRead ? [each.reading] : [];
  const isAnsweredNext = isRead
    ? (each.next ?? 'answered') === 'answered'
    : isDecided(told, each, fixture.records[records]);
  if (isAnsweredNext) expected.push(nextReading);
  assert.equal(read.length, expected.length, `${JSON.stringify(read)} with ${told.text.slice(0, 600)}`);
  for (const [at, one] of read.entries()) assertRead(one, expected[at], where, fill);
  if (read.length === 0 && each.isCut !== true) {
    // A connection that was open before may be closed meanwhile; requests have more bytes than that.
    const bytes = tapOf(entry, origin).bytes() - before.bytes;
    assert.ok(bytes === 0, `${bytes} bytes were sent on`);
  }
  await assertRecorded(where, read, records);
  return isRead ? 'agreed' : 'refused';
}

interface Told {
  /** All that came back. */
  readonly text: string;
  readonly statuses: readonly number[];
  readonly codes: readonly string[];
}

/** Whether the refusal was a rule's, after which the connection goes on. */
function isDecided(
  { text, statuses, codes }: Told,
  each: WireCase,
  record: ExchangeRecord | undefined,
): boolean {
  const [code = ''] = codes;
  // What is cut off in the middle has no answer, and a refused HEAD has no body that says why.
  if (statuses.length > 0) assert.ok((statuses[0] ?? 0) >= 400 && statuses[0] !== 500, text);
  if (each.isDenied === true) assert.match(code, decided);
  else if (code !== '') assert.ok(unreadable.test(code) || decided.test(code), text);
  const isNextAnswered = statuses.length > 1;
  if (isNextAnswered) assert.ok(record?.request, 'what could not be read ends its connection');
  return isNextAnswered;
}

/** An honest client that waits is not what these are: silence this long ends the conversation. */
const silenceMs = 100;

async function converse(socket: Socket, bytes: string, answers: number): Promise<Told> {
  let text = '';
  let isClosed = false;
  let wanted = answers;
  const told = (): Told => {
    const statuses = [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status));
    const codes = [...text.matchAll(/"code":"([a-z_]+)"/g)].map(([, code = '']) => code);
    return { text, statuses: statuses.filter((status) => status >= 200), codes };
  };
  socket.on('error', () => {});
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1');
    // A refusal that keeps its connection is a rule's, and the request behind it is answered.
    if (wanted === 0 && /^connection: keep-alive/im.test(text)) wanted = 2;
    if (wanted > 0 && told().statuses.length >= wanted) socket.end();
  });
  socket.on('close', () => {
    isClosed = true;
  });
  socket.write(Buffer.from(bytes, 'latin1'));
  if (!isClosed) await Promise.race([once(socket, 'close'), sleep(silenceMs)]);
  if (!isClosed && wanted > 0) await Promise.race([once(socket, 'close'), sleep(5000)]);
  if (!isClosed) {
    socket.end();
    await Promise.race([once(socket, 'close'), sleep(3000)]);
  }
  socket.destroy();
  return told();
}

const framing = new Set(['content-length', 'transfer-encoding']);

/** Field for field: what the server says that it read, and what the test knows that it sent. */
function assertRead(
  reading: Reading,
  expected: Expected | undefined,
  { entry, origin }: Attempt,
  fill: (text: string) => string,
): void {
  const { method = 'POST', target = '/plain/x', headers = [], body = '' } = expected ?? {};
  const place = `${origin.host}:${tapOf(entry, origin).port}`;
  const named = (wanted: string): string[] =>
    reading.headers.filter(([name]) => name.toLowerCase() === wanted).map(([, value]) => value);
  const others = reading.headers.filter(([name]) => !ours.has(name.toLowerCase()));
  assert.deepEqual(
    {
      version: reading.version,
      method: reading.method,
      target: reading.target,
      host: named('host'),
      headers: joined(others),
      body: reading.body,
    },
    {
      version: 'HTTP/1.1',
      method,
      target,
      host: [place],
      headers: joined(headers),
      body: fill(body),
    },
  );
  const framings = reading.headers.filter(([name]) => framing.has(name.toLowerCase()));
  assert.ok(framings.length <= 1, `one framing at most: ${JSON.stringify(framings)}`);
  assert.equal(named('traceparent').length, 1);
}

/** Made anew by us, or by undici between the two connections. */
const ours = new Set(['host', 'traceparent', 'connection', ...framing]);

/** As Apache joins what came several times. */
function joined(headers: readonly (readonly [string, string])[]): Record<string, string> {
  const all = new Map<string, string>();
  for (const [name, value] of headers) {
    const lower = name.toLowerCase();
    const before = all.get(lower);
    all.set(lower, before === undefined ? value : `${before}, ${value}`);
  }
  return Object.fromEntries([...all].toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

/** Each that was read has its line, which says the same; what was not read has one that says so. */
async function assertRecorded(
  { entry, origin, fixture }: Attempt,
  read: readonly Reading[],
  from: number,
): Promise<void> {
  const mine = (): ExchangeRecord[] => fixture.records.slice(from);
  const allowed = (): ExchangeRecord[] => mine().filter(({ upstreamStatus }) => upstreamStatus !== null);
  await waitFor({ what: 'the records', timeoutMs: 5000, everyMs: 2 }, async () =>
    read.length === 0 ? mine().length > 0 : allowed().length >= read.length,
  );
  assert.equal(allowed().length, read.length, 'a line that says allowed for each that was read');
  for (const [at, record] of allowed().entries()) {
    const line = JSON.parse(renderDecisionLine(record)) as Record<string, unknown>;
    const one = read[at];
    const [path = ''] = (one?.target ?? '').split('?');
    assert.deepEqual(
      {
        decision: line['decision'],
        method: line['method'],
        scheme: line['scheme'],
        place: `${String(line['host'])}:${String(line['port'])}`,
        path: line['path'],
        query: record.request?.query ?? null,
        bytes: line['requestBytes'],
        entry: line['entry'],
      },
      {
        decision: 'allow',
        method: one?.method,
        scheme: entry.scheme,
        place: `${origin.host}:${tapOf(entry, origin).port}`,
        path: path.length > 1024 ? `${path.slice(0, 1024)}…` : path,
        query: one?.target.includes('?') === true ? one.target.slice(path.length + 1) : null,
        bytes: one?.body.length,
        entry: entry.recorded,
      },
    );
  }
}

function filler(entry: Entry, origin: TappedOrigin, nextPath: string): (text: string) => string {
  const { port } = tapOf(entry, origin);
  const host = `${origin.host}:${port}`;
  const to = entry.target === 'whole URL' ? `${entry.scheme}://${host}` : '';
  const nextRequest = `GET ${to}${nextPath} HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
  const values: Record<string, string> = {
    to,
    host,
    name: origin.host,
    NAME: origin.host.toUpperCase(),
    port: String(port),
    nextPath,
    nextRequest,
    next: String(nextRequest.length),
  };
  return (text) =>
    text
      .replace(
        /\{(to|host|name|NAME|port|nextPath|nextRequest|next)\}/g,
        (_, key: string) => values[key] ?? '',
      )
      .replace(/\{pad:(\d+)\}([^]*?)\{\/pad\}/g, (_, length: string, inner: string) =>
        inner.padEnd(Number(length), 'x'),
      );
}
