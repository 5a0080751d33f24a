import type { ShownStream } from '../state.ts';

/** How far back the plots show. */
export const HISTORY_MILLIS = 120_000;

/** Counts come in bursts, as the worker reports them every few seconds: a rate is an average over this long. */
const RATE_WINDOW_MILLIS = 10_000;

/** A rate over less than this says little, and is not shown. */
const MIN_RATE_WINDOW_MILLIS = 5_000;

interface Sample {
  readonly uptimeMillis: number;
  readonly fragments: number | null;
  readonly published: number | null;
  readonly lagMillis: number | null;
  readonly fragmentsPerSecond: number | null;
  readonly publishedPerSecond: number | null;
}

export type SeriesName = 'lagMillis' | 'fragmentsPerSecond' | 'publishedPerSecond';

/** What the plots of one stream show: its last two minutes. */
export class StreamHistory {
  readonly #samples: Sample[] = [];

  add(uptimeMillis: number, { fragments, published, lagMillis }: ShownStream): void {
    const base =
      this.#samples.findLast((sample) => sample.uptimeMillis <= uptimeMillis - RATE_WINDOW_MILLIS) ??
      this.#samples[0];
    const rate = (count: number | null, name: 'fragments' | 'published') => {
      const elapsed = base === undefined ? 0 : uptimeMillis - base.uptimeMillis;
      const before = base?.[name] ?? null;
      return count === null || before === null || elapsed < MIN_RATE_WINDOW_MILLIS
        ? null
        : ((count - before) / elapsed) * 1000;
    };
    this.#samples.push({
      uptimeMillis,
      fragments,
      published,
      lagMillis,
      fragmentsPerSecond: rate(fragments, 'fragments'),
      publishedPerSecond: rate(published, 'published'),
    });
    const kept = this.#samples.findIndex((sample) => sample.uptimeMillis >= uptimeMillis - HISTORY_MILLIS);
    this.#samples.splice(0, kept);
  }

  /** Milliseconds before the newest sample, so from below up to 0. */
  get ages(): number[] {
    const now = this.#samples.at(-1)?.uptimeMillis ?? 0;
    return this.#samples.map(({ uptimeMillis }) => uptimeMillis - now);
  }

  series(name: SeriesName): (number | null)[] {
    return this.#samples.map((sample) => sample[name]);
  }
}
