import type { Clock } from '../core/clock.ts';
import { errorMessage, errorName } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { Metrics } from '../core/metrics.ts';
import { hopelessRequests, type Share, type Sharer } from './assign.ts';
import { isStreamLease } from './keys.ts';
import type { Lease } from './lease.ts';
import { LeaseLostError, type LeaseTable } from './table.ts';
import type { LeaseRequest } from './worker-item.ts';

export interface LeaseRequestsOptions {
  table: Pick<LeaseTable, 'get' | 'keysOf' | 'take' | 'free'>;
  workerId: string;
  failoverTimeMillis: number;
  /** Whether this worker may hold leases now. */
  isValid: () => boolean;
  /** Called when there are new requests, which the others have to see. */
  onAsked: () => void;
  /** Called with each lease that was handed over to this worker, or that it took because it was not. */
  onTaken: (lease: Lease) => void;
  clock: Clock;
  log: Logger;
  metrics: Metrics;
}

/** An owner that has not answered by then loses the lease. */
const LIMIT_MILLIS = 30_000;
/** Requests that a worker has at a time. */
const MAX_REQUESTS = 25;
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

  /** Asks for a lease, if that is not done yet and there is room. Polls until `signal` aborts. */
  ask(leaseKey: string, request: LeaseRequest, signal: AbortSignal): void {
    if (this.#pending.has(leaseKey) || this.#pending.size >= MAX_REQUESTS) return;
    this.#pending.set(leaseKey, { ...request, since: this.#options.clock.monotonic() });
    this.#options.log.info({ streamName: leaseKey, ...request }, 'lease asked for');
    this.#options.onAsked();
    void this.#poll(signal);
  }

  /** Asks for this worker's share, and not for what nobody would give. */
  async askForShare(
    { ask, withdraw }: Pick<Share, 'ask' | 'withdraw'>,
    sharers: () => readonly Sharer[],
    signal: AbortSignal,
  ): Promise<void> {
    const handOvers = [...this.#pending].filter(([, { kind }]) => kind === 'HAND_OVER');
    for (const [leaseKey] of handOvers.slice(handOvers.length - withdraw)) this.#pending.delete(leaseKey);
    for (const { owner, skip, count } of ask) {
      const keys = (await this.#options.table.keysOf(owner, signal)).filter(isStreamLease).sort();
      const asked = new Set(sharers().flatMap(({ requests }) => [...requests.keys()]));
      const askable = keys.filter((leaseKey) => !asked.has(leaseKey));
      for (const leaseKey of askable.slice(skip, skip + count)) {
        this.ask(leaseKey, { owner, kind: 'HAND_OVER' }, signal);
      }
    }
    this.withdrawHopeless(sharers());
  }

  /** Asks no more for what its owner would refuse by what is known of it. */
  withdrawHopeless(sharers: readonly Sharer[]): void {
    const own = sharers.find(({ workerId }) => workerId === this.#options.workerId);
    if (own === undefined) return;
    for (const leaseKey of hopelessRequests(own, sharers)) this.#pending.delete(leaseKey);
  }

  withdrawAll(): void {
    this.#pending.clear();
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
