import type { WorkerState } from './worker-item.ts';

export interface ObservedWorker {
  readonly state: WorkerState;
  /** `late`: missed its last sign of life, perhaps dead. `dead`: its leases can be taken. */
  readonly liveness: 'live' | 'late' | 'dead';
}

/** Heartbeats come every third of the fail-over time; after two thirds of it one has been missed. */
const LATE_FRACTION = 2 / 3;
/** Between two looks at the workers. */
const MAX_GAP_FRACTION = 1 / 2;

/**
 * Tells which workers have died: those whose heartbeat has stood still for the fail-over time, by this process's own
 * monotonic clock. No clock of another machine is compared. Pure but for what it has seen.
 */
export class Liveness {
  readonly #failoverTimeMillis: number;
  #seen = new Map<string, { state: WorkerState; since: number }>();
  #observedAt = Number.NEGATIVE_INFINITY;

  constructor(failoverTimeMillis: number) {
    this.#failoverTimeMillis = failoverTimeMillis;
  }

  /**
   * @param states of all workers
   * @param now monotonic clock, milliseconds, read before they were asked for
   */
  observe(states: readonly WorkerState[], now: number): void {
    const seen = new Map<string, { state: WorkerState; since: number }>();
    // Whoever could not look for long has seen nobody give a sign of life: that is no death.
    const isLate = now - this.#observedAt > this.#failoverTimeMillis * MAX_GAP_FRACTION;
    this.#observedAt = now;
    for (const state of states) {
      const before = this.#seen.get(state.workerId);
      // A read of the index can be older than the one before.
      const isNew = before === undefined || state.heartbeat > before.state.heartbeat;
      const known = isNew ? { state, since: now } : before;
      seen.set(state.workerId, isLate ? { ...known, since: now } : known);
    }
    this.#seen = seen;
  }

  /** A single worker, seen apart from the others. */
  observeOne(state: WorkerState, now: number): void {
    const before = this.#seen.get(state.workerId);
    if (before === undefined || state.heartbeat > before.state.heartbeat) {
      this.#seen.set(state.workerId, { state, since: now });
    }
  }

  workers(now: number): ObservedWorker[] {
    return [...this.#seen.values()].map(({ state, since }) => {
      const age = now - since;
      if (age >= this.#failoverTimeMillis) return { state, liveness: 'dead' };
      return { state, liveness: age >= this.#failoverTimeMillis * LATE_FRACTION ? 'late' : 'live' };
    });
  }

  /** How long until the next worker is dead unless it gives a sign of life; `Infinity` if none is left. */
  millisToNextDeath(now: number): number {
    const ages = [...this.#seen.values()].map(({ since }) => now - since);
    const remaining = ages.map((age) => this.#failoverTimeMillis - age).filter((millis) => millis > 0);
    return Math.min(...remaining, Number.POSITIVE_INFINITY);
  }
}
