import type { Clock } from '../core/clock.ts';
import type { Metrics } from '../core/metrics.ts';
import type { EndpointControl } from './endpoint-control.ts';
import { classifyInvocationError, type InvocationFailure } from './invocation-error.ts';
import { type Attempts, afterFailure, NO_ATTEMPTS } from './retries.ts';

/** What became of one attempt. `attempts` are those made so far. */
export type CallOutcome<T> =
  | { readonly type: 'answered'; readonly answer: T; readonly attempts: number }
  | {
      readonly type: 'retry';
      readonly error: unknown;
      /** To be waited for without a slot. */
      readonly delayMillis: number;
      readonly attempts: number;
    }
  | { readonly type: 'failed'; readonly error: unknown; readonly attempts: number };

export interface FrameCallsOptions {
  control: EndpointControl;
  streamName: string;
  /** Read after each failure. */
  settings: () => { readonly maxAttempts: number; readonly isLossless: boolean };
  clock: Clock;
  metrics: Metrics;
}

/** One frame's calls of one endpoint, from the first to its answer or its failure. */
export class FrameCalls {
  readonly #options: FrameCallsOptions;
  #attempts: Attempts = NO_ATTEMPTS;
  /** Of all frames, when this one's attempt before failed. */
  #successesBefore: number | null = null;

  constructor(options: FrameCallsOptions) {
    this.#options = options;
  }

  /** Made so far. */
  get attempts(): number {
    return this.#attempts.made;
  }

  /**
   * Makes one attempt. To be called in a slot.
   *
   * @param signal calls it off
   * @throws the operation's error if `signal` has aborted
   */
  async attempt<T>(operation: () => Promise<T>, signal: AbortSignal): Promise<CallOutcome<T>> {
    const { control } = this.#options;
    signal.throwIfAborted();
    const successesBefore = this.#successesBefore ?? control.successes;
    const call = control.start(this);
    try {
      const answer = await operation();
      call.succeeded();
      return { type: 'answered', answer, attempts: this.#attempts.made + 1 };
    } catch (error) {
      if (signal.aborted) {
        call.abandoned();
        throw error;
      }
      call.failed(error);
      const failure = classifyInvocationError(error);
      const outcome = this.#afterFailure(error, failure, control.successes > successesBefore);
      // At one call at once it still takes too many: the slot is held, so that the others wait, too.
      const holdsSlot = outcome.type === 'retry' && failure === 'throttled' && call.limit === 1;
      if (!holdsSlot) return outcome;
      await this.#options.clock.sleep(outcome.delayMillis, signal);
      return { ...outcome, delayMillis: 0 };
    }
  }

  #afterFailure(
    error: unknown,
    failure: InvocationFailure,
    othersSucceeded: boolean,
  ): Exclude<CallOutcome<never>, { type: 'answered' }> {
    const { control, settings, metrics, streamName } = this.#options;
    const { attempts, decision } = afterFailure(this.#attempts, { failure, othersSucceeded, ...settings() });
    this.#attempts = attempts;
    this.#successesBefore = control.successes;
    if (failure === 'throttled') metrics.count('Throttles', streamName);
    if (decision.type === 'fail') return { type: 'failed', error, attempts: attempts.made };
    metrics.count('InvocationRetries', streamName);
    return { type: 'retry', error, delayMillis: decision.delayMillis, attempts: attempts.made };
  }
}
