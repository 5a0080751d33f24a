import type { Clock } from './clock.ts';
import { errorName, httpStatusOf } from './errors.ts';

export interface RetryOptions {
  clock: Clock;
  signal?: AbortSignal | undefined;
  /** Attempts in all, the first included; `Infinity` retries until `signal` aborts. */
  attempts: number;
  baseDelayMillis: number;
  maxDelayMillis: number;
  isRetryable: (error: unknown) => boolean;
  /** Called before each wait, so that no retry is silent. */
  onRetry?: (error: unknown, attempt: number, delayMillis: number) => void;
}

/**
 * The delay before attempt `attempt + 1`: exponential with full jitter
 * (https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/).
 */
export function fullJitter(
  attempt: number,
  options: { baseDelayMillis: number; maxDelayMillis: number },
  random: () => number = Math.random,
): number {
  const ceiling = Math.min(options.maxDelayMillis, options.baseDelayMillis * 2 ** (attempt - 1));
  return Math.round(random() * ceiling);
}

/** Runs `operation` until it succeeds, its error is not retryable, or the attempts are used up. */
export async function retry<T>(
  operation: (attempt: number) => Promise<T>,
  options: RetryOptions,
): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    options.signal?.throwIfAborted();
    try {
      return await operation(attempt);
    } catch (error) {
      const isLast = attempt >= options.attempts;
      if (isLast || options.signal?.aborted || !options.isRetryable(error)) throw error;
      const delayMillis = fullJitter(attempt, options);
      options.onRetry?.(error, attempt, delayMillis);
      await options.clock.sleep(delayMillis, options.signal);
    }
  }
}

/** By name, not by status: some services throttle with HTTP 400. */
export const THROTTLING_NAMES: ReadonlySet<string> = new Set([
  'ThrottlingException',
  'ThrottledException',
  'Throttling',
  'TooManyRequestsException',
  'RequestLimitExceeded',
  'LimitExceededException',
]);

const TRANSIENT_NAMES: ReadonlySet<string> = new Set([
  ...THROTTLING_NAMES,
  'ClientLimitExceededException',
  'ProvisionedThroughputExceededException',
  'ModelNotReadyException',
  'RequestTimeout',
  'RequestTimeoutException',
  // Clocks and credentials: the SDK has corrected its own by the next attempt.
  'RequestTimeTooSkewed',
  'InvalidSignatureException',
  'ExpiredTokenException',
]);

/**
 * Whether calling again can help: yes, unless the service has answered, and with something else than throttling or a
 * failure of its own.
 */
export function isTransientAwsError(error: unknown): boolean {
  const status = httpStatusOf(error);
  const isTransientStatus = status === undefined || status === 408 || status === 429 || status >= 500;
  return isTransientStatus || TRANSIENT_NAMES.has(errorName(error));
}
