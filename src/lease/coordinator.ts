import { setMaxListeners } from 'node:events';
import type { Clock } from '../core/clock.ts';
import { errorMessage, errorName } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { Metrics } from '../core/metrics.ts';
import { hopelessRequests, type Share, type Sharer, shouldHandOver } from './assign.ts';
import type { Holding } from './holding.ts';
import { Holdings } from './holdings.ts';
import { isStreamLease, SYNC_LEASE_KEY } from './keys.ts';
import type { Lease } from './lease.ts';
import { Membership, pauseUnless } from './membership.ts';
import { LeaseRequests } from './requests.ts';
import type { LeaseTable } from './table.ts';
import { LeaseTaker } from './taker.ts';
import type { LeaseRequest, WorkerState } from './worker-item.ts';
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
/** For what is in flight, while another worker waits for the lease. */
const HAND_OVER_MILLIS = 5000;
/** For what is in flight or waits, when nobody will read it again soon. */
const RETIRE_MILLIS = 25_000;
/** Hand-overs that a worker asks for at a time. */
const MAX_REQUESTS = 25;

/**
 * Holds this worker's share of the leases: takes those without an owner, asks for those that others have too many of,
 * hands over what it is asked for, and gives up what it may have lost.
 */
export class LeaseCoordinator {
  readonly #options: CoordinatorOptions;
  readonly #holdings: Holdings;
  readonly #membership: Membership;
  readonly #requests: LeaseRequests;
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
      onTaken: (lease) => this.#holdings.add(lease),
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
    if (this.#requests.pending.size >= MAX_REQUESTS) return;
    if (this.#requests.ask(leaseKey, { owner, kind: 'RETIRE' }, signal)) this.#membership.announce();
  }

  /** Another worker has the lease. */
  async lose(leaseKey: string): Promise<void> {
    await this.#holdings.lose(leaseKey);
  }

  /** Lets a lease go that this worker can do nothing with, and leaves it to others for a while. */
  async letGo(leaseKey: string): Promise<void> {
    this.#taker.avoid(leaseKey);
    const limits = { finishWaiting: false, millis: HAND_OVER_MILLIS };
    if (await this.#holdings.handOver(leaseKey, { type: 'ANYBODY' }, limits)) {
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
    const never = new AbortController().signal;
    const endsAt = clock.monotonic() + limitMillis;
    this.#isLeaving = true;
    for (const leaseKey of [...this.#requests.pending.keys()]) this.#requests.withdraw(leaseKey);
    await this.#holdings.handOver(SYNC_LEASE_KEY, { type: 'ANYBODY' }, { finishWaiting: false, millis: 0 });
    this.#membership.announce();
    // Long enough for the others to see that we leave, and for us to see what they ask for.
    const patience = Math.min(limitMillis / 2, failoverTimeMillis / 2);
    let left = this.#holdings.size;
    for (let waitUntil = clock.monotonic() + patience; left > 0 && clock.monotonic() < waitUntil; ) {
      if (!this.#sharers().some((sharer) => sharer.workerId !== workerId && !sharer.isLeaving)) break;
      this.#membership.look();
      await clock.sleep(failoverTimeMillis * LEAVE_POLL, never);
      if (this.#holdings.size < left) waitUntil = Math.min(endsAt, clock.monotonic() + patience);
      left = this.#holdings.size;
    }
    // What a round under way has taken is let go, too.
    await this.#rounding;
    while (this.#holdings.size > 0) {
      const limits = { finishWaiting: false, millis: Math.max(0, endsAt - clock.monotonic()) };
      const leases = this.#holdings.leases();
      await Promise.all(
        leases.map(({ leaseKey }) => this.#holdings.handOver(leaseKey, { type: 'ANYBODY' }, limits)),
      );
      if (this.#holdings.size > 0) await clock.sleep(failoverTimeMillis * LEAVE_POLL, never);
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
    this.#withdrawHopeless();
    const { ask, withdraw, isLeft } = await this.#taker.take(this.#sharers(), signal);
    if (this.#isLeaving) return false;
    const handOvers = [...this.#requests.pending].filter(([, { kind }]) => kind === 'HAND_OVER');
    for (const [leaseKey] of handOvers.slice(handOvers.length - withdraw)) this.#requests.withdraw(leaseKey);
    for (const part of ask) await this.#ask(part, signal);
    this.#withdrawHopeless();
    return isLeft;
  }

  async #ask({ owner, skip, count }: Share['ask'][number], signal: AbortSignal): Promise<void> {
    const asked = new Set(this.#sharers().flatMap(({ requests }) => [...requests.keys()]));
    const keys = (await this.#options.leases.keysOf(owner, signal)).filter(isStreamLease).sort();
    const askable = keys.filter((leaseKey) => !asked.has(leaseKey));
    const room = Math.max(0, MAX_REQUESTS - this.#requests.pending.size);
    for (const leaseKey of askable.slice(skip, skip + Math.min(count, room))) {
      if (this.#requests.ask(leaseKey, { owner, kind: 'HAND_OVER' }, signal)) this.#membership.announce();
    }
  }

  #withdrawHopeless(): void {
    const sharers = this.#sharers();
    const own = sharers.find(({ workerId }) => workerId === this.#options.workerId);
    if (own === undefined) return;
    for (const leaseKey of hopelessRequests(own, sharers)) this.#requests.withdraw(leaseKey);
  }

  #observed(): void {
    if (this.#membership.isValid()) this.#answerRequests();
    const members = this.#membership
      .workers()
      .map(({ state, liveness }) => `${state.workerId} ${liveness === 'dead'} ${state.isLeaving}`)
      .sort()
      .join();
    if (members !== this.#members) this.wake();
    this.#members = members;
  }

  #answerRequests(): void {
    for (const { state, liveness } of this.#membership.workers()) {
      if (liveness !== 'live') continue;
      for (const [leaseKey, request] of state.requests) {
        if (request.owner === this.#options.workerId) this.#answer(leaseKey, request, state);
      }
    }
  }

  #answer(leaseKey: string, { kind }: LeaseRequest, asker: WorkerState): void {
    const holdings = this.#holdings;
    if (!holdings.has(leaseKey)) return;
    if (kind === 'RETIRE') {
      const successor = { type: 'RETIRED', nowMillis: this.#options.clock.now() } as const;
      void holdings.handOver(leaseKey, successor, { finishWaiting: true, millis: RETIRE_MILLIS });
      return;
    }
    const promised = { byOwner: holdings.handOvers(), toAsker: holdings.handOvers(asker.workerId) };
    const owner = { leaseCount: holdings.streamCount, isLeaving: this.#isLeaving };
    if (!this.#membership.canHold(asker.workerId) || !shouldHandOver(owner, asker, promised)) return;
    const successor = { type: 'WORKER', workerId: asker.workerId } as const;
    void holdings.handOver(leaseKey, successor, { finishWaiting: false, millis: HAND_OVER_MILLIS });
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
