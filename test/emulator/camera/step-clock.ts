import { setImmediate } from 'node:timers/promises';
import type { Clock } from '../../../src/core/clock.ts';

interface Sleeper {
  readonly wakeMillis: number;
  readonly wake: () => void;
}

/** A clock that goes on to the next moment somebody waits for, when it is told to. */
export class StepClock implements Clock {
  readonly #epoch: number;
  readonly #sleepers = new Set<Sleeper>();
  #elapsedMillis = 0;

  constructor(epoch = 1_700_000_000_000) {
    this.#epoch = epoch;
  }

  now(): number {
    return this.#epoch + this.#elapsedMillis;
  }

  monotonic(): number {
    return this.#elapsedMillis;
  }

  sleep(millis: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#sleepers.delete(sleeper);
        signal?.removeEventListener('abort', abort);
      };
      const abort = () => {
        leave();
        reject(signal?.reason);
      };
      const wake = () => {
        leave();
        resolve();
      };
      const sleeper = { wakeMillis: this.#elapsedMillis + millis, wake };
      if (signal?.aborted) return reject(signal.reason);
      signal?.addEventListener('abort', abort);
      this.#sleepers.add(sleeper);
    });
  }

  /** Waits for a sleeper if there is none, and wakes the one that comes first. */
  async step(): Promise<void> {
    do await setImmediate();
    while (this.#sleepers.size === 0);
    const [first] = [...this.#sleepers].sort((a, b) => a.wakeMillis - b.wakeMillis);
    this.#elapsedMillis = Math.max(this.#elapsedMillis, first?.wakeMillis ?? 0);
    first?.wake();
  }

  /** Lets time pass that nobody waits for. */
  advance(millis: number): void {
    this.#elapsedMillis += millis;
  }
}
