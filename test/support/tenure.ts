import type { Tenure } from '../../src/stream/sampled-frame.ts';

/** A tenure that ends when it is told to. */
export function openTenure() {
  const draining = new AbortController();
  const over = new AbortController();
  let isInvalid = false;
  const tenure: Tenure = {
    draining: draining.signal,
    over: over.signal,
    isValid: () => !isInvalid && !over.signal.aborted,
  };
  return {
    tenure,
    drain: () => draining.abort(),
    /** Drains too. */
    end: () => {
      draining.abort();
      over.abort();
    },
    /** Another owner has the lease, and no signal has told so yet. */
    invalidate: () => {
      isInvalid = true;
    },
  };
}

/** Never ends. */
export const lasting: Tenure = openTenure().tenure;
