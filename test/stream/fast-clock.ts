import { type Clock, systemClock } from '../../src/core/clock.ts';

/** Real time, only faster: what takes half a minute in the service's own terms takes a fraction of a second here. */
export class FastClock implements Clock {
  readonly #speed: number;
  readonly #origin = performance.now();

  constructor(speed: number) {
    this.#speed = speed;
  }

  now(): number {
    return Math.trunc(1_700_000_000_000 + this.monotonic());
  }

  monotonic(): number {
    return (performance.now() - this.#origin) * this.#speed;
  }

  sleep(millis: number, signal?: AbortSignal): Promise<void> {
    return systemClock.sleep(millis / this.#speed, signal);
  }
}
