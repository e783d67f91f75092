// How many tokens of an LLM a request may take, from its body alone: what is reserved until the answer states its usage.
//
// The input is at most one token per byte of the body: tokens of the tokenizers in use stand for at least one byte. The
// output is what the body caps it at. Neither is a bound where the provider adds input of its own (images and files by
// reference, earlier responses, hosted tools) or where nothing caps the output; what an answer takes beyond its
// reservation is counted all the same, and the requests after it pay for it.

import { isUnreadable, type Miss, type Reading } from '../reading.ts';
import type { JsonObject, JsonValue } from '../content/json.ts';

/** Reserved for the output where the body has no cap; most models' own default is at most this. */
export const defaultOutputTokens = 16_384;

/**
 * OpenAI chat completions (the first two; `max_tokens` is also Anthropic's and the legacy completions'), OpenAI
 * responses. Where several are there, the largest holds: which one a server obeys is its own affair.
 */
const caps = ['max_tokens', 'max_completion_tokens', 'max_output_tokens'] as const;
/** Answers per request, of which each may be as long as the cap. */
const copies = ['n', 'best_of'] as const;

/** Above any model's, and below what makes sums inexact. */
const largestCap = 10 ** 9;

const unreadable: Miss = {
  field: 'body',
  message: 'The body must be JSON that can be read in one way, so that its tokens can be reserved.',
  reason: 'body_unreadable',
};
const uncapped: Miss = {
  field: 'body',
  message: `${[...caps, ...copies].join(', ')} must be whole numbers from 0 to ${largestCap}, where they are there.`,
  reason: 'body_unreadable',
};

/** @param maxBytes how much of a body is read. */
export function compileTokenEstimate(maxBytes: number): (reading: Reading) => number | Miss {
  const tooLarge: Miss = {
    field: 'body',
    message: `The body must have at most ${maxBytes} bytes, so that its tokens can be reserved.`,
    reason: 'body_too_large',
  };
  return (reading) => {
    const { body } = reading.request;
    // A list of models, a job's state: nothing goes in, and nothing is generated.
    if (body.kind === 'none') return 0;
    if (body.kind === 'unread') return unreadable;
    if (!body.isWhole || body.bytes.length > maxBytes) return tooLarge;
    const content = reading.content();
    if (isUnreadable(content) || content.kind !== 'Json' || !(content.value instanceof Map))
      return unreadable;
    const output = readOutput(content.value as JsonObject);
    return output === null ? uncapped : body.bytes.length + output;
  };
}

function readOutput(body: JsonObject): number | null {
  const cap = largest(body, caps, defaultOutputTokens);
  const count = largest(body, copies, 1);
  return cap === null || count === null || cap * count > largestCap ? null : cap * count;
}

/** Null when one of them is no cap; a server that converts `"100000"` or `1e5` must not be cheaper than it is. */
function largest(body: JsonObject, names: readonly string[], fallback: number): number | null {
  let found: number | null = null;
  for (const name of names) {
    const value: JsonValue | undefined = body.get(name);
    // SDKs write null for what was not set.
    if (value === undefined || value === null) continue;
    if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > largestCap) return null;
    found = Math.max(found ?? 0, value);
  }
  return found ?? fallback;
}
