// Header lists, name and value alternating, names in lower case.

export function headerValues(headers: readonly string[], wanted: string): readonly string[] {
  return headers.filter((_, at) => at % 2 === 1 && headers[at - 1] === wanted);
}

/** As injection will leave them: what is set takes the place of all others of its name. */
export function withHeaders(
  headers: readonly string[],
  set: readonly (readonly [name: string, value: string])[],
  dropped: readonly string[],
): readonly string[] {
  const gone = new Set([...dropped, ...set.map(([name]) => name)]);
  return [...headers.filter((_, at) => !gone.has(headers[at - (at % 2)] ?? '')), ...set.flat()];
}
