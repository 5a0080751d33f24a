import type { Clock } from '../core/clock.ts';
import { concurrently } from '../core/concurrently.ts';
import { errorMessage, errorName } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { Metrics } from '../core/metrics.ts';
import { type Share, type Sharer, shareOf } from './assign.ts';
import type { Holdings } from './holdings.ts';
import { FREE, isStreamLease, SYNC_LEASE_KEY } from './keys.ts';
import type { Lease } from './lease.ts';
import type { Membership } from './membership.ts';
import { LeaseLostError, type LeaseTable } from './table.ts';

export interface LeaseTakerOptions {
  table: Pick<LeaseTable, 'get' | 'keysOf' | 'take'>;
  membership: Pick<Membership, 'workers' | 'isDead'>;
  holdings: Holdings;
  /** Whether a lease is asked for: then it comes another way. */
  isAskedFor: (leaseKey: string) => boolean;
  workerId: string;
  failoverTimeMillis: number;
  clock: Clock;
  log: Logger;
  metrics: Metrics;
}

/** Requests at a time. */
const CONCURRENCY = 20;
/** Parts of the fail-over time after which a lease that another worker should have taken is anybody's. */
const OVERDUE = { dead: 1 / 6, free: 1 / 3 };
/** A lease that nothing could be read for is left to others for this many fail-over times. */
const AVOID = 3;

interface Unowned {
  readonly since: number;
  readonly reason: keyof typeof OVERDUE;
}

/** Takes leases without an owner: this worker's share of them, and those that nobody else takes. */
export class LeaseTaker {
  readonly #options: LeaseTakerOptions;
  /** Since when each has been seen without an owner, by the monotonic clock. */
  #unowned = new Map<string, Unowned>();
  readonly #avoided = new Map<string, number>();

  constructor(options: LeaseTakerOptions) {
    this.#options = options;
  }

  /** Leaves a lease to others for a while, if there are any. */
  avoid(leaseKey: string): void {
    const { clock, failoverTimeMillis } = this.#options;
    this.#avoided.set(leaseKey, clock.monotonic() + failoverTimeMillis * AVOID);
  }

  /**
   * One round.
   *
   * @param sharers the workers that live, this one included
   * @returns what is to be asked from others, and whether leases are left that another worker should take
   */
  async take(
    sharers: readonly Sharer[],
    signal: AbortSignal,
  ): Promise<Pick<Share, 'ask' | 'withdraw'> & { isLeft: boolean }> {
    const { holdings, membership, table, workerId } = this.#options;
    const dead = membership.workers().filter(({ liveness }) => liveness === 'dead');
    const [own, free, ...ofDead] = await Promise.all([
      table.keysOf(workerId, signal),
      table.keysOf(FREE, signal),
      ...dead.map(({ state }) => this.#keysOfDead(state.workerId, signal)),
    ]);
    await this.#checkOwn(own, signal);
    this.#note(free, ofDead.flat());
    const owners = new Set(dead.map(({ state }) => state.workerId));

    const unowned = [...this.#unowned.keys()].filter(isStreamLease).sort();
    const share = shareOf(workerId, sharers, unowned.length);
    const mine = unowned.slice(share.take.from, share.take.to);
    const wanted = new Set([...mine, ...unowned.filter((key) => this.#isOverdue(key))]);
    // Anybody may hold the lease for synchronization; so that not all try, the first does.
    const isFirst = sharers.every((sharer) => sharer.isLeaving || sharer.workerId >= workerId);
    if (this.#unowned.has(SYNC_LEASE_KEY) && (isFirst || this.#isOverdue(SYNC_LEASE_KEY))) {
      wanted.add(SYNC_LEASE_KEY);
    }
    if (sharers.length > 1) for (const key of this.#avoidedNow()) wanted.delete(key);
    await this.#takeAll([...wanted], owners, signal);
    const isLeft = [...this.#unowned.keys()].some((leaseKey) => !holdings.has(leaseKey));
    return { ask: share.ask, withdraw: share.withdraw, isLeft };
  }

  /** What the index says of a worker that is dead indeed. */
  async #keysOfDead(workerId: string, signal: AbortSignal): Promise<string[]> {
    const { membership, table } = this.#options;
    try {
      const keys = await table.keysOf(workerId, signal);
      return keys.length > 0 && (await membership.isDead(workerId, signal)) ? keys : [];
    } catch (error) {
      // The round goes on with what could be read.
      this.#report({ deadWorker: workerId }, 'leases of a dead worker not read', error, signal);
      return [];
    }
  }

  /**
   * Compares what the table says is ours with what we work on. A take whose answer was lost, or a hand-over that came
   * late, is ours without our knowing; a lease that was taken from us is not ours any more.
   */
  async #checkOwn(own: readonly string[], signal: AbortSignal): Promise<void> {
    const { holdings, isAskedFor, log, table, workerId } = this.#options;
    const listed = new Set(own);
    const held = holdings.leases();
    const unknown = own.filter((key) => !holdings.has(key) && !isAskedFor(key));
    const doubtful = held.filter(({ leaseKey }) => !listed.has(leaseKey));
    const keys = [...unknown, ...doubtful.map(({ leaseKey }) => leaseKey)];
    if (keys.length === 0) return;
    const now = new Map((await table.get(keys, signal)).map((lease) => [lease.leaseKey, lease]));
    for (const { leaseKey, leaseEpoch } of doubtful) {
      const lease = now.get(leaseKey);
      if (lease?.leaseOwner !== workerId || lease.leaseEpoch !== leaseEpoch) void holdings.lose(leaseKey);
    }
    await concurrently(unknown, CONCURRENCY, async (leaseKey) => {
      const lease = now.get(leaseKey);
      if (lease?.leaseOwner !== workerId || holdings.has(leaseKey)) return;
      log.info({ streamName: leaseKey }, 'lease is ours but not worked on: taking it again');
      await this.#takeOne(lease, signal);
    });
  }

  #note(free: readonly string[], ofDead: readonly string[]): void {
    const now = this.#options.clock.monotonic();
    const before = this.#unowned;
    this.#unowned = new Map();
    for (const reason of ['free', 'dead'] as const) {
      for (const key of reason === 'free' ? free : ofDead) {
        if (!this.#options.holdings.has(key))
          this.#unowned.set(key, before.get(key) ?? { since: now, reason });
      }
    }
  }

  #isOverdue(leaseKey: string): boolean {
    const unowned = this.#unowned.get(leaseKey);
    if (unowned === undefined) return false;
    const { clock, failoverTimeMillis } = this.#options;
    return clock.monotonic() - unowned.since >= failoverTimeMillis * OVERDUE[unowned.reason];
  }

  #avoidedNow(): string[] {
    const now = this.#options.clock.monotonic();
    for (const [key, until] of this.#avoided) if (until <= now) this.#avoided.delete(key);
    return [...this.#avoided.keys()];
  }

  async #takeAll(
    keys: readonly string[],
    deadWorkers: ReadonlySet<string>,
    signal: AbortSignal,
  ): Promise<void> {
    const leases = await this.#options.table.get(keys, signal);
    await concurrently(leases, CONCURRENCY, async (lease) => {
      const { leaseOwner, retiredAtMillis } = lease;
      const isFree = leaseOwner === null && retiredAtMillis === null;
      if (isFree || (leaseOwner !== null && deadWorkers.has(leaseOwner))) await this.#takeOne(lease, signal);
    });
  }

  async #takeOne(seen: Lease, signal: AbortSignal): Promise<void> {
    const { holdings, log, table, workerId } = this.#options;
    try {
      holdings.add(await table.take(seen, workerId, signal));
    } catch (error) {
      if (error instanceof LeaseLostError) {
        log.info({ streamName: seen.leaseKey }, 'lease taken by another worker first');
        return;
      }
      // The others are taken all the same.
      this.#report({ streamName: seen.leaseKey }, 'lease not taken', error, signal);
    }
  }

  /** The next round tries again. @throws what `signal` aborts with */
  #report(details: Record<string, string>, problem: string, error: unknown, signal: AbortSignal): void {
    signal.throwIfAborted();
    this.#options.metrics.count('LeaseTableErrors', null);
    const line = `${problem}, trying again: ${errorMessage(error)}`;
    this.#options.log.warn({ ...details, error: errorName(error) }, line);
  }
}
