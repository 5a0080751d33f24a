import type { Clock } from '../core/clock.ts';
import { shouldHandOver } from './assign.ts';
import type { HandOverLimits } from './holding.ts';
import type { Holdings } from './holdings.ts';
import type { Membership } from './membership.ts';
import type { LeaseRequest, WorkerState } from './worker-item.ts';

/** While another worker waits for the lease: what is in flight is given this long. */
export const HAND_OVER: HandOverLimits = { finishWaiting: false, millis: 5000 };
/** When nobody reads the stream again soon: all of it is done. */
const RETIREMENT: HandOverLimits = { finishWaiting: true, millis: 25_000 };

export interface AnswersOptions {
  membership: Pick<Membership, 'workers' | 'canHold'>;
  holdings: Holdings;
  workerId: string;
  isLeaving: () => boolean;
  clock: Clock;
}

/** What this worker does with the requests of others for its leases. */
export class Answers {
  readonly #options: AnswersOptions;

  constructor(options: AnswersOptions) {
    this.#options = options;
  }

  /** Grants what is to be granted. One that is under way already is not begun again. */
  answerAll(): void {
    for (const { state, liveness } of this.#options.membership.workers()) {
      if (liveness !== 'live') continue;
      for (const [leaseKey, request] of state.requests) {
        if (request.owner === this.#options.workerId) this.#answer(leaseKey, request, state);
      }
    }
  }

  #answer(leaseKey: string, { kind }: LeaseRequest, asker: WorkerState): void {
    const { clock, holdings, isLeaving, membership } = this.#options;
    if (kind === 'RETIRE') {
      void holdings.handOver(leaseKey, { type: 'RETIRED', nowMillis: clock.now() }, RETIREMENT);
      return;
    }
    const promised = { byOwner: holdings.handOvers(), toAsker: holdings.handOvers(asker.workerId) };
    const owner = { leaseCount: holdings.streamCount, isLeaving: isLeaving() };
    if (!membership.canHold(asker.workerId) || !shouldHandOver(owner, asker, promised)) return;
    void holdings.handOver(leaseKey, { type: 'WORKER', workerId: asker.workerId }, HAND_OVER);
  }
}
