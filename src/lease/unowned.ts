import type { Clock } from '../core/clock.ts';
import { isStreamLease } from './keys.ts';

/** Parts of the fail-over time after which a lease that another worker should have taken is anybody's. */
const OVERDUE = { dead: 1 / 6, free: 1 / 3 };
/** For this many fail-over times a lease that nothing could be read for is left to others, and a bad item alone. */
const AVOID = 3;

interface Unowned {
  /** By the monotonic clock. */
  readonly since: number;
  readonly reason: keyof typeof OVERDUE;
}

/** The leases without an owner, as this worker sees them, and those that it does not want for now. */
export class UnownedLeases {
  readonly #clock: Clock;
  readonly #failoverTimeMillis: number;
  #unowned = new Map<string, Unowned>();
  /** Until when, by the monotonic clock. */
  readonly #avoided = new Map<string, number>();
  readonly #unreadable = new Map<string, number>();

  constructor(options: { clock: Clock; failoverTimeMillis: number }) {
    this.#clock = options.clock;
    this.#failoverTimeMillis = options.failoverTimeMillis;
  }

  /** Notes what the table says now. */
  note(leaseKeys: Record<keyof typeof OVERDUE, readonly string[]>): void {
    const now = this.#clock.monotonic();
    for (const map of [this.#avoided, this.#unreadable]) {
      for (const [leaseKey, until] of map) if (until <= now) map.delete(leaseKey);
    }
    const before = this.#unowned;
    this.#unowned = new Map();
    for (const reason of ['free', 'dead'] as const) {
      for (const leaseKey of leaseKeys[reason]) {
        if (this.#unreadable.has(leaseKey)) continue;
        this.#unowned.set(leaseKey, before.get(leaseKey) ?? { since: now, reason });
      }
    }
  }

  /** Those of streams, in an order that is the same for every worker. */
  streams(): string[] {
    return [...this.#unowned.keys()].filter(isStreamLease).sort();
  }

  has(leaseKey: string): boolean {
    return this.#unowned.has(leaseKey);
  }

  /** It is not without an owner any more. */
  remove(leaseKey: string): void {
    this.#unowned.delete(leaseKey);
  }

  get size(): number {
    return this.#unowned.size;
  }

  /** Whether the worker that should have taken it has had its time. */
  isOverdue(leaseKey: string): boolean {
    const unowned = this.#unowned.get(leaseKey);
    if (unowned === undefined) return false;
    const age = this.#clock.monotonic() - unowned.since;
    return age >= this.#failoverTimeMillis * OVERDUE[unowned.reason];
  }

  /** Leaves a lease to others for a while. */
  avoid(leaseKey: string): void {
    this.#avoided.set(leaseKey, this.#clock.monotonic() + this.#failoverTimeMillis * AVOID);
  }

  isAvoided(leaseKey: string): boolean {
    return this.#avoided.has(leaseKey) || this.#unreadable.has(leaseKey);
  }

  /** The item cannot be read: nobody can have the lease. */
  setUnreadable(leaseKey: string): void {
    this.#unreadable.set(leaseKey, this.#clock.monotonic() + this.#failoverTimeMillis * AVOID);
    this.#unowned.delete(leaseKey);
  }
}
