import type { Clock } from './clock.ts';

/** Lines that may come often: the first is due at once, then one each interval. */
export class Occasional {
  readonly #clock: Clock;
  readonly #intervalMillis: number;
  #lastAt = Number.NEGATIVE_INFINITY;
  #times = 0;

  constructor(clock: Clock, intervalMillis: number) {
    this.#clock = clock;
    this.#intervalMillis = intervalMillis;
  }

  /** @returns how often it has happened since the last line, this time included; null if no line is due */
  count(): number | null {
    this.#times += 1;
    const now = this.#clock.monotonic();
    if (now - this.#lastAt < this.#intervalMillis) return null;
    const times = this.#times;
    this.#lastAt = now;
    this.#times = 0;
    return times;
  }
}
