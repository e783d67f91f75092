// How many tokens an answer of an LLM says it took: from JSON bodies and from event streams of OpenAI's and Anthropic's
// APIs and of those that imitate them. Memory is bounded; whatever is not certain (a stream that broke off, another
// format, too long) is null, and then the reservation stands.
//
// Counted are input and output. Anthropic states apart from `input_tokens` what was written to and read from the cache,
// and both count: they are input, if at another price. OpenAI's cached tokens are part of its input already.

export interface UsageReader {
  push(chunk: Uint8Array): void;
  /** Of a body that came whole. */
  end(): number | null;
}

/** Of a JSON body, or of one event: a `response.completed` repeats the whole answer. */
const maxHeldBytes = 1024 * 1024;

const counted = [
  // OpenAI chat completions, embeddings
  ['prompt_tokens', 'completion_tokens'],
  // OpenAI responses, Anthropic messages
  ['input_tokens', 'cache_creation_input_tokens', 'cache_read_input_tokens', 'output_tokens'],
  ['total_tokens'],
] as const;

/** Events after which nothing more is generated. */
const lastEvents = new Set(['message_stop', 'response.completed', 'response.incomplete', 'response.failed']);

/** @param contentEncoding of the answer; a coded one is not read. */
export function createUsageReader(contentType: string, contentEncoding = 'identity'): UsageReader {
  const mediaType = (contentType.split(';')[0] ?? '').trim().toLowerCase();
  if (!/^(?:identity)?$/i.test(contentEncoding.trim())) return unknownUsage;
  if (mediaType === 'text/event-stream') return createStreamReader();
  return /^application\/(?:[^/]+\+)?json$/.test(mediaType) ? createBodyReader() : unknownUsage;
}

const unknownUsage: UsageReader = { push: () => {}, end: () => null };

function createBodyReader(): UsageReader {
  let chunks: Uint8Array[] = [];
  let bytes = 0;
  return {
    push(chunk) {
      bytes += chunk.length;
      if (bytes > maxHeldBytes) chunks = [];
      // A copy, since the chunk's memory may be used again.
      else chunks.push(chunk.slice());
    },
    end() {
      if (bytes > maxHeldBytes) return null;
      const tally = createTally();
      tally.take(parse(new TextDecoder().decode(Buffer.concat(chunks))));
      return tally.sum();
    },
  };
}

/** https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream */
function createStreamReader(): UsageReader {
  const decoder = new TextDecoder();
  const tally = createTally();
  let rest = '';
  let data = '';
  let ended = false;
  let lost = false;
  let afterReturn = false;

  function takeEvent(): void {
    const event = data;
    data = '';
    if (event === '[DONE]') ended = true;
    // Most events are text of the answer; those are not worth parsing.
    else if (/"usage"|"message_stop"|"response\.(?:completed|incomplete|failed)"/.test(event)) {
      const value = parse(event);
      tally.take(value);
      if (lastEvents.has(String(field(value, 'type')))) ended = true;
    }
  }

  function takeLine(line: string): void {
    if (line === '') takeEvent();
    else if (line.startsWith('data:')) {
      const value = line.slice(line[5] === ' ' ? 6 : 5);
      data = data === '' ? value : `${data}\n${value}`;
    }
  }

  function hold(text: string): void {
    rest += text;
    if (rest.length + data.length <= maxHeldBytes) return;
    // What is dropped may have been the usage.
    lost = true;
    [rest, data] = ['', ''];
  }

  return {
    push(chunk) {
      if (lost) return;
      let text = decoder.decode(chunk, { stream: true });
      // The two halves of one line end may come apart.
      if (afterReturn && text.startsWith('\n')) text = text.slice(1);
      if (text !== '') afterReturn = text.endsWith('\r');
      const lines = text.split(/\r\n|\n|\r/);
      for (const [index, line] of lines.entries()) {
        hold(line);
        if (index === lines.length - 1) break;
        const whole = rest;
        rest = '';
        takeLine(whole);
      }
    },
    end() {
      takeLine(rest);
      takeEvent();
      return ended && !lost ? tally.sum() : null;
    },
  };
}

interface Tally {
  take(value: unknown): void;
  sum(): number | null;
}

/** Of each count the highest that was said: streams say them anew as they grow. */
function createTally(): Tally {
  const counts = new Map<string, number>();
  return {
    take(value) {
      for (const holder of [value, field(value, 'message'), field(value, 'response')]) {
        const usage = field(holder, 'usage');
        for (const name of counted.flat()) {
          const count = field(usage, name);
          if (!Number.isSafeInteger(count) || (count as number) < 0) continue;
          counts.set(name, Math.max(counts.get(name) ?? 0, count as number));
        }
      }
    },
    sum() {
      if (counts.size === 0) return null;
      const sums = counted.map((names) => names.reduce((sum, name) => sum + (counts.get(name) ?? 0), 0));
      const most = Math.max(...sums);
      return Number.isSafeInteger(most) ? most : null;
    },
  };
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
