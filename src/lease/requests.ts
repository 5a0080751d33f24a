import type { Clock } from '../core/clock.ts';
import { errorMessage, errorName } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { Metrics } from '../core/metrics.ts';
import type { Lease } from './lease.ts';
import { LeaseLostError, type LeaseTable } from './table.ts';
import type { LeaseRequest } from './worker-item.ts';

export interface LeaseRequestsOptions {
  table: Pick<LeaseTable, 'get' | 'take' | 'free'>;
  workerId: string;
  failoverTimeMillis: number;
  /** Whether this worker may hold leases now. */
  isValid: () => boolean;
  /** Called with each lease that was handed over to this worker, or that it took because it was not. */
  onTaken: (lease: Lease) => void;
  clock: Clock;
  log: Logger;
  metrics: Metrics;
}

/** An owner that has not answered by then loses the lease. */
const LIMIT_MILLIS = 30_000;
/** How often the table is asked in a fail-over time whether the owner has answered. */
const POLLS = 40;

interface PendingRequest extends LeaseRequest {
  readonly since: number;
}

/**
 * What this worker asks others for. The requests lie in its own item, where their owners see them; whether one is
 * granted is read from the lease. No request is for ever: in the end the lease is taken.
 */
export class LeaseRequests {
  readonly #options: LeaseRequestsOptions;
  readonly #pending = new Map<string, PendingRequest>();
  #isPolling = false;

  constructor(options: LeaseRequestsOptions) {
    this.#options = options;
  }

  /** By lease key, as the others shall see them. */
  get pending(): ReadonlyMap<string, LeaseRequest> {
    return this.#pending;
  }

  /** Asks for a lease, if that is not done yet. Polls until `signal` aborts. @returns whether it is new */
  ask(leaseKey: string, request: LeaseRequest, signal: AbortSignal): boolean {
    if (this.#pending.has(leaseKey)) return false;
    this.#pending.set(leaseKey, { ...request, since: this.#options.clock.monotonic() });
    this.#options.log.info({ streamName: leaseKey, ...request }, 'lease asked for');
    void this.#poll(signal);
    return true;
  }

  withdraw(leaseKey: string): void {
    this.#pending.delete(leaseKey);
  }

  async #poll(signal: AbortSignal): Promise<void> {
    if (this.#isPolling) return;
    this.#isPolling = true;
    const { clock, failoverTimeMillis, isValid, log, metrics, table } = this.#options;
    while (this.#pending.size > 0 && !signal.aborted) {
      try {
        const keys = [...this.#pending.keys()];
        const leases = new Map((await table.get(keys, signal)).map((lease) => [lease.leaseKey, lease]));
        // What comes while we are none of the workers is found later, among our own leases.
        if (isValid()) for (const key of keys) await this.#check(key, leases.get(key), signal);
      } catch (error) {
        if (signal.aborted) break;
        metrics.count('LeaseTableErrors', null);
        const problem = `leases asked for cannot be read, trying again: ${errorMessage(error)}`;
        log.warn({ error: errorName(error) }, problem);
      }
      await clock.sleep(failoverTimeMillis / POLLS, signal).catch(() => undefined);
    }
    this.#isPolling = false;
  }

  async #check(leaseKey: string, lease: Lease | undefined, signal: AbortSignal): Promise<void> {
    const { clock, log, onTaken, table, workerId } = this.#options;
    const request = this.#pending.get(leaseKey);
    if (request === undefined) return;
    const isOurs = request.kind === 'HAND_OVER' && lease?.leaseOwner === workerId;
    if (lease === undefined || lease.leaseOwner !== request.owner || isOurs) {
      this.#pending.delete(leaseKey);
      if (isOurs && lease !== undefined) onTaken(lease);
      return;
    }
    if (clock.monotonic() - request.since < LIMIT_MILLIS) return;
    log.error({ streamName: leaseKey, owner: request.owner }, 'lease not handed over in time: taking it');
    try {
      if (request.kind === 'RETIRE') await table.free(lease, { retiredAtMillis: clock.now() }, signal);
      else onTaken(await table.take(lease, workerId, signal));
    } catch (error) {
      if (!(error instanceof LeaseLostError)) throw error;
    }
    this.#pending.delete(leaseKey);
  }
}
