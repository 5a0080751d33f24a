import type { Clock } from '../core/clock.ts';
import { errorMessage, errorName } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { Metrics } from '../core/metrics.ts';

const LINE_INTERVAL_MILLIS = 60_000;
const MAX_PROBLEMS = 1000;

/** Reports items of the lease table that cannot be read: each counts, and is a line at most once a minute. */
export class InvalidItems {
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #metrics: Metrics;
  /** Monotonic time of the last line, by what is wrong. */
  readonly #reported = new Map<string, number>();

  constructor(options: { clock: Clock; log: Logger; metrics: Metrics }) {
    this.#clock = options.clock;
    this.#log = options.log;
    this.#metrics = options.metrics;
  }

  readonly report = (error: unknown): void => {
    this.#metrics.count('LeaseTableErrors', null);
    const problem = errorMessage(error);
    const now = this.#clock.monotonic();
    if (now - (this.#reported.get(problem) ?? Number.NEGATIVE_INFINITY) < LINE_INTERVAL_MILLIS) return;
    if (this.#reported.size >= MAX_PROBLEMS) this.#reported.clear();
    this.#reported.set(problem, now);
    this.#log.error({ error: errorName(error) }, `item skipped: ${problem}`);
  };
}
