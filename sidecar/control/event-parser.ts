// Server-sent events, as much of them as the ruleset stream uses: `event`, `data` and comments
// (https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream).

import { SidecarError } from '../errors.ts';

export interface StreamEvent {
  readonly name: string;
  readonly data: string;
}

/** 4 MiB: ten thousand rules of 400 bytes; the operator's compiled rulesets are bounded far below. */
const defaultMaxEventBytes = 4 * 1024 * 1024;

/**
 * Takes the body's chunks as they come and returns the events that each completes.
 * @throws SidecarError STREAM_MALFORMED for what is not UTF-8 or grows beyond the limit.
 */
export function createEventParser(maxEventBytes = defaultMaxEventBytes): (chunk: Buffer) => StreamEvent[] {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let rest = '';
  let name = '';
  let data: string[] = [];
  let bytes = 0;

  function takeLine(line: string): StreamEvent | null {
    if (line === '') {
      const event =
        data.length === 0 ? null : { name: name === '' ? 'message' : name, data: data.join('\n') };
      name = '';
      data = [];
      bytes = 0;
      return event;
    }
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'event') name = value;
    else if (field === 'data') data.push(value);
    return null; // comments, `id` and `retry` mean nothing here
  }

  return (chunk) => {
    bytes += chunk.length;
    const events: StreamEvent[] = [];
    try {
      rest += decoder.decode(chunk, { stream: true });
    } catch {
      throw new SidecarError('STREAM_MALFORMED');
    }
    let start = 0;
    for (let end = rest.indexOf('\n'); end >= 0; end = rest.indexOf('\n', start)) {
      const event = takeLine(rest.slice(start, rest[end - 1] === '\r' ? end - 1 : end));
      if (event !== null) events.push(event);
      start = end + 1;
    }
    rest = rest.slice(start);
    if (bytes > maxEventBytes) throw new SidecarError('STREAM_MALFORMED');
    return events;
  };
}
