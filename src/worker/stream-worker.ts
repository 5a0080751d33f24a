import type { Config } from '../config/resolve.ts';
import { type Clock, NEVER, withTimeout } from '../core/clock.ts';
import type { Logger } from '../core/log.ts';
import type { Metrics } from '../core/metrics.ts';
import { CheckpointTracker } from '../lease/checkpoint.ts';
import type { HandOverLimits, Holding } from '../lease/holding.ts';
import { LeaseKeeper } from '../lease/keeper.ts';
import type { Lease, StartPosition } from '../lease/lease.ts';
import type { Successor } from '../lease/lease-writes.ts';
import type { SamplingPlan } from '../lease/sampling.ts';
import { LeaseLostError, type LeaseTable } from '../lease/table.ts';
import type { TableProblems } from '../lease/table-problems.ts';
import { StreamConsumer, type StreamConsumerOptions } from '../stream/consumer.ts';
import type { Tenure } from '../stream/sampled-frame.ts';
import { StreamSampling } from '../stream/sampling.ts';
import type { MediaSource } from '../stream/source.ts';
import { StreamAges } from '../stream/stream-ages.ts';

export interface StreamWorkerOptions {
  /** In force now. */
  settings: () => Pick<
    Config,
    'readStallTimeoutInMilli' | 'maxFrameAgeInMilli' | 'checkpointIntervalInMilli' | 'failoverTimeInMilli'
  >;
  /** Which of the stream's frames are to be sampled from now on; null while that is not known. */
  wantedPlan: () => SamplingPlan | null;
  lease: Lease;
  /** Whether this worker let the lease go before because nothing could be read. */
  wasStalled: boolean;
  table: Pick<LeaseTable, 'write' | 'release'>;
  source: MediaSource;
  startPosition: () => StartPosition;
  submit: StreamConsumerOptions['submit'];
  /** Called when the work starts, with a signal that aborts when it ends. */
  onTaken: (signal: AbortSignal) => void;
  /** Whether this worker's leases are its own. */
  isValid: () => boolean;
  /** Called when another worker has the lease. */
  onLost: () => void;
  /** Called when nothing can be read although the stream may have video. */
  onStalled: () => void;
  problems: TableProblems;
  clock: Clock;
  log: Logger;
  metrics: Metrics;
}

/** A reader without progress for this many stall time-outs has been restarted already: its lease is let go. */
const LET_GO_AFTER_STALLS = 3;

/** What is told to end does so at once; a reader that is stuck must not hold the lease all the same. */
const END_MILLIS = 5000;

/** One held lease: its keeper, its reader and its frames, which live and end together. */
export class StreamWorker implements Holding {
  readonly lease: Lease;
  readonly #options: StreamWorkerOptions;
  readonly #tracker: CheckpointTracker;
  readonly #ages: StreamAges;
  readonly #keeper: LeaseKeeper;
  readonly #consumer: StreamConsumer;
  readonly #stopReading = new AbortController();
  readonly #stopKeeping = new AbortController();
  readonly #draining = new AbortController();
  readonly #over = new AbortController();
  readonly #reading: Promise<void>;
  readonly #keeping: Promise<boolean>;

  constructor(options: StreamWorkerOptions) {
    const { settings, wantedPlan, lease, wasStalled, isValid, startPosition, ...services } = options;
    this.lease = lease;
    this.#options = options;
    this.#tracker = new CheckpointTracker(lease.checkpoint);
    const streamName = lease.leaseKey;
    this.#ages = new StreamAges({ ...services, streamName, start: lease.start, tracker: this.#tracker });
    // Until it is read, nobody knows better.
    if (wasStalled) this.#ages.readingFailed();
    this.#keeper = new LeaseKeeper({
      ...services,
      lease,
      checkpoint: () => this.#tracker.checkpoint,
      onCheckpoint: (checkpoint) => this.#ages.checkpointWritten(checkpoint),
      checkpointIntervalMillis: () => settings().checkpointIntervalInMilli,
    });
    const sampling = new StreamSampling({
      ...services,
      streamName,
      periods: () => this.#keeper.sampling,
      record: (periods, signal) => this.#keeper.recordSampling(periods, signal),
      checkpoint: () => this.#tracker.checkpoint,
      wanted: wantedPlan,
      log: services.log.child({ streamName }),
    });
    const tenure: Tenure = {
      draining: this.#draining.signal,
      over: this.#over.signal,
      isValid: () => !this.#over.signal.aborted && isValid(),
    };
    this.#consumer = new StreamConsumer({
      ...services,
      streamName,
      streamArn: lease.streamArn,
      start: lease.start,
      startPosition,
      tracker: this.#tracker,
      tenure,
      sampling,
      ages: this.#ages,
      settings: () => ({
        readStallTimeoutMillis: settings().readStallTimeoutInMilli,
        maxFrameAgeMillis: settings().maxFrameAgeInMilli,
      }),
    });
    this.#reading = this.#read();
    this.#keeping = this.#keep();
    void this.#watchProgress();
    options.onTaken(this.#over.signal);
  }

  report(): void {
    this.#ages.report();
  }

  async handOver(successor: () => Successor, { finishWaiting, millis }: HandOverLimits): Promise<void> {
    const { clock, settings, lease } = this.#options;
    this.#stopReading.abort();
    await this.#ends(this.#reading, END_MILLIS);
    if (!finishWaiting) this.#draining.abort();
    // What is not finished by then is left to the next owner.
    await this.#ends(this.#tracker.whenIdle(), millis);
    const isOurs = !this.#over.signal.aborted;
    await this.end();
    if (!isOurs || !(await this.#keeping)) throw new LeaseLostError(lease.leaseKey);
    // Longer than this the table need not be asked: others may have the lease by then.
    await withTimeout(clock, settings().failoverTimeInMilli, NEVER, (signal) =>
      this.#keeper.release(successor(), signal),
    );
  }

  async end(): Promise<void> {
    this.#over.abort();
    this.#draining.abort();
    this.#stopReading.abort();
    this.#stopKeeping.abort();
    const ended = Promise.all([this.#reading, this.#keeping, this.#tracker.whenIdle()]);
    if (await this.#ends(ended, END_MILLIS)) return;
    const { lease, log } = this.#options;
    log.error(
      { streamName: lease.leaseKey },
      `work on a lease has not ended within ${END_MILLIS} ms: left behind`,
    );
  }

  /** @returns false if it has not ended by then, or when everything is over */
  async #ends(work: Promise<unknown>, millis: number): Promise<boolean> {
    return await withTimeout(this.#options.clock, millis, NEVER, () => work).then(
      () => true,
      () => false,
    );
  }

  /** A reader that fails is a mistake of ours: it must not end the process, nor keep its lease. */
  async #read(): Promise<void> {
    const { lease, log, onStalled } = this.#options;
    try {
      await this.#consumer.run(this.#stopReading.signal);
    } catch (error) {
      log.error({ streamName: lease.leaseKey, err: error }, 'reader failed: its lease is let go');
      onStalled();
    }
  }

  async #keep(): Promise<boolean> {
    const isOurs = await this.#keeper.run(this.#stopKeeping.signal);
    if (!isOurs) this.#options.onLost();
    return isOurs;
  }

  async #watchProgress(): Promise<void> {
    const { clock, settings, lease, log, onStalled } = this.#options;
    const { signal } = this.#stopReading;
    while (!signal.aborted) {
      await clock.sleep(settings().readStallTimeoutInMilli / 3, signal).catch(() => undefined);
      const { stalledMillis } = this.#consumer;
      const limit = settings().readStallTimeoutInMilli * LET_GO_AFTER_STALLS;
      if (signal.aborted || stalledMillis < limit) continue;
      const problem = 'stream cannot be read although it may have video: its lease is let go';
      log.error({ streamName: lease.leaseKey, stalledMillis: Math.round(stalledMillis) }, problem);
      onStalled();
      return;
    }
  }
}
