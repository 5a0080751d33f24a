import type { Config } from '../config/schema.ts';
import type { Clock } from '../core/clock.ts';
import type { Logger } from '../core/log.ts';
import type { Metrics } from '../core/metrics.ts';
import { CheckpointTracker } from '../lease/checkpoint.ts';
import { LeaseKeeper } from '../lease/keeper.ts';
import type { Lease } from '../lease/lease.ts';
import type { LeaseTable } from '../lease/table.ts';
import { StreamConsumer, type StreamConsumerOptions } from '../stream/consumer.ts';
import type { MediaSource } from '../stream/source.ts';

export interface StreamWorkerOptions {
  config: Config;
  lease: Lease;
  table: LeaseTable;
  source: MediaSource;
  submit: StreamConsumerOptions['submit'];
  clock: Clock;
  log: Logger;
  metrics: Metrics;
}

/** One held lease: its keeper and its consumer, which live and end together. */
export class StreamWorker {
  readonly #keeper: LeaseKeeper;
  readonly #consumer: StreamConsumer;
  readonly #stopReading = new AbortController();
  readonly #stopKeeping = new AbortController();
  readonly #reading: Promise<void>;
  readonly #keeping: Promise<boolean>;
  /** Resolves with whether the lease was kept to the end. */
  readonly ended: Promise<boolean>;

  constructor(options: StreamWorkerOptions) {
    const { config, lease, ...services } = options;
    const tracker = new CheckpointTracker(lease.checkpoint);
    this.#keeper = new LeaseKeeper({
      ...services,
      lease,
      checkpoint: () => tracker.checkpoint,
      failoverTimeMillis: config.failoverTimeInMilli,
      checkpointIntervalMillis: config.checkpointIntervalInMilli,
    });
    this.#consumer = new StreamConsumer({
      ...services,
      streamName: lease.leaseKey,
      start: lease.start,
      tracker,
      inferenceInterval: config.inferenceInterval,
    });
    this.#reading = this.#consumer.run(this.#stopReading.signal);
    this.#keeping = this.#keeper.run(this.#stopKeeping.signal);
    this.ended = this.#end();
  }

  /** Stops reading; the lease is kept, for what is in flight. */
  async stopReading(): Promise<void> {
    this.#stopReading.abort();
    await this.#reading;
  }

  /** Writes the last checkpoint and lets the lease go, if it is still ours. */
  async release(limitMillis: number): Promise<void> {
    this.#stopKeeping.abort();
    if (await this.ended) await this.#keeper.release(limitMillis);
  }

  async #end(): Promise<boolean> {
    const isOurs = await this.#keeping;
    // Without the lease nothing may be read on: its new owner does.
    await this.stopReading();
    return isOurs;
  }
}
