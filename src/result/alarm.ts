import { type Clock, FINISHED } from '../core/clock.ts';

/** One call at a time, at a time that may change until then. */
export class Alarm {
  readonly #clock: Clock;
  readonly #onTime: () => void;
  #timer = new AbortController();
  /** Monotonic milliseconds. */
  #at = Number.POSITIVE_INFINITY;

  constructor(clock: Clock, onTime: () => void) {
    this.#clock = clock;
    this.#onTime = onTime;
  }

  /** @param at monotonic milliseconds, in place of what was set before; infinity for no call */
  set(at: number): void {
    if (at === this.#at) return;
    this.#timer.abort(FINISHED);
    this.#timer = new AbortController();
    this.#at = at;
    if (at === Number.POSITIVE_INFINITY) return;
    const ring = () => {
      this.#at = Number.POSITIVE_INFINITY;
      this.#onTime();
    };
    this.#clock.sleep(at - this.#clock.monotonic(), this.#timer.signal).then(ring, () => undefined);
  }
}
