import { setMaxListeners } from 'node:events';
import { KvsInferenceError } from './errors.ts';

/** Where all time comes from, so that tests never wait. */
export interface Clock {
  /** Wall clock, milliseconds since the Unix epoch. May jump; never used to decide who owns what. */
  now(): number;
  /** Milliseconds that never go backwards, from an arbitrary origin. */
  monotonic(): number;
  /** Resolves after `millis`; rejects with the reason of `signal` as soon as that aborts. */
  sleep(millis: number, signal?: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  // The error that a cancelled timer of node:timers/promises rejects with takes longer to make than all the rest.
  sleep: (millis, signal) =>
    new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const end = () => {
        signal?.removeEventListener('abort', abort);
        resolve();
      };
      const timer = setTimeout(end, millis);
      const abort = () => {
        clearTimeout(timer);
        reject(signal?.reason);
      };
      signal?.addEventListener('abort', abort, { once: true });
    }),
};

/** A signal that does not abort: for what has a limit of time alone. */
export const NEVER: AbortSignal = new AbortController().signal;
setMaxListeners(0, NEVER);

/** The reason of an abort that nobody sees: to make an AbortError for each call costs more than the rest. */
export const FINISHED = 'finished';

/**
 * Runs `operation` with a signal that aborts after `millis`, or with `signal`. Leaves neither timer nor listener.
 *
 * @throws {KvsInferenceError} TIMEOUT in place of whatever the operation throws when its time is up
 */
export async function withTimeout<T>(
  clock: Clock,
  millis: number,
  signal: AbortSignal,
  operation: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  const controller = new AbortController();
  const finished = new AbortController();
  // Not every operation listens to its signal: the SDK does not while it waits for credentials.
  const aborted = new Promise<never>((_resolve, reject) => {
    controller.signal.addEventListener('abort', () => reject(controller.signal.reason), { once: true });
  });
  const abort = () => controller.abort(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  let isTimeUp = false;
  clock.sleep(millis, finished.signal).then(
    () => {
      isTimeUp = true;
      controller.abort();
    },
    () => undefined,
  );
  try {
    return await Promise.race([operation(controller.signal), aborted]);
  } catch (error) {
    if (!isTimeUp || signal.aborted) throw error;
    throw new KvsInferenceError('TIMEOUT', `no answer within ${millis} ms`, {
      cause: error,
      retryable: true,
    });
  } finally {
    finished.abort(FINISHED);
    signal.removeEventListener('abort', abort);
  }
}

/** Sleeps until it is time, `wake` aborts, or `signal` does. Never rejects. */
export async function pauseUnless(
  clock: Clock,
  millis: number,
  wake: AbortController,
  signal: AbortSignal,
): Promise<void> {
  if (signal.aborted) return;
  const abort = () => wake.abort();
  signal.addEventListener('abort', abort, { once: true });
  await clock.sleep(millis, wake.signal).catch(() => undefined);
  signal.removeEventListener('abort', abort);
}

/** Resolves when `signal` aborts. */
export async function untilAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
}
