// A figure as a person reads it.

export interface Table {
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
  readonly notes: readonly string[];
}

export interface Figure extends Table {
  /** The one line of JSON. */
  readonly json: object;
  /** What belongs to it and is not compared. */
  readonly further?: readonly Table[];
}

export function renderFigure(figure: Figure): string {
  return [figure, ...(figure.further ?? [])].map(renderTable).join('\n');
}

/** Columns as wide as their widest cell; the first to the left, numbers to the right. */
function renderTable({ title, columns, rows, notes }: Table): string {
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
