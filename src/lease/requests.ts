import { type Clock, pauseUnless } from '../core/clock.ts';
import type { Logger } from '../core/log.ts';
import { hopelessRequests, type Share, type Sharer } from './assign.ts';
import { isStreamLease } from './keys.ts';
import type { Lease } from './lease.ts';
import { paceOf } from './pace.ts';
import { LeaseLostError, type LeaseTable } from './table.ts';
import type { TableProblems } from './table-problems.ts';
import type { UnownedLeases } from './unowned.ts';
import type { LeaseRequest } from './worker-item.ts';

export interface LeaseRequestsOptions {
  table: Pick<LeaseTable, 'get' | 'keysOf' | 'take' | 'free'>;
  workerId: string;
  failoverTimeMillis: number;
  /** Whether this worker may hold leases now. */
  isValid: () => boolean;
  /** Whether this worker holds the lease for synchronization: only then may it have leases retired. */
  mayRetire: () => boolean;
  /** Leases that this worker does not want for now, or that cannot be read. */
  unowned: Pick<UnownedLeases, 'isAvoided' | 'setUnreadable'>;
  /** Called when there are new requests, which the others have to see. */
  onAsked: () => void;
  /** Called when nothing is asked for any more: there may be room for more. */
  onDone: () => void;
  /** Called with each lease that was handed over to this worker, or that it took because it was not. */
  onTaken: (lease: Lease) => void;
  /** Called at each turn of a loop, with the pause until the next one. */
  beat: (loop: string, pauseMillis: number) => void;
  problems: TableProblems;
  clock: Clock;
  log: Logger;
}

/** An owner that has not answered by then loses the lease. */
const LIMIT_MILLIS = 30_000;
/** Requests of each kind that a worker has at a time. */
const MAX_REQUESTS = 25;
/** How often the table is asked in a fail-over time, or in ten seconds, whether the owner has answered. */
const POLLS = 40;
/** Woken before by a request. */
const IDLE_MILLIS = 60_000;

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
  #wake = new AbortController();

  constructor(options: LeaseRequestsOptions) {
    this.#options = options;
  }

  /** By lease key, as the others shall see them. */
  get pending(): ReadonlyMap<string, LeaseRequest> {
    return this.#pending;
  }

  /** Asks for a lease, if that is not done yet and there is room. */
  ask(leaseKey: string, request: LeaseRequest): void {
    if (this.#pending.has(leaseKey) || this.#count(request.kind) >= MAX_REQUESTS) return;
    this.#pending.set(leaseKey, { ...request, since: this.#options.clock.monotonic() });
    this.#options.log.info({ streamName: leaseKey, ...request }, 'lease asked for');
    this.#options.onAsked();
    this.#wake.abort();
  }

  /** Asks for this worker's share, and not for what nobody would give. */
  async askForShare(
    { ask, withdraw }: Pick<Share, 'ask' | 'withdraw'>,
    sharers: () => readonly Sharer[],
    signal: AbortSignal,
  ): Promise<void> {
    const handOvers = [...this.#pending].filter(([, { kind }]) => kind === 'HAND_OVER').reverse();
    for (const [leaseKey] of handOvers.slice(0, withdraw)) this.#pending.delete(leaseKey);
    for (const { owner, skip, count } of ask) {
      const keys = (await this.#options.table.keysOf(owner, signal)).filter(isStreamLease).sort();
      const asked = new Set(sharers().flatMap(({ requests }) => [...requests.keys()]));
      const isAskable = (leaseKey: string) =>
        !asked.has(leaseKey) && !this.#options.unowned.isAvoided(leaseKey);
      for (const leaseKey of keys.filter(isAskable).slice(skip, skip + count)) {
        this.ask(leaseKey, { owner, kind: 'HAND_OVER' });
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

  /** Looks after the requests until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { beat, clock, failoverTimeMillis } = this.#options;
    while (!signal.aborted) {
      beat('asking for leases', IDLE_MILLIS);
      this.#wake = new AbortController();
      if (this.#pending.size > 0) await this.#checkAll(signal);
      const pause = this.#pending.size > 0 ? paceOf(failoverTimeMillis) / POLLS : IDLE_MILLIS;
      await pauseUnless(clock, pause, this.#wake, signal);
    }
  }

  async #checkAll(signal: AbortSignal): Promise<void> {
    const { isValid, mayRetire, onDone, problems, table } = this.#options;
    for (const [leaseKey, { kind }] of this.#pending) {
      if (kind === 'RETIRE' && !mayRetire()) this.#pending.delete(leaseKey);
    }
    try {
      const keys = [...this.#pending.keys()];
      const leases = new Map((await table.get(keys, signal)).map((lease) => [lease.leaseKey, lease]));
      // What comes while we are none of the workers is found later, among our own leases.
      if (isValid()) for (const key of keys) await this.#check(key, leases.get(key), signal);
    } catch (error) {
      if (signal.aborted) return;
      problems.report('leases asked for cannot be read', error);
    }
    if (this.#pending.size === 0) onDone();
  }

  #count(kind: LeaseRequest['kind']): number {
    return [...this.#pending.values()].filter((request) => request.kind === kind).length;
  }

  async #check(leaseKey: string, lease: Lease | undefined, signal: AbortSignal): Promise<void> {
    const { clock, log, onTaken, table, unowned, workerId } = this.#options;
    const request = this.#pending.get(leaseKey);
    if (request === undefined) return;
    const isOurs = request.kind === 'HAND_OVER' && lease?.leaseOwner === workerId;
    if (lease === undefined || lease.leaseOwner !== request.owner || isOurs) {
      this.#pending.delete(leaseKey);
      if (lease === undefined) unowned.setUnreadable(leaseKey);
      else if (isOurs) onTaken(lease);
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
