import { setMaxListeners } from 'node:events';
import { NEVER } from '../core/clock.ts';
import type { Holding } from '../lease/holding.ts';
import type { Lease } from '../lease/lease.ts';
import type { Successor } from '../lease/lease-writes.ts';
import type { Synchronizer } from '../lease/synchronizer.ts';
import type { LeaseTable } from '../lease/table.ts';

/** The held lease for synchronization. */
export class SyncWorker implements Holding {
  readonly lease: Lease;
  readonly #table: Pick<LeaseTable, 'release'>;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;

  constructor(options: { lease: Lease; table: Pick<LeaseTable, 'release'>; synchronizer: Synchronizer }) {
    this.lease = options.lease;
    this.#table = options.table;
    // One for each request that is under way.
    setMaxListeners(0, this.#stop.signal);
    this.#running = options.synchronizer.run(this.#stop.signal);
  }

  async handOver(successor: () => Successor): Promise<void> {
    await this.end();
    await this.#table.release(this.lease, null, successor(), NEVER);
  }

  async end(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }
}
