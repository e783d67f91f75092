// A figure as a person reads it.

export interface Figure {
  /** The one line of JSON. */
  readonly json: object;
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
  readonly notes: readonly string[];
}

/** Columns as wide as their widest cell; the first to the left, numbers to the right. */
export function renderFigure({ title, columns, rows, notes }: Figure): string {
  const widths = columns.map((column, index) =>
    Math.max(column.length, ...rows.map((row) => (row[index] ?? '').length)),
  );
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, index) => (index === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[index] ?? 0)))
      .join('  ')
      .trimEnd();
  return [title, '', line(columns), ...rows.map(line), '', ...notes.map((note) => `- ${note}`), ''].join(
    '\n',
  );
}
