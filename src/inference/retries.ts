import { fullJitter } from '../core/retry.ts';
import type { InvocationFailure } from './invocation-error.ts';

/** Of one frame on one endpoint. */
export interface Attempts {
  /** All that were made. */
  readonly made: number;
  /** Those that tell against the frame. */
  readonly counted: number;
}

export const NO_ATTEMPTS: Attempts = { made: 0, counted: 0 };

export interface FailedAttempt {
  readonly failure: InvocationFailure;
  /** Counted attempts after which the frame fails for good. */
  readonly maxAttempts: number;
  readonly isLossless: boolean;
  /**
   * Whether other frames have succeeded on the endpoint since this frame's attempt before failed; at the first
   * attempt, since it began.
   */
  readonly othersSucceeded: boolean;
}

export type RetryDecision =
  | { readonly type: 'retry'; readonly delayMillis: number }
  | { readonly type: 'fail' };

const DELAYS = { baseDelayMillis: 200, maxDelayMillis: 5000 };

/**
 * What follows a failed attempt. In lossless mode it counts only if other frames succeeded meanwhile: while none does,
 * it is the endpoint that fails and not the frame, however long that takes. Throttling says nothing of the frame at all,
 * and there it never counts.
 */
export function afterFailure(
  { made, counted }: Attempts,
  { failure, maxAttempts, isLossless, othersSucceeded }: FailedAttempt,
  random: () => number = Math.random,
): { attempts: Attempts; decision: RetryDecision } {
  const counts = !isLossless || (othersSucceeded && failure !== 'throttled');
  const attempts = { made: made + 1, counted: counted + (counts ? 1 : 0) };
  const isFinal = failure === 'final' || attempts.counted >= maxAttempts;
  const decision: RetryDecision = isFinal
    ? { type: 'fail' }
    : { type: 'retry', delayMillis: fullJitter(attempts.made, DELAYS, random) };
  return { attempts, decision };
}
