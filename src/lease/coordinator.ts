import { setMaxListeners } from 'node:events';
import { type Clock, NEVER } from '../core/clock.ts';
import { errorMessage, errorName } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { Metrics } from '../core/metrics.ts';
import { Answers, HAND_OVER } from './answers.ts';
import type { Sharer } from './assign.ts';
import type { Holding } from './holding.ts';
import { Holdings } from './holdings.ts';
import { SYNC_LEASE_KEY } from './keys.ts';
import type { Lease } from './lease.ts';
import { Membership, pauseUnless } from './membership.ts';
import { LeaseRequests } from './requests.ts';
import type { LeaseTable } from './table.ts';
import { LeaseTaker } from './taker.ts';
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
  clock: Clock;
  log: Logger;
  metrics: Metrics;
}

/** In parts of the fail-over time. */
const ROUND = 1 / 3;
/** Of a round that left something to others: it is looked at again. */
const SHORT_ROUND = 1 / 6;
const LEAVE_POLL = 1 / 40;
/** Of the release itself, at the end: what is in flight must be done before. */
const RELEASE = 1 / 2;

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
  #isLeaving = false;
  #wake = new AbortController();
  #rounding: Promise<unknown> = Promise.resolve();
  /** The members at the last look: a change of them does not wait for the next round. */
  #members = '';

  constructor(options: CoordinatorOptions) {
    const { leases: table, workers, ...common } = options;
    this.#options = options;
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
      onExpired: () => void this.#holdings.loseAll(),
    });
    this.#requests = new LeaseRequests({
      ...common,
      table,
      isValid,
      onAsked: () => this.#membership.announce(),
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

  /** Runs until `signal` aborts. A failed round is counted, logged and tried again. */
  async run(signal: AbortSignal): Promise<void> {
    // One for each request that is under way.
    setMaxListeners(0, signal);
    await Promise.all([this.#membership.run(signal), this.#takeInRounds(signal)]);
    await this.#holdings.loseAll();
  }

  /** Does the next round at once. */
  wake(): void {
    this.#wake.abort();
  }

  /** Asks the owner of a lease to retire it. */
  askToRetire(leaseKey: string, owner: string, signal: AbortSignal): void {
    this.#requests.ask(leaseKey, { owner, kind: 'RETIRE' }, signal);
  }

  /** Another worker has the lease. */
  async lose(leaseKey: string): Promise<void> {
    await this.#holdings.lose(leaseKey);
  }

  /** Lets a lease go that this worker can do nothing with, and leaves it to others for a while. */
  async letGo(leaseKey: string): Promise<void> {
    this.#taker.avoid(leaseKey);
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
    const { clock, failoverTimeMillis, workerId } = this.#options;
    const endsAt = clock.monotonic() + limitMillis;
    this.#isLeaving = true;
    this.#requests.withdrawAll();
    await this.#holdings.handOver(SYNC_LEASE_KEY, { type: 'ANYBODY' }, { finishWaiting: false, millis: 0 });
    this.#membership.announce();
    // Long enough for the others to see that we leave, and for us to see what they ask for.
    const patience = Math.min(limitMillis / 2, failoverTimeMillis / 2);
    let left = this.#holdings.size;
    for (let waitUntil = clock.monotonic() + patience; left > 0 && clock.monotonic() < waitUntil; ) {
      if (!this.#sharers().some((sharer) => sharer.workerId !== workerId && !sharer.isLeaving)) break;
      this.#membership.look();
      await clock.sleep(failoverTimeMillis * LEAVE_POLL, NEVER);
      if (this.#holdings.size < left) waitUntil = Math.min(endsAt, clock.monotonic() + patience);
      left = this.#holdings.size;
    }
    // What a round under way has taken is let go, too.
    await this.#rounding;
    while (this.#holdings.size > 0) {
      const millis = Math.max(0, endsAt - failoverTimeMillis * RELEASE - clock.monotonic());
      const limits = { finishWaiting: false, millis };
      const leases = this.#holdings.leases();
      await Promise.all(
        leases.map(({ leaseKey }) => this.#holdings.handOver(leaseKey, { type: 'ANYBODY' }, limits)),
      );
      if (this.#holdings.size > 0) await clock.sleep(failoverTimeMillis * LEAVE_POLL, NEVER);
    }
    this.#membership.leave();
  }

  async #takeInRounds(signal: AbortSignal): Promise<void> {
    const { clock, failoverTimeMillis } = this.#options;
    while (!signal.aborted) {
      this.#wake = new AbortController();
      let isLeft = false;
      try {
        if (this.#membership.isReady() && !this.#isLeaving) {
          const round = this.#round(signal);
          this.#rounding = round.catch(() => undefined);
          isLeft = await round;
        }
      } catch (error) {
        if (signal.aborted) return;
        this.#report('leases cannot be taken, trying again', error);
        isLeft = true;
      }
      await pauseUnless(clock, failoverTimeMillis * (isLeft ? SHORT_ROUND : ROUND), this.#wake, signal);
    }
  }

  /** @returns whether leases are left that another worker should take */
  async #round(signal: AbortSignal): Promise<boolean> {
    this.#requests.withdrawHopeless(this.#sharers());
    const { isLeft, ...share } = await this.#taker.take(this.#sharers(), signal);
    if (this.#isLeaving) return false;
    await this.#requests.askForShare(share, () => this.#sharers(), signal);
    return isLeft;
  }

  #observed(): void {
    if (this.#membership.isValid()) this.#answers.answerAll();
    const members = this.#membership
      .workers()
      .map(({ state, liveness }) => `${state.workerId} ${liveness === 'dead'} ${state.isLeaving}`)
      .sort()
      .join();
    if (members !== this.#members) this.wake();
    this.#members = members;
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

  #report(problem: string, error: unknown): void {
    this.#options.metrics.count('LeaseTableErrors', null);
    this.#options.log.error({ error: errorName(error) }, `${problem}: ${errorMessage(error)}`);
  }
}
