import type { Logger } from '../core/log.ts';
import type { Metrics } from '../core/metrics.ts';
import type { HandOverLimits, Holding } from './holding.ts';
import { isStreamLease, SYNC_LEASE_KEY } from './keys.ts';
import type { Lease } from './lease.ts';
import type { Successor } from './lease-writes.ts';
import { LeaseLostError } from './table.ts';
import type { TableProblems } from './table-problems.ts';

export interface HoldingsOptions {
  /** Starts the work on a lease that is held now. */
  hold: (lease: Lease) => Holding;
  /** Whether leases can be held now. */
  isValid: () => boolean;
  /** Whether another worker can hold leases. */
  canHold: (workerId: string) => boolean;
  /** Called when the number of leases has changed. */
  onChange: () => void;
  problems: TableProblems;
  log: Logger;
  metrics: Metrics;
}

interface Held {
  readonly holding: Holding;
  /** `ending`: it is not ours any more, but its work has not ended yet. */
  state: 'held' | 'handingOver' | 'ending';
  /** The worker that it is handed over to. */
  successor: string | null;
}

/** The leases that this worker has. A lease that comes back before its work has ended is not held twice. */
export class Holdings {
  readonly #options: HoldingsOptions;
  readonly #held = new Map<string, Held>();

  constructor(options: HoldingsOptions) {
    this.#options = options;
  }

  /** Leases that there is work on, also such that is ending. */
  get size(): number {
    return this.#held.size;
  }

  /** Leases of streams. */
  get streamCount(): number {
    return [...this.#held.keys()].filter(isStreamLease).length;
  }

  /** Hand-overs under way; to one worker, or all. */
  handOvers(successor?: string): number {
    const underWay = [...this.#held.values()].filter(({ state }) => state === 'handingOver');
    return underWay.filter((held) => successor === undefined || held.successor === successor).length;
  }

  has(leaseKey: string): boolean {
    return this.#held.has(leaseKey);
  }

  /** Those that are neither handed over nor ending. */
  leases(): Lease[] {
    return [...this.#held.values()]
      .filter(({ state }) => state === 'held')
      .map(({ holding }) => holding.lease);
  }

  /** Measures the values of now. */
  report(): void {
    for (const { holding, state } of this.#held.values()) if (state !== 'ending') holding.report();
  }

  /** Starts the work on a lease that is ours. If it cannot be started now, a later round finds it among our own. */
  add(lease: Lease): void {
    const { leaseKey: streamName, leaseEpoch, start, checkpoint } = lease;
    if (this.#held.has(streamName) || !this.#options.isValid()) return;
    const details = streamName === SYNC_LEASE_KEY ? {} : { start, checkpoint };
    this.#options.log.info({ streamName, leaseEpoch, ...details }, 'lease taken');
    this.#options.metrics.count('LeasesTaken', streamName);
    this.#held.set(streamName, { holding: this.#options.hold(lease), state: 'held', successor: null });
    this.#options.onChange();
  }

  /** Ends the work and lets the lease go. Never rejects. @returns whether it went to the successor */
  async handOver(leaseKey: string, successor: Successor, limits: HandOverLimits): Promise<boolean> {
    const held = this.#held.get(leaseKey);
    if (held?.state !== 'held') return false;
    held.state = 'handingOver';
    held.successor = successor.type === 'WORKER' ? successor.workerId : null;
    const { canHold, log, metrics, problems } = this.#options;
    const details = { streamName: leaseKey, successor: held.successor };
    let actual = successor;
    let isLetGo = false;
    try {
      await held.holding.handOver(() => {
        if (successor.type === 'WORKER' && !canHold(successor.workerId)) actual = { type: 'ANYBODY' };
        return actual;
      }, limits);
      isLetGo = true;
      if (actual.type === 'WORKER') metrics.count('LeasesHandedOver', leaseKey);
      log.info(details, LET_GO[actual.type]);
    } catch (error) {
      if (error instanceof LeaseLostError) this.#reportLost(leaseKey);
      // It is still ours in the table: the next round takes it again.
      else problems.report('lease not let go', error, leaseKey);
    }
    this.#forget(leaseKey, held);
    return isLetGo;
  }

  /** Another worker has the lease. */
  async lose(leaseKey: string): Promise<void> {
    const held = this.#held.get(leaseKey);
    if (held === undefined) return;
    if (held.state === 'held') this.#reportLost(leaseKey);
    await this.#end(leaseKey, held);
  }

  /** Another worker may have any of the leases: whoever calls this says so. */
  async loseAll(): Promise<void> {
    const all = [...this.#held];
    for (const [leaseKey, { state }] of all) {
      if (state !== 'held') continue;
      this.#options.metrics.count('LeasesLost', leaseKey);
      this.#options.log.info({ streamName: leaseKey }, 'lease given up');
    }
    await Promise.all(all.map(([leaseKey, held]) => this.#end(leaseKey, held)));
  }

  async #end(leaseKey: string, held: Held): Promise<void> {
    // A hand-over under way ends by itself then, and says so.
    const isHandedOver = held.state === 'handingOver';
    if (!isHandedOver) held.state = 'ending';
    await held.holding.end();
    if (!isHandedOver) this.#forget(leaseKey, held);
  }

  #forget(leaseKey: string, held: Held): void {
    if (this.#held.get(leaseKey) !== held) return;
    this.#held.delete(leaseKey);
    this.#options.metrics.remove(leaseKey);
    this.#options.onChange();
  }

  #reportLost(streamName: string): void {
    this.#options.metrics.count('LeasesLost', streamName);
    this.#options.log.error({ streamName }, 'lease lost: another worker has it');
  }
}

const LET_GO = {
  WORKER: 'lease handed over',
  ANYBODY: 'lease released',
  RETIRED: 'lease retired',
} as const;
