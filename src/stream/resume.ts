import type { Checkpoint } from '../lease/checkpoint.ts';
import type { StartPosition } from '../lease/lease.ts';
import type { ReadPosition } from './source.ts';

/** The last fragment that was read completely, and the I-frame counter after it. */
export interface Progress {
  readonly checkpoint: Checkpoint | null;
  readonly start: StartPosition;
}

/** How a body ended. */
export type Ending =
  /** Cleanly: GetMedia ends a body when it has nothing to send, and every 40 to 45 minutes. */
  | { readonly type: 'clean'; readonly completeFragments: number }
  /** The service no longer has the fragment (in-stream error 4000). */
  | { readonly type: 'fragmentNotFound' }
  | { readonly type: 'failed'; readonly consecutiveFailures: number };

/** Where to read on: after the last complete fragment, else where the stream started. */
export function readPosition({ checkpoint, start }: Progress): ReadPosition {
  if (checkpoint !== null) return { type: 'AFTER_FRAGMENT', fragmentNumber: checkpoint.fragmentNumber };
  return start;
}

/** Where to read on when the fragment after which to read is gone: from its time. */
export function fallbackPosition({ checkpoint, start }: Progress): ReadPosition {
  const millis = checkpoint?.serverTimestampMillis ?? null;
  return millis === null ? start : { type: 'SERVER_TIMESTAMP', millis };
}

const IDLE_MIN_MILLIS = 1000;
const IDLE_MAX_MILLIS = 5000;
const BACKOFF_BASE_MILLIS = 500;
const BACKOFF_MAX_MILLIS = 30_000;

/**
 * How long to wait before reading on, milliseconds. Not at all while fragments come; a camera that is idle is
 * asked again after 1 to 5 s; failures back off with full jitter.
 */
export function resumeDelay(ending: Ending, random: () => number = Math.random): number {
  switch (ending.type) {
    case 'clean':
      if (ending.completeFragments > 0) return 0;
      return idleDelay(random);
    case 'fragmentNotFound':
      // Not at once: where its time is gone too, this would ask as fast as it can.
      return idleDelay(random);
    case 'failed': {
      const ceiling = Math.min(BACKOFF_MAX_MILLIS, BACKOFF_BASE_MILLIS * 2 ** ending.consecutiveFailures);
      return Math.round(BACKOFF_BASE_MILLIS + random() * ceiling);
    }
  }
}

function idleDelay(random: () => number): number {
  return Math.round(IDLE_MIN_MILLIS + random() * (IDLE_MAX_MILLIS - IDLE_MIN_MILLIS));
}
