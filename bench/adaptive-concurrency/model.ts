import { setTimeout as delay } from 'node:timers/promises';
import { awsError } from '../../test/support/http-server.ts';

/** Calls that the endpoint takes at a time. */
export const CAPACITY = 8;
/** It takes as much more or less. */
const SPREAD = 0.2;

/** An endpoint with room for a few calls, which throttles the rest. */
export function newModel(serviceMillis: number) {
  let busy = 0;
  let busyMillis = 0;
  let countedUntil = performance.now();
  let answered = 0;
  let throttled = 0;
  const count = () => {
    busyMillis += busy * (performance.now() - countedUntil);
    countedUntil = performance.now();
  };
  return {
    answer: async () => {
      if (busy >= CAPACITY) {
        throttled += 1;
        return awsError('ThrottlingException');
      }
      count();
      busy += 1;
      await delay(serviceMillis * (1 - SPREAD + 2 * SPREAD * Math.random()));
      count();
      busy -= 1;
      answered += 1;
      return { headers: { 'content-type': 'application/json' }, body: '{}' };
    },
    /** Since the beginning. */
    figures: () => {
      count();
      return { at: performance.now(), busyMillis, answered, throttled };
    },
  };
}
