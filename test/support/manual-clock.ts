import type { Clock } from '../../src/core/clock.ts';

interface Sleeper {
  readonly until: number;
  readonly wake: () => void;
}

/** A clock that stands still until it is told to go on. */
export class ManualClock implements Clock {
  #elapsed = 0;
  readonly #epoch: number;
  readonly #sleepers = new Set<Sleeper>();

  constructor(epoch = 1_700_000_000_000) {
    this.#epoch = epoch;
  }

  now(): number {
    return this.#epoch + this.#elapsed;
  }

  monotonic(): number {
    return this.#elapsed;
  }

  sleep(millis: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const sleeper = {
        until: this.#elapsed + millis,
        wake: () => {
          this.#sleepers.delete(sleeper);
          signal?.removeEventListener('abort', abort);
          resolve();
        },
      };
      const abort = () => {
        this.#sleepers.delete(sleeper);
        reject(new DOMException('aborted', 'AbortError'));
      };
      if (signal?.aborted) return abort();
      signal?.addEventListener('abort', abort);
      this.#sleepers.add(sleeper);
    });
  }

  /** Advances, and lets go on what that wakes. */
  async pass(millis: number): Promise<void> {
    this.advance(millis);
    await new Promise((resolve) => setImmediate(resolve));
  }

  advance(millis: number): void {
    this.#elapsed += millis;
    for (const sleeper of this.#sleepers) if (sleeper.until <= this.#elapsed) sleeper.wake();
  }
}
