import { setMaxListeners } from 'node:events';
import { type Clock, pauseUnless } from '../core/clock.ts';
import type { Logger } from '../core/log.ts';
import type { Metrics } from '../core/metrics.ts';
import { Answers, HAND_OVER } from './answers.ts';
import type { Sharer } from './assign.ts';
import { depart } from './departure.ts';
import type { Holding } from './holding.ts';
import { Holdings } from './holdings.ts';
import { SYNC_LEASE_KEY } from './keys.ts';
import type { Lease } from './lease.ts';
import { Membership } from './membership.ts';
import { paceOf } from './pace.ts';
import { LeaseRequests } from './requests.ts';
import type { LeaseTable } from './table.ts';
import type { TableProblems } from './table-problems.ts';
import { LeaseTaker } from './taker.ts';
import { UnownedLeases } from './unowned.ts';
import type { WorkerState } from './worker-item.ts';
import type { WorkerTable } from './worker-table.ts';

export interface CoordinatorOptions {
  leases: LeaseTable;
  workers: WorkerTable;
  /** Fresh in each process. */
  workerId: string;
  failoverTimeMillis: number;
  /** Starts the work on a lease that is held now. */
  hold: (lease: Lease) => Holding;
  /** Called at each turn of a loop, with the pause until the next one. */
  beat: (loop: string, pauseMillis: number) => void;
  problems: TableProblems;
  clock: Clock;
  log: Logger;
  metrics: Metrics;
}

/** In parts of the pace. */
const ROUND = 1 / 3;
/** After a round in which something remained for others: it is looked at again. */
const SHORT_ROUND = 1 / 6;

/**
 * Holds this worker's share of the leases: takes those without an owner, asks for those that others have too many of,
 * hands over what it is asked for, and gives up what it may have lost.
 */
export class LeaseCoordinator {
  readonly #options: CoordinatorOptions;
  readonly #holdings: Holdings;
  readonly #membership: Membership;
  readonly #requests: LeaseRequests;
  readonly #answers: Answers;
  readonly #taker: LeaseTaker;
  readonly #unowned: UnownedLeases;
  #isLeaving = false;
  #wake = new AbortController();
  #roundEnd = new AbortController();
  #rounding: Promise<unknown> = Promise.resolve();
  /** The last look at the members: a change of them does not wait for the next round. */
  #seen = '';

  constructor(options: CoordinatorOptions) {
    const { leases: table, workers, ...common } = options;
    this.#options = options;
    this.#unowned = new UnownedLeases(common);
    const isValid = () => this.#membership.isValid();
    this.#holdings = new Holdings({
      ...common,
      isValid,
      canHold: (workerId) => this.#membership.canHold(workerId),
      onChange: () => this.#membership.announce(),
    });
    this.#membership = new Membership({
      ...common,
      table: workers,
      state: () => this.#state(),
      onObserved: () => this.#observed(),
      onExpired: () => this.#expired(),
    });
    this.#requests = new LeaseRequests({
      ...common,
      table,
      isValid,
      mayRetire: () => this.#holdings.has(SYNC_LEASE_KEY),
      unowned: this.#unowned,
      onAsked: () => this.#membership.announce(),
      onDone: () => this.wake(),
      onTaken: (lease) => this.#holdings.add(lease),
    });
    this.#answers = new Answers({
      ...common,
      membership: this.#membership,
      holdings: this.#holdings,
      isLeaving: () => this.#isLeaving,
    });
    this.#taker = new LeaseTaker({
      ...common,
      table,
      membership: this.#membership,
      holdings: this.#holdings,
      unowned: this.#unowned,
      isAskedFor: (leaseKey) => this.#requests.pending.has(leaseKey),
    });
  }

  get membership(): Pick<Membership, 'isValid' | 'workers'> {
    return this.#membership;
  }

  /** Leases of streams that are held. */
  get streamCount(): number {
    return this.#holdings.streamCount;
  }

  /** Measures the values of now. To be called at every metrics interval. */
  report(): void {
    this.#holdings.report();
  }

  /** Runs until `signal` aborts. A failed round is counted, logged and tried again. */
  async run(signal: AbortSignal): Promise<void> {
    // One for each request that is under way.
    setMaxListeners(0, signal);
    await Promise.all([this.#membership.run(signal), this.#requests.run(signal), this.#takeInRounds(signal)]);
    await this.#holdings.loseAll();
  }

  /** Does the next round at once. */
  wake(): void {
    this.#wake.abort();
  }

  /** Asks the owner of a lease to retire it. */
  askToRetire(leaseKey: string, owner: string): void {
    this.#requests.ask(leaseKey, { owner, kind: 'RETIRE' });
  }

  /** Another worker has the lease. */
  async lose(leaseKey: string): Promise<void> {
    await this.#holdings.lose(leaseKey);
  }

  /** Lets a lease go that this worker can do nothing with, and leaves it to others for a while. */
  async letGo(leaseKey: string): Promise<void> {
    this.#unowned.avoid(leaseKey);
    if (await this.#holdings.handOver(leaseKey, { type: 'ANYBODY' }, HAND_OVER)) {
      this.#options.metrics.count('LeasesLetGo', leaseKey);
    }
  }

  /**
   * Takes no more leases, hands over those that are asked for, and then lets go of what is left. `run` must go on
   * meanwhile: until the end this worker gives signs of life.
   *
   * @param limitMillis for all of it
   */
  async leave(limitMillis: number): Promise<void> {
    this.#isLeaving = true;
    this.#roundEnd.abort();
    this.#requests.withdrawAll();
    const departure = {
      ...this.#options,
      holdings: this.#holdings,
      membership: this.#membership,
      hasOthers: () => this.#sharers().some(({ isLeaving }) => !isLeaving),
      rounding: this.#rounding,
    };
    await depart(departure, limitMillis);
  }

  #expired(): void {
    this.#roundEnd.abort();
    // Whoever was asked may have forgotten us meanwhile: asked again, it has its time again.
    this.#requests.withdrawAll();
    void this.#holdings.loseAll();
  }

  async #takeInRounds(signal: AbortSignal): Promise<void> {
    const { beat, clock, failoverTimeMillis } = this.#options;
    while (!signal.aborted) {
      // A round in which the table does not answer ends when the leases have expired.
      beat('taking leases', paceOf(failoverTimeMillis) * ROUND + failoverTimeMillis);
      this.#wake = new AbortController();
      let hasRemaining = false;
      try {
        if (this.#membership.isReady() && !this.#isLeaving) {
          const round = this.#round(signal);
          this.#rounding = round.catch(() => undefined);
          hasRemaining = await round;
        }
      } catch (error) {
        if (signal.aborted) return;
        if (!this.#roundEnd.signal.aborted) this.#options.problems.report('leases cannot be taken', error);
        hasRemaining = true;
      }
      const pause = paceOf(failoverTimeMillis) * (hasRemaining ? SHORT_ROUND : ROUND);
      await pauseUnless(clock, pause, this.#wake, signal);
    }
  }

  /** @returns whether leases remain that another worker should take */
  async #round(runs: AbortSignal): Promise<boolean> {
    this.#roundEnd = new AbortController();
    const { signal } = this.#roundEnd;
    setMaxListeners(0, signal);
    const abort = () => this.#roundEnd.abort(runs.reason);
    runs.addEventListener('abort', abort, { once: true });
    try {
      this.#requests.withdrawHopeless(this.#sharers());
      const { hasRemaining, ...share } = await this.#taker.take(this.#sharers(), signal);
      await this.#requests.askForShare(share, () => this.#sharers(), signal);
      return hasRemaining;
    } finally {
      runs.removeEventListener('abort', abort);
    }
  }

  #observed(): void {
    if (this.#membership.isValid()) this.#answers.answerAll();
    const members = this.#membership
      .workers()
      .map(({ state, liveness }) => `${state.workerId} ${liveness === 'dead'} ${state.isLeaving}`)
      .sort()
      .join();
    const seen = `${this.#membership.isReady()} ${members}`;
    if (seen !== this.#seen) this.wake();
    this.#seen = seen;
  }

  /** The workers that live, this one as it is now. Those that are late are not counted on. */
  #sharers(): Sharer[] {
    const others = this.#membership
      .workers()
      .filter(({ state, liveness }) => liveness === 'live' && state.workerId !== this.#options.workerId)
      .map(({ state }) => state);
    return [...others, { ...this.#state(), workerId: this.#options.workerId }];
  }

  #state(): Pick<WorkerState, 'leaseCount' | 'isLeaving' | 'requests'> {
    const requests = new Map(this.#requests.pending);
    return { leaseCount: this.#holdings.streamCount, isLeaving: this.#isLeaving, requests };
  }
}
