/** The single header that carries a secret. */
export interface Slot {
  /** Lower case. */
  readonly name: string;
  readonly value: string;
  /** All that the slot may hold; never control or non-ASCII bytes, which could end the header. */
  readonly pattern: RegExp;
}
