// JSON, read strictly (RFC 8259, and I-JSON, RFC 7493).

/** A number whose value depends on who reads it: beyond 2^53, more digits than a double holds, -0, 1e400. */
export interface UnsafeNumber {
  readonly unsafeNumber: string;
}

export type JsonObject = ReadonlyMap<string, JsonValue>;
export type JsonValue = null | boolean | string | number | UnsafeNumber | readonly JsonValue[] | JsonObject;
