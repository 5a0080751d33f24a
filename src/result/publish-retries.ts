import type { Config } from '../config/resolve.ts';
import type { Clock } from '../core/clock.ts';
import type { Logger } from '../core/log.ts';
import type { Metrics } from '../core/metrics.ts';
import { Occasional } from '../core/occasional.ts';
import type { Pending } from './outbox.ts';

const LINE_INTERVAL_MILLIS = 10_000;
const MAX_IDS = 20;

export interface PublishRetriesOptions {
  config: () => Pick<Config, 'kdsStreamName'>;
  clock: Clock;
  log: Logger;
  metrics: Metrics;
}

/** Counts the records that are put again, and now and then says why. */
export class PublishRetries {
  readonly #options: PublishRetriesOptions;
  readonly #lines: Occasional;

  constructor(options: PublishRetriesOptions) {
    this.#options = options;
    this.#lines = new Occasional(options.clock, LINE_INTERVAL_MILLIS);
  }

  /** @param errors how many of the records have failed with which */
  report(records: readonly Pending[], errors: Readonly<Record<string, number>>, problem: string): void {
    const { config, log, metrics } = this.#options;
    for (const { record } of records) metrics.count('PublishRetries', record.streamName);
    const requests = this.#lines.count();
    if (requests === null) return;
    const ids = records.slice(0, MAX_IDS).map(({ record }) => record.id);
    log.warn(
      { dataStream: config().kdsStreamName, requests, records: records.length, errors, ids },
      `results not published yet, trying again: ${problem}`,
    );
  }
}
