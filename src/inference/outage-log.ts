import type { Clock } from '../core/clock.ts';
import { errorMessage, errorName } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { Metrics } from '../core/metrics.ts';

export interface OutageLogOptions {
  /** Frames that wait. */
  waiting: () => number;
  clock: Clock;
  /** Names the endpoint in its lines. */
  log: Logger;
  metrics: Metrics;
}

interface Outage {
  /** Wall clock and monotonic. */
  readonly since: number;
  readonly startedAt: number;
  /** Up to here it is in the metrics. */
  countedUntil: number;
  error: unknown;
}

const LINE_INTERVAL_MILLIS = 60_000;

/**
 * Says of an endpoint that is down since when, why, and how many frames wait: at once, then once a minute, and when it
 * is back. One that comes and goes is one line a minute, too.
 */
export class OutageLog {
  readonly #options: OutageLogOptions;
  #outage: Outage | null = null;
  #lastLineAt = Number.NEGATIVE_INFINITY;
  /** Whether the log's last word is that the endpoint is down. */
  #isSaidToBeDown = false;

  constructor(options: OutageLogOptions) {
    this.#options = options;
  }

  /** Reports until `signal` aborts. Never rejects. */
  async begin(error: unknown, signal: AbortSignal): Promise<void> {
    const { clock, metrics } = this.#options;
    const startedAt = clock.monotonic();
    this.#outage = { since: clock.now(), startedAt, countedUntil: startedAt, error };
    metrics.count('EndpointPauses', null);
    while (!signal.aborted) {
      const dueInMillis = this.#lastLineAt + LINE_INTERVAL_MILLIS - clock.monotonic();
      if (dueInMillis <= 0) this.#report(this.#outage);
      else await clock.sleep(dueInMillis, signal).catch(() => undefined);
    }
  }

  /** Milliseconds; 0 if the endpoint is not down. */
  get downMillis(): number {
    return this.#outage === null ? 0 : this.#options.clock.monotonic() - this.#outage.startedAt;
  }

  /** The error of the newest attempt is the one to report. */
  failedAgain(error: unknown): void {
    if (this.#outage !== null) this.#outage.error = error;
  }

  end(): void {
    if (this.#outage === null) return;
    this.#countTime(this.#outage);
    const downMillis = Math.round(this.downMillis);
    this.#outage = null;
    if (!this.#isSaidToBeDown) return;
    this.#isSaidToBeDown = false;
    this.#options.log.info({ downMillis }, `endpoint is back after ${seconds(downMillis)} s`);
  }

  #report(outage: Outage): void {
    const { clock, log, waiting } = this.#options;
    this.#countTime(outage);
    this.#lastLineAt = clock.monotonic();
    this.#isSaidToBeDown = true;
    const since = new Date(outage.since).toISOString();
    const frames = waiting();
    log.error(
      { error: errorName(outage.error), since, waiting: frames },
      `endpoint is down since ${since}, ${frames} frames wait: ${errorMessage(outage.error)}`,
    );
  }

  /** What is not in the metrics yet. */
  #countTime(outage: Outage): void {
    const now = this.#options.clock.monotonic();
    this.#options.metrics.count('EndpointPausedTime', null, Math.round(now - outage.countedUntil));
    outage.countedUntil = now;
  }
}

function seconds(millis: number): number {
  return Math.round(millis / 1000);
}
