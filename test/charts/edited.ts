// One change to a manifest, written as the path of a field and what it shall be.

/** JSON pointers; `-` at the end appends, undefined removes. */
export type Edit = Readonly<Record<string, unknown>>;

type Node = Record<string, unknown>;

export function edited<T>(manifest: T, edit: Edit): T {
  const copy = structuredClone(manifest);
  for (const [path, value] of Object.entries(edit)) {
    const keys = path
      .split('/')
      .slice(1)
      .map((key) => key.replaceAll('~1', '/'));
    const last = keys.pop() ?? '';
    let at = copy as Node;
    for (const key of keys) at = (at[key] ??= {}) as Node;
    if (Array.isArray(at) && last === '-') at.push(value);
    else if (Array.isArray(at) && value === undefined) at.splice(Number(last), 1);
    else if (value === undefined) delete at[last];
    else at[last] = value;
  }
  return copy;
}
