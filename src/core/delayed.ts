import type { Clock } from './clock.ts';

/** Something that is done a while after it was asked for, unless it is called off. */
export class Delayed {
  readonly #clock: Clock;
  readonly #millis: number;
  readonly #action: () => void;
  #pending = new AbortController();

  constructor(clock: Clock, millis: number, action: () => void) {
    this.#clock = clock;
    this.#millis = millis;
    this.#action = action;
  }

  /** In place of whatever is pending. */
  start(): void {
    this.cancel();
    this.#pending = new AbortController();
    void this.#run(this.#pending.signal);
  }

  /** Leaves no timer. */
  cancel(): void {
    this.#pending.abort();
  }

  async #run(signal: AbortSignal): Promise<void> {
    await this.#clock.sleep(this.#millis, signal).catch(() => undefined);
    if (!signal.aborted) this.#action();
  }
}
