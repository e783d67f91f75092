// The number that a limit adds up, read as a grant reads it.

import { isTooLong } from '../content/content.ts';
import type { JsonValue } from '../content/json.ts';
import { readDecimal } from '../content/number.ts';
import { isUnreadable, type Miss, type Reading } from '../reading.ts';
import { missOf, provenField, type FieldPlace } from './field.ts';
import { parsePointer } from './pointer.ts';

const place: FieldPlace = { where: 'body', subject: "The body's" };

/**
 * @param pointer of a number of at least 0; with `*` all elements are added.
 * @returns the number, or a Miss where the rule cannot know it: then nothing is granted, for a missing amount means
 * all of it to many APIs.
 */
export function compileAmount(pointer: string): (reading: Reading) => number | Miss {
  const field = `body.fields[${pointer}]`;
  const miss: Miss = { field, message: `The body's ${pointer} must be a number of at least 0.` };
  const unreadable: Miss = { ...miss, reason: 'body_unreadable' };
  const tooLong: Miss = { ...miss, reason: 'body_too_large' };
  if (parsePointer(pointer) === null) return () => miss;

  let sum = 0;
  function add(value: number | null): boolean {
    if (value === null || value < 0) return false;
    sum += value;
    return true;
  }
  const governed = provenField(pointer, { type: 'Number' }, place, {
    json: (value: JsonValue) => typeof value === 'number' && add(value),
    text: (text) => add(readDecimal(text)),
  });

  return (reading) => {
    const content = reading.content();
    if (isTooLong(content)) return tooLong;
    if (isUnreadable(content)) return unreadable;
    sum = 0;
    if (content.kind !== 'Json' && content.kind !== 'Form') return miss;
    const outcome =
      content.kind === 'Json' ? governed.inJson(content.value) : governed.inNames(reading.formNames());
    // Beyond it, additions get lost.
    if (sum > Number.MAX_SAFE_INTEGER) return miss;
    return missOf(governed, outcome) === null ? sum : miss;
  };
}
