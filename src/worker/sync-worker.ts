import { setMaxListeners } from 'node:events';
import { type Clock, NEVER, withTimeout } from '../core/clock.ts';
import type { Holding } from '../lease/holding.ts';
import { LeaseKeeper } from '../lease/keeper.ts';
import type { Lease } from '../lease/lease.ts';
import type { Successor } from '../lease/lease-writes.ts';
import type { Synchronizer } from '../lease/synchronizer.ts';
import type { LeaseTable } from '../lease/table.ts';
import type { TableProblems } from '../lease/table-problems.ts';

export interface SyncWorkerOptions {
  lease: Lease;
  table: Pick<LeaseTable, 'write' | 'release'>;
  synchronizer: Synchronizer;
  problems: TableProblems;
  clock: Clock;
}

const RELEASE_MILLIS = 5000;

/** The held lease for synchronization. */
export class SyncWorker implements Holding {
  readonly lease: Lease;
  readonly #clock: Clock;
  readonly #synchronizer: Synchronizer;
  readonly #keeper: LeaseKeeper;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;

  constructor({ synchronizer, ...options }: SyncWorkerOptions) {
    this.lease = options.lease;
    this.#clock = options.clock;
    this.#synchronizer = synchronizer;
    this.#keeper = new LeaseKeeper({
      ...options,
      checkpoint: () => null,
      onCheckpoint: () => undefined,
      checkpointIntervalMillis: () => Number.POSITIVE_INFINITY,
    });
    // One for each request that is under way.
    setMaxListeners(0, this.#stop.signal);
    this.#running = synchronizer.run(this.#stop.signal);
  }

  report(): void {
    this.#synchronizer.report();
  }

  async handOver(successor: () => Successor): Promise<void> {
    await this.end();
    await withTimeout(this.#clock, RELEASE_MILLIS, NEVER, (signal) =>
      this.#keeper.release(successor(), signal),
    );
  }

  async end(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }
}
