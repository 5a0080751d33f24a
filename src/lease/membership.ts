import { type Clock, pauseUnless } from '../core/clock.ts';
import { KvsInferenceError } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import { Liveness, type ObservedWorker } from './liveness.ts';
import { paceOf } from './pace.ts';
import type { TableProblems } from './table-problems.ts';
import type { WorkerState } from './worker-item.ts';
import type { WorkerTable } from './worker-table.ts';

export interface MembershipOptions {
  table: WorkerTable;
  workerId: string;
  failoverTimeMillis: number;
  /** What the others have to know, asked at each sign of life. */
  state: () => Pick<WorkerState, 'leaseCount' | 'isLeaving' | 'requests'>;
  /** Called after each look at the others. */
  onObserved: () => void;
  /** Called when this worker's own leases have expired, or may have: nothing may be published for them any more. */
  onExpired: () => void;
  /** Called at each turn of a loop, with the pause until the next one. */
  beat: (loop: string, pauseMillis: number) => void;
  problems: TableProblems;
  clock: Clock;
  log: Logger;
}

/** Signs of life in a fail-over time. */
const HEARTBEATS = 3;
/**
 * Looks at the others in a fail-over time: cheap, and what a death, a request or a departure waits for at the most.
 */
const OBSERVATIONS = 9;
/** More of them look at each other less often. */
const FEW_WORKERS = 50;
/** A worker gives up its leases this much before the others take them: clocks run at slightly different rates. */
const VALID_FRACTION = 0.9;

/**
 * This worker among the others: gives signs of life, and watches theirs. Liveness is paid for by worker, not by
 * lease: all leases of a worker live and expire together.
 */
export class Membership {
  readonly #options: MembershipOptions;
  readonly #liveness: Liveness;
  #heartbeat = 0;
  /** Monotonic: until then this worker's leases are its own. */
  #validUntil = Number.NEGATIVE_INFINITY;
  #isMember = false;
  #hasObserved = false;
  #hasLeft = false;
  #beatSoon = new AbortController();
  #observeSoon = new AbortController();

  constructor(options: MembershipOptions) {
    this.#options = options;
    this.#liveness = new Liveness(options.failoverTimeMillis);
  }

  /** Whether the last sign of life that landed is young enough for this worker's leases to be its own. */
  isValid(): boolean {
    return this.#options.clock.monotonic() < this.#validUntil;
  }

  /** Whether this worker may take leases: its own are valid, and it has seen who else there is. */
  isReady(): boolean {
    return this.isValid() && this.#hasObserved;
  }

  /** All workers that are known, this one included as soon as it has been seen. */
  workers(): ObservedWorker[] {
    return this.#liveness.workers(this.#options.clock.monotonic());
  }

  /**
   * Looks whether a worker that looks dead is: what the index said may be old.
   *
   * @throws {KvsInferenceError} INVALID_LEASE if its item cannot be read: then nobody knows
   */
  async isDead(workerId: string, signal: AbortSignal): Promise<boolean> {
    const known = this.workers().find(({ state }) => state.workerId === workerId);
    if (known?.liveness !== 'dead') return false;
    const observedAt = this.#options.clock.monotonic();
    const state = await this.#options.table.get(workerId, signal);
    if (state === null) return true;
    this.#liveness.observeOne(state, observedAt);
    return state.heartbeat === known.state.heartbeat;
  }

  /** Gives the next sign of life at once, so that the others see what has changed. */
  announce(): void {
    this.#beatSoon.abort();
  }

  /** Looks at the others at once. */
  look(): void {
    this.#observeSoon.abort();
  }

  /** Runs until `signal` aborts. A request that fails is counted, logged and tried again. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([this.#beat(signal), this.#observe(signal), this.#watchValidity(signal)]);
  }

  /**
   * Gives no more signs of life. The item stays: should a lease come to this worker all the same, because it was
   * handed over at that moment, the others find it there as a dead worker's.
   */
  leave(): void {
    this.#hasLeft = true;
  }

  /** Whether leases can be handed over to a worker. */
  canHold(workerId: string): boolean {
    return this.workers().some(
      ({ state, liveness }) => state.workerId === workerId && liveness === 'live' && !state.isLeaving,
    );
  }

  async #beat(signal: AbortSignal): Promise<void> {
    const { beat, clock, failoverTimeMillis, state, table, workerId } = this.#options;
    while (!signal.aborted && !this.#hasLeft) {
      beat('signs of life', failoverTimeMillis / HEARTBEATS);
      this.#beatSoon = new AbortController();
      // Stamped before sending: the others can see it no earlier.
      const stamp = clock.monotonic();
      // A process that was paused for long must not revive what it held before.
      if (stamp >= this.#validUntil) this.#expire();
      this.#heartbeat += 1;
      const own = { ...state(), workerId, heartbeat: this.#heartbeat };
      const landed = await this.#tried('sign of life not given', signal, async () => {
        if (!(await table.beat(own, clock.now(), signal))) await this.#catchUp(signal);
      });
      if (landed) this.#renew(own, stamp);
      const pause = landed ? failoverTimeMillis / HEARTBEATS : paceOf(failoverTimeMillis) / OBSERVATIONS;
      await pauseUnless(clock, pause, this.#beatSoon, signal);
    }
  }

  async #observe(signal: AbortSignal): Promise<void> {
    const { beat, clock, table, onObserved } = this.#options;
    while (!signal.aborted) {
      beat('looking at the other workers', this.#observationInterval());
      this.#observeSoon = new AbortController();
      const observedAt = clock.monotonic();
      await this.#tried('workers cannot be looked up', signal, async () => {
        this.#liveness.observe(await table.list(signal), observedAt);
        this.#hasObserved = true;
      });
      if (signal.aborted) return;
      onObserved();
      const toNextDeath = this.#liveness.millisToNextDeath(clock.monotonic());
      // Rounded up: a timer that is early by a fraction of a millisecond would find nobody dead.
      const pause = Math.min(this.#observationInterval(), Math.ceil(toNextDeath) + 1);
      await pauseUnless(clock, pause, this.#observeSoon, signal);
    }
  }

  /** Each look reads all workers: where they are many, they look less often, or it would cost by their square. */
  #observationInterval(): number {
    const { failoverTimeMillis } = this.#options;
    const times = Math.max(1, this.workers().length / FEW_WORKERS);
    const interval = (paceOf(failoverTimeMillis) / OBSERVATIONS) * times;
    return Math.min(interval, failoverTimeMillis / HEARTBEATS);
  }

  async #watchValidity(signal: AbortSignal): Promise<void> {
    const { clock, failoverTimeMillis } = this.#options;
    while (!signal.aborted) {
      if (!this.isValid()) this.#expire();
      const left = this.#isMember ? this.#validUntil - clock.monotonic() : failoverTimeMillis / OBSERVATIONS;
      await clock.sleep(Math.max(1, Math.ceil(left)), signal).catch(() => undefined);
    }
  }

  /** Our item has a later sign of life than ours: somebody else has written it. */
  async #catchUp(signal: AbortSignal): Promise<never> {
    const { table, workerId } = this.#options;
    const heartbeat = (await table.get(workerId, signal))?.heartbeat ?? 0;
    this.#heartbeat = Math.max(this.#heartbeat, heartbeat);
    throw new KvsInferenceError('HEARTBEAT', `the item has sign of life ${heartbeat} already`);
  }

  #renew(own: WorkerState, stamp: number): void {
    const { failoverTimeMillis, log, onObserved } = this.#options;
    // Leases that were not ours for a moment are not ours again because of a late answer.
    if (!this.isValid()) this.#expire();
    this.#validUntil = Math.max(this.#validUntil, stamp + failoverTimeMillis * VALID_FRACTION);
    this.#liveness.observeOne(own, stamp);
    if (this.#isMember || !this.isValid()) return;
    this.#isMember = true;
    log.info('worker is a member: it can hold leases');
    onObserved();
  }

  #expire(): void {
    if (!this.#isMember) return;
    this.#isMember = false;
    this.#options.log.error('no sign of life has landed for the fail-over time: every lease is given up');
    this.#options.onExpired();
  }

  /** @returns whether it succeeded */
  async #tried(problem: string, signal: AbortSignal, request: () => Promise<void>): Promise<boolean> {
    try {
      await request();
      return true;
    } catch (error) {
      if (signal.aborted) return false;
      this.#options.problems.report(problem, error);
      return false;
    }
  }
}
