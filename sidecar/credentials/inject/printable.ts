import { SidecarError } from '../../errors.ts';

/**
 * What a slot carries, if it may: never control or non-ASCII bytes, which could end a header.
 * @throws SidecarError SECRET_UNPRINTABLE, which does not print it.
 */
export function assertPrintable(value: string, pattern: RegExp, field: string): string {
  if (pattern.test(value)) return value;
  throw new SidecarError('SECRET_UNPRINTABLE', { field });
}
