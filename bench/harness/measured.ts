/** What several rounds have measured. */
export interface Measured {
  readonly median: number;
  /** From the smallest to the largest, as a part of the median: 0.1 is ten percent. */
  readonly spread: number;
  /** In the order of the rounds. */
  readonly values: readonly number[];
}

/** @throws {Error} without a value, or with one that is no number: then nothing was measured */
export function measured(values: readonly number[]): Measured {
  if (values.length === 0 || values.some(Number.isNaN)) {
    throw new Error(`nothing measured: [${values.join(', ')}]`);
  }
  const median = quantile(values, 0.5);
  const range = Math.max(...values) - Math.min(...values);
  return { median, spread: median === 0 ? 0 : range / Math.abs(median), values };
}

/** Round by round, so that what slowed a whole round down is in neither. */
export function ratio(numerator: Measured, denominator: Measured): Measured {
  return measured(numerator.values.map((value, round) => value / (denominator.values[round] ?? Number.NaN)));
}

/** With linear interpolation between two values. @param part 0 to 1 */
export function quantile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const position = part * (sorted.length - 1);
  const below = sorted[Math.floor(position)] ?? Number.NaN;
  const above = sorted[Math.ceil(position)] ?? Number.NaN;
  return below + (above - below) * (position - Math.floor(position));
}
