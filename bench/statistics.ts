// What is said of repeated measurements.

/** @throws RangeError when there is nothing to measure. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** By linear interpolation between the closest ranks, as numpy and R do by default. */
export function quantile(values: readonly number[], share: number): number {
  if (values.length === 0) throw new RangeError('no values');
  const sorted = values.toSorted((a, b) => a - b);
  const rank = (sorted.length - 1) * share;
  const below = sorted[Math.floor(rank)] ?? Number.NaN;
  const above = sorted[Math.ceil(rank)] ?? Number.NaN;
  return below + (above - below) * (rank - Math.floor(rank));
}

export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

export function spreadOf(values: readonly number[]): Spread {
  return { median: median(values), least: Math.min(...values), most: Math.max(...values) };
}

/** A difference inside the spreads is none. */
export function overlaps(a: Spread, b: Spread): boolean {
  return a.least <= b.most && b.least <= a.most;
}

/** Figures are printed and compared with this many digits; more would be noise. */
export function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
