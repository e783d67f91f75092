// Numbers that are the same to whoever reads them. "Integers beyond 2^53 and decimals beyond a double's digits are read
// as different numbers by different software" is RFC 8259 section 6 in short.

/** A number whose value depends on who reads it: beyond 2^53, more digits than a double holds, -0, 1e400. */
export interface UnsafeNumber {
  readonly unsafeNumber: string;
}

export function isUnsafeNumber(value: unknown): value is UnsafeNumber {
  return typeof value === 'object' && value !== null && 'unsafeNumber' in value;
}

/** Each decimal of so many digits has a double of its own (DBL_DIG of IEEE 754). */
export const maxDigits = 15;
/** The smallest double with all its digits; below it they are lost one by one. */
const minNormal = 2 ** -1022;
/** Exact, as all up to 1e22 are. */
export const powersOfTen = [1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14];

/** A number that is the same to whoever reads it, as an integer, a decimal or a double. */
export function safeNumber(written: string): number | UnsafeNumber {
  const read = Number(written);
  const magnitude = Math.abs(read);
  if (magnitude <= Number.MAX_SAFE_INTEGER) {
    const [coefficient = ''] = written.split(/[eE]/, 1);
    const isInteger = coefficient.length === written.length && !written.includes('.');
    const significant = coefficient.replace(/[-.]/g, '').replace(/^0+/, '');
    if (isInteger || (significant.length <= maxDigits && magnitude >= minNormal)) return read;
    if (significant === '' && !written.startsWith('-')) return 0;
  }
  return { unsafeNumber: written };
}

/** What a number in a query, a form or a rule must look like: no exponent, no plus sign, no leading zeros, no -0. */
const decimal = /^-?(?:0|[1-9]\d*)(?:\.\d+)?$/;

/** The number that a canonical decimal of at most 15 significant digits stands for; null when it is none. */
export function readDecimal(text: string): number | null {
  if (!decimal.test(text)) return null;
  const significant = text.replace(/[-.]/g, '').replace(/^0+/, '');
  if (significant === '') return text.startsWith('-') ? null : 0;
  const read = Number(text);
  return significant.length <= maxDigits && Math.abs(read) >= minNormal ? read : null;
}
