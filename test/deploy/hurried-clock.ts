import { setImmediate } from 'node:timers/promises';
import type { Clock } from '../../src/core/clock.ts';

let slept = 0;

/** Nobody waits: time passes as fast as it is slept away. */
export const hurriedClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now() + slept,
  sleep: async (millis, signal) => {
    signal?.throwIfAborted();
    slept += millis;
    await setImmediate(undefined, signal === undefined ? {} : { signal });
  },
};
