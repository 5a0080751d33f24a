import type { Clock } from '../core/clock.ts';
import { isTransientAwsError, retry } from '../core/retry.ts';
import type { Checkpoint } from './checkpoint.ts';
import type { Lease } from './lease.ts';
import type { Successor } from './lease-writes.ts';
import { LeaseLostError, type LeaseTable } from './table.ts';
import type { TableProblems } from './table-problems.ts';

export interface LeaseKeeperOptions {
  table: Pick<LeaseTable, 'checkpoint' | 'release'>;
  /** As it was taken. */
  lease: Lease;
  /** How far everything is done, asked before each write. */
  checkpoint: () => Checkpoint | null;
  checkpointIntervalMillis: number;
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
  #lease: Lease;

  constructor(options: LeaseKeeperOptions) {
    this.#options = options;
    this.#lease = options.lease;
  }

  /** Writes progress until `signal` aborts. @returns false if the lease turns out to be another worker's */
  async run(signal: AbortSignal): Promise<boolean> {
    const { clock, checkpointIntervalMillis, problems } = this.#options;
    while (!signal.aborted) {
      await clock.sleep(checkpointIntervalMillis, signal).catch(() => undefined);
      if (signal.aborted) return true;
      try {
        await this.#write(signal);
      } catch (error) {
        if (signal.aborted) return true;
        if (error instanceof LeaseLostError) return false;
        problems.report('checkpoint not written', error, this.#lease.leaseKey);
      }
    }
    return true;
  }

  /**
   * Lets the lease go with the last checkpoint, called once `run` has resolved with true. Tried until `signal` aborts.
   *
   * @throws {LeaseLostError} if it was not ours any more
   */
  async release(successor: Successor, signal: AbortSignal): Promise<void> {
    const { clock, problems, table } = this.#options;
    await retry(() => table.release(this.#lease, this.#progress(), successor, signal), {
      clock,
      signal,
      ...RELEASE_RETRIES,
      isRetryable: (error) => !(error instanceof LeaseLostError) && isTransientAwsError(error),
      onRetry: (error) => problems.report('lease not released', error, this.#lease.leaseKey),
    });
  }

  async #write(signal: AbortSignal): Promise<void> {
    const checkpoint = this.#progress();
    if (checkpoint === null) return;
    const before = this.#lease;
    // If the answer is lost, the next write must rise above this one all the same.
    this.#lease = { ...before, leaseCounter: before.leaseCounter + 1 };
    this.#lease = await this.#options.table.checkpoint(before, checkpoint, signal);
  }

  /** What is not written yet; null for nothing. */
  #progress(): Checkpoint | null {
    const checkpoint = this.#options.checkpoint();
    return checkpoint?.fragmentNumber === this.#lease.checkpoint?.fragmentNumber ? null : checkpoint;
  }
}
