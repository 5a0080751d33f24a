import type { Clock } from '../../core/clock.ts';

/** A camera that is later than this lets the time pass, as a real one loses what does not fit into its memory. */
const MAX_LATE_MILLIS = 3000;

/** When something of a live video happens. */
export interface Instant {
  /** On the producer's wall clock, milliseconds since the Unix epoch. */
  readonly timestampMillis: number;
  /** On the clock that never jumps. */
  readonly monotonicMillis: number;
}

/** Gives each fragment the moment at which it starts: exactly when the one before ends. */
export class Timeline {
  readonly #clock: Clock;
  #next: Instant | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  place(durationMillis: number): Instant {
    const now = { timestampMillis: this.#clock.now(), monotonicMillis: this.#clock.monotonic() };
    const next = this.#next ?? now;
    const isLate = now.monotonicMillis - next.monotonicMillis > MAX_LATE_MILLIS;
    const start = isLate ? now : next;
    this.#next = {
      timestampMillis: start.timestampMillis + durationMillis,
      monotonicMillis: start.monotonicMillis + durationMillis,
    };
    return start;
  }
}
