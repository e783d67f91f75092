// Command lines, read by Node's own parser; what it refuses is the user's to mend.

import { parseArgs, type ParseArgsConfig } from 'node:util';
import { UsageError } from './usage-error.ts';

type Options = NonNullable<ParseArgsConfig['options']>;
type Parsed<O extends Options> = ReturnType<
  typeof parseArgs<{ args: string[]; options: O; allowPositionals: true }>
>;

/** @throws {UsageError} that ends with how the command is used. */
export function readArguments<const O extends Options>(
  args: readonly string[],
  options: O,
  usage: string,
): Parsed<O> {
  try {
    return parseArgs<{ args: string[]; options: O; allowPositionals: true }>({
      args: [...args],
      options,
      allowPositionals: true,
    });
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\n\n${usage}`);
  }
}

/** One of the values that an option can have; the first is the default. */
export function readChoice<const C extends readonly [string, ...string[]]>(
  name: string,
  value: string | undefined,
  choices: C,
): C[number] {
  if (value === undefined) return choices[0];
  const choice = choices.find((each) => each === value);
  if (choice === undefined) throw new UsageError(`--${name} ${value}: write one of ${choices.join(', ')}`);
  return choice;
}
