import { concurrently } from '../core/concurrently.ts';
import type { Logger } from '../core/log.ts';
import { type Share, type Sharer, shareOf } from './assign.ts';
import type { Holdings } from './holdings.ts';
import { FREE, SYNC_LEASE_KEY } from './keys.ts';
import type { Lease } from './lease.ts';
import type { Membership } from './membership.ts';
import { LeaseLostError, type LeaseTable } from './table.ts';
import type { TableProblems } from './table-problems.ts';
import type { UnownedLeases } from './unowned.ts';

export interface LeaseTakerOptions {
  table: Pick<LeaseTable, 'get' | 'keysOf' | 'take'>;
  membership: Pick<Membership, 'workers' | 'isDead'>;
  holdings: Holdings;
  unowned: UnownedLeases;
  /** Whether a lease is asked for: then it comes another way. */
  isAskedFor: (leaseKey: string) => boolean;
  workerId: string;
  problems: TableProblems;
  log: Logger;
}

/** Requests at a time. */
const CONCURRENCY = 20;
/** Takes leases without an owner: this worker's share of them, and those that nobody else takes. */
export class LeaseTaker {
  readonly #options: LeaseTakerOptions;
  constructor(options: LeaseTakerOptions) {
    this.#options = options;
  }

  /**
   * One round.
   *
   * @param sharers the workers that live, this one included
   * @returns what is to be asked from others, and whether leases remain that another worker should take
   */
  async take(
    sharers: readonly Sharer[],
    signal: AbortSignal,
  ): Promise<Pick<Share, 'ask' | 'withdraw'> & { hasRemaining: boolean }> {
    const { holdings, membership, table, unowned, workerId } = this.#options;
    const lookDead = membership.workers().filter(({ liveness }) => liveness === 'dead');
    const [own, free, ...ofDead] = await Promise.all([
      table.keysOf(workerId, signal),
      table.keysOf(FREE, signal),
      ...lookDead.map(({ state }) => this.#keysOfDead(state.workerId, signal)),
    ]);
    await this.#checkOwn(own, signal);
    const dead = ofDead.filter((owner) => owner !== null);
    const isNotHeld = (leaseKey: string) => !holdings.has(leaseKey);
    unowned.note({
      free: free.filter(isNotHeld),
      dead: dead.flatMap(({ leaseKeys }) => leaseKeys).filter(isNotHeld),
    });

    const streams = unowned.streams();
    const share = shareOf(workerId, sharers, streams.length);
    const mine = streams.slice(share.take.from, share.take.to);
    const wanted = new Set([...mine, ...streams.filter((leaseKey) => unowned.isOverdue(leaseKey))]);
    // Anybody may hold the lease for synchronization; so that not all try, the first does.
    const isFirst = sharers.every((sharer) => sharer.isLeaving || sharer.workerId >= workerId);
    if (unowned.has(SYNC_LEASE_KEY) && (isFirst || unowned.isOverdue(SYNC_LEASE_KEY))) {
      wanted.add(SYNC_LEASE_KEY);
    }
    // Where there are no others, it is tried again here.
    const hasOthers = sharers.length > 1;
    const keys = [...wanted].filter((leaseKey) => !hasOthers || !unowned.isAvoided(leaseKey));
    await this.#takeAll(keys, new Set(dead.map((owner) => owner.workerId)), signal);
    return { ask: share.ask, withdraw: share.withdraw, hasRemaining: unowned.size > 0 };
  }

  /** What the index says of a worker that is dead indeed; null for one that may live, and where nothing is its own. */
  async #keysOfDead(
    workerId: string,
    signal: AbortSignal,
  ): Promise<{ workerId: string; leaseKeys: string[] } | null> {
    const { membership, problems, table } = this.#options;
    try {
      const leaseKeys = await table.keysOf(workerId, signal);
      if (leaseKeys.length === 0 || !(await membership.isDead(workerId, signal))) return null;
      return { workerId, leaseKeys };
    } catch (error) {
      // The round goes on with what could be read.
      signal.throwIfAborted();
      problems.report('leases of a dead worker not read', error);
      return null;
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

  async #takeAll(
    keys: readonly string[],
    deadWorkers: ReadonlySet<string>,
    signal: AbortSignal,
  ): Promise<void> {
    const { holdings, table, unowned } = this.#options;
    const leases = await table.get(keys, signal);
    const read = new Set(leases.map(({ leaseKey }) => leaseKey));
    for (const leaseKey of keys) if (!read.has(leaseKey)) unowned.setUnreadable(leaseKey);
    await concurrently(leases, CONCURRENCY, async (lease) => {
      // This worker leaves, or is none any more.
      signal.throwIfAborted();
      const { leaseKey, leaseOwner, retiredAtMillis } = lease;
      const isFree = leaseOwner === null && retiredAtMillis === null;
      if (isFree || (leaseOwner !== null && deadWorkers.has(leaseOwner))) await this.#takeOne(lease, signal);
      else unowned.remove(leaseKey);
      if (holdings.has(leaseKey)) unowned.remove(leaseKey);
    });
  }

  async #takeOne(seen: Lease, signal: AbortSignal): Promise<void> {
    const { holdings, log, problems, table, unowned, workerId } = this.#options;
    try {
      holdings.add(await table.take(seen, workerId, signal));
    } catch (error) {
      if (error instanceof LeaseLostError) {
        log.info({ streamName: seen.leaseKey }, 'lease taken by another worker first');
        unowned.remove(seen.leaseKey);
        return;
      }
      // The others are taken all the same.
      signal.throwIfAborted();
      problems.report('lease not taken', error, seen.leaseKey);
    }
  }
}
