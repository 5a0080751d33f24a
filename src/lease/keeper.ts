import { type Clock, pauseUnless, untilAborted } from '../core/clock.ts';
import { isTransientAwsError, retry } from '../core/retry.ts';
import type { Checkpoint } from './checkpoint.ts';
import type { Lease } from './lease.ts';
import type { Progress, Successor } from './lease-writes.ts';
import { pruned, type SamplingPeriod } from './sampling.ts';
import { LeaseLostError, type LeaseTable } from './table.ts';
import type { TableProblems } from './table-problems.ts';

export interface LeaseKeeperOptions {
  table: Pick<LeaseTable, 'write' | 'release'>;
  /** As it was taken. */
  lease: Lease;
  /** How far everything is done, asked before each write. */
  checkpoint: () => Checkpoint | null;
  /** Called when one has been written. */
  onCheckpoint: (checkpoint: Checkpoint) => void;
  /** Asked before each wait. */
  checkpointIntervalMillis: () => number;
  problems: TableProblems;
  clock: Clock;
}

const RELEASE_RETRIES = { attempts: Number.POSITIVE_INFINITY, baseDelayMillis: 100, maxDelayMillis: 1000 };

/**
 * The only writer of one held lease: its writes come one after the other. Progress is written every checkpoint
 * interval if there is any, and with the release. It costs nothing while nothing moves: that its owner lives is told
 * by the owner's heartbeat.
 */
export class LeaseKeeper {
  readonly #options: LeaseKeeperOptions;
  /** As it is in the table, as far as that is known. */
  #lease: Lease;
  /** Settles when no write is under way. */
  #writing: Promise<unknown> = Promise.resolve();
  #isLost = false;
  #wake = new AbortController();

  constructor(options: LeaseKeeperOptions) {
    this.#options = options;
    this.#lease = options.lease;
  }

  /** The periods that are known to be in the table. */
  get sampling(): readonly SamplingPeriod[] {
    return this.#lease.sampling;
  }

  /** Writes progress until `signal` aborts. @returns false if the lease turns out to be another worker's */
  async run(signal: AbortSignal): Promise<boolean> {
    const { clock, checkpointIntervalMillis, problems } = this.#options;
    while (!signal.aborted && !this.#isLost) {
      this.#wake = new AbortController();
      await pauseUnless(clock, checkpointIntervalMillis(), this.#wake, signal);
      if (signal.aborted || this.#isLost) break;
      try {
        await this.#inTurn(signal, () => this.#write(null, signal));
      } catch (error) {
        if (!signal.aborted && !this.#isLost) {
          problems.report('checkpoint not written', error, this.#lease.leaseKey);
        }
      }
    }
    return !this.#isLost;
  }

  /**
   * Writes at once which frames are sampled. If this rejects otherwise than by a refusal of the service, the write may
   * have landed all the same, or land yet, until a later one has. Where the lease is not ours any more it waits for
   * `signal`: the tenure ends.
   *
   * @throws what the table throws, or the reason of `signal`
   */
  async recordSampling(sampling: readonly SamplingPeriod[], signal: AbortSignal): Promise<void> {
    try {
      await this.#inTurn(signal, () => this.#write(sampling, signal));
    } catch (error) {
      if (!(error instanceof LeaseLostError)) throw error;
      await untilAborted(signal);
      signal.throwIfAborted();
    }
  }

  /**
   * Lets the lease go with the last checkpoint, called once `run` has resolved with true. Tried until `signal` aborts.
   *
   * @throws {LeaseLostError} if it was not ours any more
   */
  async release(successor: Successor, signal: AbortSignal): Promise<void> {
    const { clock, problems, table } = this.#options;
    const release = () => table.release(this.#lease, this.#progress(null), successor, signal);
    await retry(() => this.#inTurn(signal, release), {
      clock,
      signal,
      ...RELEASE_RETRIES,
      isRetryable: (error) => !(error instanceof LeaseLostError) && isTransientAwsError(error),
      onRetry: (error) => problems.report('lease not released', error, this.#lease.leaseKey),
    });
  }

  async #inTurn(signal: AbortSignal, write: () => Promise<void>): Promise<void> {
    const turn = this.#writing.then(async () => {
      signal.throwIfAborted();
      await write();
    });
    this.#writing = turn.catch(() => undefined);
    await turn;
  }

  async #write(recorded: readonly SamplingPeriod[] | null, signal: AbortSignal): Promise<void> {
    const progress = this.#progress(recorded);
    if (progress.checkpoint === null && progress.sampling === null) return;
    const before = this.#lease;
    // If the answer is lost, the next write must rise above this one all the same.
    this.#lease = { ...before, leaseCounter: before.leaseCounter + 1 };
    try {
      this.#lease = await this.#options.table.write(before, progress, signal);
      if (progress.checkpoint !== null) this.#options.onCheckpoint(progress.checkpoint);
    } catch (error) {
      if (error instanceof LeaseLostError) {
        this.#isLost = true;
        this.#wake.abort();
      }
      throw error;
    }
  }

  /** What is not written yet, with these periods, or without those that the checkpoint has passed. */
  #progress(recorded: readonly SamplingPeriod[] | null): Progress {
    const { checkpoint: written, sampling } = this.#lease;
    const done = this.#options.checkpoint();
    const checkpoint = done?.fragmentNumber === written?.fragmentNumber ? null : done;
    if (recorded !== null) return { checkpoint, sampling: recorded };
    const left = pruned(sampling, checkpoint);
    return { checkpoint, sampling: left === sampling ? null : left };
  }
}
