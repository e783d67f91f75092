// `+`, `-`, `*`, `/`, `%` and indexes. Types never convert; ints and uints of 64 bits fail where they would overflow.

import { fail, spend, spendOnText, type Run } from './run.ts';
import { duration, timestamp } from './time.ts';
import { listOf, type CelValue } from './values.ts';

export type ArithmeticOperator = '+' | '-' | '*' | '/' | '%';

export function calculate(run: Run, operator: ArithmeticOperator, left: CelValue, right: CelValue): CelValue {
  if (typeof left === 'bigint' && typeof right === 'bigint') {
    return toInt(calculateBig(operator, left, right));
  }
  if (typeof left === 'number' && typeof right === 'number') return calculateDouble(operator, left, right);
  if (typeof left === 'string' && typeof right === 'string') {
    if (operator !== '+') return fail();
    spendOnText(run, left.length + right.length);
    return left + right;
  }
  if (left === null || right === null || typeof left !== 'object' || typeof right !== 'object') return fail();
  if (left.kind === 'uint' && right.kind === 'uint') {
    return toUint(calculateBig(operator, left.value, right.value));
  }
  if (operator === '+') return add(run, left, right);
  if (operator === '-') return subtract(left, right);
  return fail();
}

function calculateBig(operator: ArithmeticOperator, left: bigint, right: bigint): bigint {
  switch (operator) {
    case '+':
      return left + right;
    case '-':
      return left - right;
    case '*':
      return left * right;
    case '/':
      return right === 0n ? fail() : left / right;
    case '%':
      return right === 0n ? fail() : left % right;
  }
}

function calculateDouble(operator: ArithmeticOperator, left: number, right: number): number {
  switch (operator) {
    case '+':
      return left + right;
    case '-':
      return left - right;
    case '*':
      return left * right;
    case '/':
      return left / right;
    case '%':
      return fail();
  }
}

type Composite = Extract<CelValue, { readonly kind: string }>;

function add(run: Run, left: Composite, right: Composite): CelValue {
  if (left.kind === 'list' && right.kind === 'list') {
    spend(run, left.size + right.size);
    const items: CelValue[] = [];
    for (let i = 0; i < left.size; i += 1) items.push(left.at(i));
    for (let i = 0; i < right.size; i += 1) items.push(right.at(i));
    return listOf(items);
  }
  if (left.kind === 'bytes' && right.kind === 'bytes') {
    spendOnText(run, left.bytes.length + right.bytes.length);
    return { kind: 'bytes', bytes: Buffer.concat([left.bytes, right.bytes]) };
  }
  if (left.kind === 'duration') {
    if (right.kind === 'duration') return duration(left.nanos + right.nanos);
    return right.kind === 'timestamp' ? timestamp(left.nanos + right.nanos) : fail();
  }
  return left.kind === 'timestamp' && right.kind === 'duration'
    ? timestamp(left.nanos + right.nanos)
    : fail();
}

function subtract(left: Composite, right: Composite): CelValue {
  if (left.kind === 'timestamp') {
    if (right.kind === 'timestamp') return duration(left.nanos - right.nanos);
    return right.kind === 'duration' ? timestamp(left.nanos - right.nanos) : fail();
  }
  return left.kind === 'duration' && right.kind === 'duration' ? duration(left.nanos - right.nanos) : fail();
}

export function negate(value: CelValue): CelValue {
  if (typeof value === 'bigint') return toInt(-value);
  return typeof value === 'number' ? -value : fail();
}

/** Of a map by its key, of a list by its position. */
export function index(container: CelValue, key: CelValue): CelValue {
  if (container === null || typeof container !== 'object') return fail();
  if (container.kind === 'map') {
    const value = container.get(key);
    return value === undefined ? fail() : value;
  }
  if (container.kind !== 'list') return fail();
  const position =
    typeof key === 'object' && key?.kind === 'uint' ? Number(key.value) : Number(asNumber(key));
  if (!Number.isInteger(position) || position < 0 || position >= container.size) return fail();
  return container.at(position);
}

function asNumber(value: CelValue): bigint | number {
  return typeof value === 'bigint' || typeof value === 'number' ? value : fail();
}

export function toInt(value: bigint): bigint {
  return BigInt.asIntN(64, value) === value ? value : fail();
}

export function toUint(value: bigint): CelValue {
  return BigInt.asUintN(64, value) === value ? { kind: 'uint', value } : fail();
}
