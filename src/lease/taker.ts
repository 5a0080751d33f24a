import type { Clock } from '../core/clock.ts';
import { errorMessage, errorName } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import { LeaseExpiry } from './expiry.ts';
import type { Lease, StartPosition } from './lease.ts';
import { LeaseLostError, type LeaseTable } from './table.ts';

export interface LeaseTakerOptions {
  table: Pick<LeaseTable, 'list' | 'create' | 'take'>;
  owner: string;
  /** The names of the streams that there should be a lease for. */
  discover: (signal: AbortSignal) => Promise<readonly string[]>;
  /** Where a stream without a lease starts. */
  startPosition: () => StartPosition;
  /** Whether this process still works on the stream: its own lease is never taken anew under it. */
  isHeld: (leaseKey: string) => boolean;
  /** Called with each lease as it is taken. */
  onTaken: (lease: Lease) => void;
  failoverTimeMillis: number;
  clock: Clock;
  log: Logger;
}

/** Creates the leases that are missing and takes those that are free or expired. */
export class LeaseTaker {
  readonly #options: LeaseTakerOptions;
  readonly #expiry: LeaseExpiry;

  constructor(options: LeaseTakerOptions) {
    this.#options = options;
    this.#expiry = new LeaseExpiry(options.failoverTimeMillis);
  }

  /** Runs until `signal` aborts. A failed round is logged and tried again. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log, failoverTimeMillis } = this.#options;
    while (!signal.aborted) {
      try {
        await this.#takeLeases(signal);
      } catch (error) {
        if (signal.aborted) return;
        log.error(
          { error: errorName(error) },
          `leases cannot be taken, trying again: ${errorMessage(error)}`,
        );
      }
      await clock.sleep(failoverTimeMillis / 3, signal).catch(() => undefined);
    }
  }

  async #takeLeases(signal: AbortSignal): Promise<void> {
    const { clock, discover, isHeld, log, owner, table } = this.#options;
    const streamNames = new Set(await discover(signal));
    const observedAt = clock.monotonic();
    let leases = await this.#list(signal);
    const missing = [...streamNames].filter((name) => !leases.some(({ leaseKey }) => leaseKey === name));
    if (missing.length > 0) {
      for (const name of missing) await table.create(name, this.#options.startPosition(), signal);
      leases = await this.#list(signal);
    }
    const wanted = leases.filter(({ leaseKey }) => streamNames.has(leaseKey) && !isHeld(leaseKey));
    for (const seen of this.#expiry.takeable(wanted, observedAt)) {
      try {
        const lease = await table.take(seen, owner, signal);
        const { leaseKey: streamName, leaseEpoch, start, checkpoint } = lease;
        log.info({ streamName, leaseEpoch, start, checkpoint }, 'lease taken');
        this.#options.onTaken(lease);
      } catch (error) {
        if (!(error instanceof LeaseLostError)) throw error;
        log.info({ streamName: seen.leaseKey }, 'lease taken by another worker first');
      }
    }
  }

  async #list(signal: AbortSignal): Promise<Lease[]> {
    return await this.#options.table.list((error) => {
      this.#options.log.error({ error: errorName(error) }, `lease skipped: ${errorMessage(error)}`);
    }, signal);
  }
}
