import { type Clock, withTimeout } from '../core/clock.ts';
import { errorMessage, errorName } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import { isTransientAwsError, retry } from '../core/retry.ts';
import type { Checkpoint } from './checkpoint.ts';
import type { Lease } from './lease.ts';
import { LeaseLostError, type LeaseTable } from './table.ts';

const RELEASE_RETRIES = { attempts: 5, baseDelayMillis: 100, maxDelayMillis: 1000 };

export interface LeaseKeeperOptions {
  table: Pick<LeaseTable, 'renew' | 'release'>;
  /** As it was taken. */
  lease: Lease;
  /** How far everything is done, asked before each write. */
  checkpoint: () => Checkpoint | null;
  failoverTimeMillis: number;
  checkpointIntervalMillis: number;
  clock: Clock;
  log: Logger;
}

/**
 * Keeps one held lease: the only writer of its item. Renewal and checkpoint are one update, written every checkpoint
 * interval, or every third of the fail-over time if that is shorter.
 */
export class LeaseKeeper {
  readonly #options: LeaseKeeperOptions;
  readonly #log: Logger;
  #lease: Lease;

  constructor(options: LeaseKeeperOptions) {
    this.#options = options;
    this.#lease = options.lease;
    this.#log = options.log.child({ streamName: options.lease.leaseKey });
  }

  /**
   * Renews until `signal` aborts.
   *
   * @returns whether the lease is still ours: false when another worker has it, or may have it, because no renewal
   *   has landed for the fail-over time
   */
  async run(signal: AbortSignal): Promise<boolean> {
    const { clock, failoverTimeMillis, checkpointIntervalMillis } = this.#options;
    const interval = Math.min(checkpointIntervalMillis, failoverTimeMillis / 3);
    let renewedAt = clock.monotonic();
    while (!signal.aborted) {
      await clock.sleep(interval, signal).catch(() => undefined);
      if (signal.aborted) return true;
      const startedAt = clock.monotonic();
      try {
        await withTimeout(clock, failoverTimeMillis / 3, signal, (limited) => this.#write(limited));
        renewedAt = startedAt;
      } catch (error) {
        if (signal.aborted) return true;
        if (error instanceof LeaseLostError) {
          this.#log.error({ leaseEpoch: this.#lease.leaseEpoch }, 'lease lost: another worker has taken it');
          return false;
        }
        this.#log.warn(
          { error: errorName(error) },
          `lease not renewed, trying again: ${errorMessage(error)}`,
        );
        if (clock.monotonic() - renewedAt >= failoverTimeMillis) {
          this.#log.error('lease given up: it could not be renewed within the fail-over time');
          return false;
        }
      }
    }
    return true;
  }

  /** Writes the last checkpoint and lets the lease go. Called once, after `run` has resolved with true; never rejects. */
  async release(limitMillis: number): Promise<void> {
    const { clock, table } = this.#options;
    try {
      await withTimeout(clock, limitMillis, new AbortController().signal, async (signal) => {
        const options = { clock, signal, ...RELEASE_RETRIES, isRetryable: isTransientAwsError };
        await retry(() => this.#write(signal), options);
        await retry(() => table.release(this.#lease, signal), options);
      });
      this.#log.info({ checkpoint: this.#lease.checkpoint }, 'lease released');
    } catch (error) {
      const problem = errorMessage(error);
      this.#log.error({ error: errorName(error) }, `lease not released, it will expire: ${problem}`);
    }
  }

  async #write(signal: AbortSignal): Promise<void> {
    const checkpoint = this.#options.checkpoint();
    const isNew = checkpoint?.fragmentNumber !== this.#lease.checkpoint?.fragmentNumber;
    const before = this.#lease;
    // If the answer is lost, the next write must rise above this one all the same.
    this.#lease = { ...before, leaseCounter: before.leaseCounter + 1 };
    this.#lease = await this.#options.table.renew(before, isNew ? checkpoint : null, signal);
  }
}
