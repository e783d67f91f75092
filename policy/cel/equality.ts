// `==`, `<` and `in`. Numbers compare by value whatever their type; values of other different types are not equal.

import { fail, spend, spendOnText, type Run } from './run.ts';
import type { CelList, CelMap, CelValue } from './values.ts';

/** Recursion is bounded by the depth of JSON and of expressions. */
export function isEqual(run: Run, left: CelValue, right: CelValue): boolean {
  spend(run, 1);
  const leftNumber = numeric(left);
  if (leftNumber !== null) {
    const rightNumber = numeric(right);
    // `==`, since a bigint and a number are never `===`; by it they are equal when their values are.
    return rightNumber !== null && leftNumber == rightNumber;
  }
  if (typeof left === 'string' && typeof right === 'string') {
    if (left.length !== right.length) return false;
    spendOnText(run, left.length);
    return left === right;
  }
  if (left === null || right === null || typeof left !== 'object' || typeof right !== 'object') {
    return left === right;
  }
  if (left.kind === 'list' && right.kind === 'list') return isEqualList(run, left, right);
  if (left.kind === 'map' && right.kind === 'map') return isEqualMap(run, left, right);
  if (left.kind === 'type' && right.kind === 'type') return left.name === right.name;
  if (left.kind === 'bytes' && right.kind === 'bytes') return compare(run, left, right) === 0;
  return (
    (left.kind === 'timestamp' || left.kind === 'duration') &&
    left.kind === right.kind &&
    left.nanos === right.nanos
  );
}

function isEqualList(run: Run, left: CelList, right: CelList): boolean {
  if (left.size !== right.size) return false;
  for (let i = 0; i < left.size; i += 1) {
    if (!isEqual(run, left.at(i), right.at(i))) return false;
  }
  return true;
}

function isEqualMap(run: Run, left: CelMap, right: CelMap): boolean {
  if (left.size !== right.size) return false;
  for (const key of left.keys()) {
    const one = left.get(key);
    const other = right.get(key);
    if (one === undefined || other === undefined || !isEqual(run, one, other)) return false;
  }
  return true;
}

/** Below, at or above 0 as `left` is to `right`; NaN when a double is none. */
export function compare(run: Run, left: CelValue, right: CelValue): number {
  const leftNumber = numeric(left);
  const rightNumber = numeric(right);
  if (leftNumber !== null && rightNumber !== null) {
    if (leftNumber < rightNumber) return -1;
    if (leftNumber > rightNumber) return 1;
    return Number.isNaN(leftNumber) || Number.isNaN(rightNumber) ? Number.NaN : 0;
  }
  if (typeof left === 'string' && typeof right === 'string') {
    spendOnText(run, Math.min(left.length, right.length));
    return compareText(left, right);
  }
  if (typeof left === 'boolean' && typeof right === 'boolean') return Number(left) - Number(right);
  if (left === null || right === null || typeof left !== 'object' || typeof right !== 'object') return fail();
  if (left.kind === 'bytes' && right.kind === 'bytes') {
    spendOnText(run, Math.min(left.bytes.length, right.bytes.length));
    return Buffer.compare(left.bytes, right.bytes);
  }
  if ((left.kind === 'timestamp' || left.kind === 'duration') && left.kind === right.kind) {
    return left.nanos === right.nanos ? 0 : left.nanos < right.nanos ? -1 : 1;
  }
  return fail();
}

/** By code point, where JavaScript compares code units. */
function compareText(left: string, right: string): number {
  const length = Math.min(left.length, right.length);
  for (let i = 0; i < length; i += 1) {
    const one = left.charCodeAt(i);
    const other = right.charCodeAt(i);
    if (one === other) continue;
    // Surrogates stand for what lies above all of the plane that they are in.
    if (isSurrogate(one) !== isSurrogate(other)) return isSurrogate(one) ? 1 : -1;
    return one - other;
  }
  return left.length - right.length;
}

function isSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdfff;
}

export function contains(run: Run, container: CelValue, item: CelValue): boolean {
  if (container === null || typeof container !== 'object') return fail();
  if (container.kind === 'map') return container.has(item);
  if (container.kind !== 'list') return fail();
  for (let i = 0; i < container.size; i += 1) {
    if (isEqual(run, container.at(i), item)) return true;
  }
  return false;
}

export function numeric(value: CelValue): bigint | number | null {
  if (typeof value === 'bigint' || typeof value === 'number') return value;
  return value !== null && typeof value === 'object' && value.kind === 'uint' ? value.value : null;
}
