import type { Holding } from '../../src/lease/holding.ts';
import { SYNC_LEASE_KEY } from '../../src/lease/keys.ts';
import type { Lease } from '../../src/lease/lease.ts';
import type { SampledFrame } from '../../src/stream/sampled-frame.ts';
import type { Machine } from './time.ts';

export class InvariantError extends Error {
  override readonly name = 'InvariantError';
}

export interface Work {
  readonly machine: Machine;
  readonly lease: Lease;
}

/** Who works on what, and what was published: what the invariants are about. */
export class Ledger {
  readonly #work = new Map<string, Set<Work>>();
  /** How often each id was published. */
  readonly published = new Map<string, number>();
  /** The interval that each fragment was sampled with, by endpoint. */
  readonly #intervals = new Map<string, number>();
  taken = 0;

  /** @throws {InvariantError} if the fragment was sampled by another plan before */
  publish({ id, streamName, fragment, endpoint }: SampledFrame): void {
    this.published.set(id, (this.published.get(id) ?? 0) + 1);
    const sampled = `${streamName}/${fragment.fragmentNumber}/${endpoint.name}`;
    const interval = this.#intervals.get(sampled) ?? endpoint.inferenceInterval;
    this.#intervals.set(sampled, interval);
    if (interval !== endpoint.inferenceInterval) {
      throw new InvariantError(
        `${id}: every ${endpoint.inferenceInterval}. I-frame, before every ${interval}.`,
      );
    }
  }

  /** Work on a lease that has begun and not ended. */
  on(leaseKey: string): Work[] {
    return [...(this.#work.get(leaseKey) ?? [])];
  }

  /** Leases of streams that each machine works on. */
  loads(machines: readonly Machine[]): number[] {
    const loads = new Map(machines.map((machine) => [machine, 0]));
    for (const [leaseKey, works] of this.#work) {
      if (leaseKey === SYNC_LEASE_KEY) continue;
      for (const { machine } of works) {
        const before = loads.get(machine);
        if (before !== undefined) loads.set(machine, before + 1);
      }
    }
    return [...loads.values()];
  }

  /** Notes the work on a lease for as long as it lasts. */
  noted(machine: Machine, holding: Holding): Holding {
    const { lease } = holding;
    const work: Work = { machine, lease };
    const works = this.#work.get(lease.leaseKey) ?? new Set();
    this.#work.set(lease.leaseKey, works.add(work));
    this.taken += 1;
    const ended = () => void works.delete(work);
    return {
      lease,
      report: () => holding.report(),
      handOver: (successor, limits) => holding.handOver(successor, limits).finally(ended),
      end: () => holding.end().finally(ended),
    };
  }
}
