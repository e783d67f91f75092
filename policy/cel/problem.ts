// What is wrong with an expression, and where.

export interface Place {
  readonly start: number;
}

/** Thrown while an expression is compiled, never on the request path. */
export class CelProblem extends Error {
  override name = 'CelProblem';
  readonly place: Place | null;

  constructor(message: string, place: Place | null) {
    super(message);
    this.place = place;
  }
}

/** `line 1, column 5: Unknown variable: foo` */
export function describeProblem(source: string, message: string, place: Place | null): string {
  if (place === null) return message;
  const before = source.slice(0, place.start).split('\n');
  return `line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1}: ${message}`;
}
