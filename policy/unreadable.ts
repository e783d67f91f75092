// What a reader gives instead of what it reads.

/** Why something cannot be read in one way: the end of a sentence, such as `has a key twice`. */
export interface Unreadable {
  readonly unreadable: string;
}

export function isUnreadable(value: unknown): value is Unreadable {
  return typeof value === 'object' && value !== null && 'unreadable' in value;
}
