import type { Clock } from '../core/clock.ts';
import { httpStatusOf } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import { fullJitter } from '../core/retry.ts';
import type { Checkpoint } from '../lease/checkpoint.ts';
import {
  isSamePlan,
  MAX_SAMPLING_PERIODS,
  planOf,
  pruned,
  type SamplingPeriod,
  type SamplingPlan,
  withChange,
} from '../lease/sampling.ts';
import type { TableProblems } from '../lease/table-problems.ts';
import type { StreamFragment } from './sampled-frame.ts';

export interface StreamSamplingOptions {
  streamName: string;
  /** Those that are known to be in the stream's lease. */
  periods: () => readonly SamplingPeriod[];
  /** Writes them to the lease; see LeaseKeeper.recordSampling. */
  record: (periods: readonly SamplingPeriod[], signal: AbortSignal) => Promise<void>;
  /** Everything up to it is done. */
  checkpoint: () => Checkpoint | null;
  /** What the configuration says now; null while that is not known. */
  wanted: () => SamplingPlan | null;
  problems: Pick<TableProblems, 'report'>;
  clock: Clock;
  log: Logger;
}

const LOOK_AGAIN_MILLIS = 500;
const RECORD_AGAIN = { baseDelayMillis: 200, maxDelayMillis: 2000 };
/** A change that the table has refused is tried again after this. */
const REFUSED_PAUSE_MILLIS = 5000;

/**
 * Tells which plan holds for each fragment, in one tenure of a stream's lease.
 *
 * A change of what the configuration says takes effect between two fragments, and no frame is handed on before that
 * boundary is in the lease: whoever reads a fragment again samples it as it was sampled first. So a boundary lies
 * after every fragment that frames may have been handed on of. Those of this tenure are known. Those that a former
 * owner has read existed when this tenure began, so the boundary follows a fragment that did not.
 */
export class StreamSampling {
  readonly #options: StreamSamplingOptions;
  /** Nobody can have handed on a frame before. */
  readonly #isFirstTenure: boolean;
  /** Wall clock. */
  readonly #sinceMillis: number;
  /** When the tenure began the stream had no complete fragment with a later server timestamp; null = not known yet. */
  #tipMillis: number | null = null;
  /** The last one of the stream that was begun in this tenure. */
  #lastBegun: StreamFragment | null = null;
  /** The wanted plan of which it was said that it waits; null = it is not known; undefined = none. */
  #waitingPlan: SamplingPlan | null | undefined;
  /** Monotonic: until then a change is not tried again. */
  #pausedUntil = Number.NEGATIVE_INFINITY;

  constructor(options: StreamSamplingOptions) {
    this.#options = options;
    this.#isFirstTenure = options.periods().length === 0;
    this.#sinceMillis = options.clock.now();
  }

  /**
   * The plan for a fragment, asked for before its frames are read; the same at each reading.
   *
   * @throws the reason of `signal`: until there is a plan in the lease, nothing can be read
   */
  async planFor(fragment: StreamFragment, signal: AbortSignal): Promise<SamplingPlan> {
    if (this.#options.periods().length === 0) await this.#start(signal);
    else await this.#change(fragment, signal);
    if (isAfter(fragment, this.#lastBegun)) this.#lastBegun = fragment;
    const plan = planOf(this.#options.periods(), fragment.fragmentNumber);
    if (plan === null) throw new Error('no plan in the lease');
    return plan;
  }

  /** @param millisBehindNow as its trailing tags say: how much older it is than the latest of the stream, or than now */
  fragmentEnded({ serverTimestampMillis }: StreamFragment, millisBehindNow: number | null): void {
    // Each would do alone: the one where our clock is right, the other where the tag is.
    this.#tipMillis ??= Math.max(this.#sinceMillis, serverTimestampMillis + (millisBehindNow ?? 0));
  }

  /** The first plan of the stream. What no endpoint gets is not read past: one may be configured yet. */
  async #start(signal: AbortSignal): Promise<void> {
    const { clock, log, wanted } = this.#options;
    let plan = wanted();
    if (!hasEndpoints(plan)) log.info('reading waits until an endpoint is known that gets the stream');
    while (!hasEndpoints(plan)) {
      await clock.sleep(LOOK_AGAIN_MILLIS, signal);
      plan = wanted();
    }
    await this.#record([{ from: { type: 'START' }, plan }], signal, { mayGiveUp: false });
  }

  /** Lets the wanted plan begin with this fragment, if it can. */
  async #change(fragment: StreamFragment, signal: AbortSignal): Promise<void> {
    const { checkpoint, clock, log, periods, wanted } = this.#options;
    const plan = wanted();
    const current = periods().at(-1)?.plan;
    if (plan === null) return this.#sayWaits(fragment, plan, 'it is known which endpoints get the stream');
    if (current !== undefined && isSamePlan(plan, current)) {
      this.#waitingPlan = undefined;
      return;
    }
    const last = this.#lastBegun;
    if (last === null || !isAfter(fragment, last)) return;
    if (!this.#hasNewAfter(last)) {
      if (this.#tipMillis === null) return;
      const tip = new Date(this.#tipMillis).toISOString();
      return this.#sayWaits(
        fragment,
        plan,
        `video later than ${tip} is read: a former owner may have read what is older`,
      );
    }
    const kept = pruned(periods(), checkpoint());
    if (kept.length >= MAX_SAMPLING_PERIODS) {
      return this.#sayWaits(fragment, plan, `the checkpoint has passed one of ${kept.length} changes`);
    }
    if (clock.monotonic() < this.#pausedUntil) return;
    const changed = withChange(kept, last.fragmentNumber, plan);
    if (await this.#record(changed, signal, { mayGiveUp: true })) {
      const { fragmentNumber } = fragment;
      log.info({ fragmentNumber, plan, before: current }, 'sampled by another plan from this fragment on');
    }
  }

  /** @param until what the old plan holds; said once for each plan */
  #sayWaits({ fragmentNumber }: StreamFragment, plan: SamplingPlan | null, until: string): void {
    const said = this.#waitingPlan;
    if (plan === null || !said ? plan === said : isSamePlan(plan, said)) return;
    this.#waitingPlan = plan;
    this.#options.log.info({ fragmentNumber, plan }, `sampled by the old plan until ${until}`);
  }

  /** Whether all that follows the fragment came when the tenure had begun: no former owner can have read it. */
  #hasNewAfter({ serverTimestampMillis }: StreamFragment): boolean {
    return this.#isFirstTenure || (this.#tipMillis !== null && serverTimestampMillis > this.#tipMillis);
  }

  /**
   * Tries until the periods are in the lease, or are certain not to be and may be given up for now: while it is not
   * known which of two plans a successor would find, no frame can be sampled by either.
   *
   * @returns whether they are in the lease
   */
  async #record(
    periods: readonly SamplingPeriod[],
    signal: AbortSignal,
    { mayGiveUp }: { mayGiveUp: boolean },
  ): Promise<boolean> {
    const { clock, problems, record, streamName } = this.#options;
    let mayHaveLanded = false;
    for (let attempt = 1; ; attempt += 1) {
      try {
        await record(periods, signal);
        return true;
      } catch (error) {
        signal.throwIfAborted();
        problems.report('sampling not recorded', error, streamName);
        mayHaveLanded ||= !isRefusal(error);
        if (mayGiveUp && !mayHaveLanded) {
          this.#pausedUntil = clock.monotonic() + REFUSED_PAUSE_MILLIS;
          return false;
        }
      }
      await clock.sleep(fullJitter(attempt, RECORD_AGAIN), signal);
    }
  }
}

function hasEndpoints(plan: SamplingPlan | null): plan is SamplingPlan {
  return plan !== null && plan.endpoints.length > 0;
}

/** Whether the service has answered that it did nothing. */
function isRefusal(error: unknown): boolean {
  const status = httpStatusOf(error) ?? 0;
  return status >= 400 && status < 500;
}

function isAfter(fragment: StreamFragment, other: StreamFragment | null): boolean {
  return other === null || BigInt(fragment.fragmentNumber) > BigInt(other.fragmentNumber);
}
