import { setTimeout as delay } from 'node:timers/promises';

/** Where all time comes from, so that tests never wait. */
export interface Clock {
  /** Wall clock, milliseconds since the Unix epoch. May jump; never used to decide who owns what. */
  now(): number;
  /** Milliseconds that never go backwards, from an arbitrary origin. */
  monotonic(): number;
  /** Resolves after `millis`; rejects with an AbortError as soon as `signal` aborts. */
  sleep(millis: number, signal?: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep: async (millis, signal) => {
    await delay(millis, undefined, signal === undefined ? {} : { signal });
  },
};
