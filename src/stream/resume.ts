import { fullJitter } from '../core/retry.ts';
import type { Checkpoint } from '../lease/checkpoint.ts';
import type { StartPosition } from '../lease/lease.ts';
import type { ReadPosition } from './source.ts';

/** How the reading of a body ended. */
export type Ending =
  /** Cleanly: GetMedia ends a body when it has nothing to send, and every 40 to 45 minutes. */
  | { readonly type: 'clean'; readonly hasAdvanced: boolean }
  /** The queue was full for so long that the connection was closed; by now it has taken the frame. */
  | { readonly type: 'blocked' }
  | { readonly type: 'failed'; readonly consecutiveFailures: number };

/** Where to read on: after the last complete fragment, else where the stream started. */
export function readPosition(lastFragment: Checkpoint | null, start: StartPosition): ReadPosition {
  if (lastFragment === null) return start;
  return { type: 'AFTER_FRAGMENT', fragmentNumber: lastFragment.fragmentNumber };
}

/**
 * Where to read on when the service no longer has what is at `position`: from the time of the last complete
 * fragment, and where that is gone too, from where a new stream would be read.
 */
export function fallbackPosition(
  position: ReadPosition,
  lastFragment: Checkpoint | null,
  startPosition: () => StartPosition,
): ReadPosition {
  if (position.type !== 'AFTER_FRAGMENT' || lastFragment === null) return startPosition();
  return { type: 'SERVER_TIMESTAMP', millis: lastFragment.serverTimestampMillis };
}

const IDLE_MIN_MILLIS = 1000;
const IDLE_MAX_MILLIS = 5000;
const FAILURE_MIN_MILLIS = 500;
const BACKOFF = { baseDelayMillis: 1000, maxDelayMillis: 30_000 };

/**
 * How long to wait before reading on, milliseconds. Not at all while new fragments come, or where it was the queue
 * that had no room; a camera that is idle is asked again after 1 to 5 s; failures back off with full jitter.
 */
export function resumeDelay(ending: Ending, random: () => number = Math.random): number {
  switch (ending.type) {
    case 'clean':
      if (ending.hasAdvanced) return 0;
      return Math.round(IDLE_MIN_MILLIS + random() * (IDLE_MAX_MILLIS - IDLE_MIN_MILLIS));
    case 'blocked':
      return 0;
    case 'failed':
      return FAILURE_MIN_MILLIS + fullJitter(ending.consecutiveFailures, BACKOFF, random);
  }
}
