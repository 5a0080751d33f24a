import type { Lease } from './lease.ts';

interface Seen {
  readonly leaseCounter: number;
  readonly leaseEpoch: number;
  readonly since: number;
}

/**
 * Tells which leases have lost their owner: those whose counter has stood still for the fail-over time, by this
 * process's own monotonic clock. No clock of another machine is compared. Pure but for what it has seen.
 */
export class LeaseExpiry {
  readonly #failoverTimeMillis: number;
  #seen = new Map<string, Seen>();

  constructor(failoverTimeMillis: number) {
    this.#failoverTimeMillis = failoverTimeMillis;
  }

  /**
   * @param leases all that are in the table
   * @param now monotonic clock, milliseconds, read before the table was
   * @returns the leases that can be taken: free or expired
   */
  takeable(leases: readonly Lease[], now: number): Lease[] {
    const seen = new Map<string, Seen>();
    for (const { leaseKey, leaseCounter, leaseEpoch } of leases) {
      const before = this.#seen.get(leaseKey);
      const isSame = before?.leaseCounter === leaseCounter && before.leaseEpoch === leaseEpoch;
      seen.set(leaseKey, { leaseCounter, leaseEpoch, since: isSame ? before.since : now });
    }
    this.#seen = seen;
    return leases.filter(
      ({ leaseKey, leaseOwner }) =>
        leaseOwner === null || now - (seen.get(leaseKey)?.since ?? now) >= this.#failoverTimeMillis,
    );
  }
}
