/** A figure of a process, again and again. */
export interface Point {
  readonly millis: number;
  readonly value: number;
}

/** What a figure may grow by from the middle of the run to its end; the larger of the two counts. */
export interface Tolerance {
  /** Of the figure itself. */
  readonly share: number;
  readonly least: number;
}

export interface Trend {
  readonly start: number;
  /** Medians of the two halves. */
  readonly firstHalf: number;
  readonly secondHalf: number;
  readonly end: number;
  readonly max: number;
  /** By how much it has grown over the second half, as the trend has it. */
  readonly growth: number;
  readonly tolerated: number;
  /** Growth alone is no good: what shrinks is given back. */
  readonly isFlat: boolean;
}

/** Points in the second half, at the least. */
const MIN_POINTS = 4;

/**
 * Whether a figure has stopped growing: its trend over the second half, in which nothing is warming up any more.
 *
 * @param points in the order of time
 * @throws {RangeError} if there are too few to say
 */
export function trendOf(points: readonly Point[], { share, least }: Tolerance): Trend {
  const second = points.slice(Math.floor(points.length / 2));
  const [first, last] = [points[0], points.at(-1)];
  if (second.length < MIN_POINTS || first === undefined || last === undefined) {
    throw new RangeError(`too few points: ${points.length}`);
  }
  const values = points.map(({ value }) => value);
  const secondHalf = median(second.map(({ value }) => value));
  const millis = last.millis - (second[0] as Point).millis;
  const growth = theilSenSlope(second) * millis;
  const tolerated = Math.max(share * secondHalf, least);
  return {
    start: first.value,
    firstHalf: median(values.slice(0, points.length - second.length)),
    secondHalf,
    end: last.value,
    max: Math.max(...values),
    growth,
    tolerated,
    isFlat: growth <= tolerated,
  };
}

/**
 * The median of the slopes between all pairs (https://en.wikipedia.org/wiki/Theil–Sen_estimator): a few values that are
 * far off do not move it, as those are that an outage leaves behind.
 */
function theilSenSlope(points: readonly Point[]): number {
  const slopes = points.flatMap((later, index) =>
    points
      .slice(0, index)
      .filter((earlier) => earlier.millis < later.millis)
      .map((earlier) => (later.value - earlier.value) / (later.millis - earlier.millis)),
  );
  return median(slopes);
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  const [low = 0, high = 0] = [sorted[Math.ceil(middle) - 1], sorted[Math.floor(middle)]];
  return (low + high) / 2;
}
