import type { Clock } from '../core/clock.ts';

/** A loop that has not come round. */
export interface LateLoop {
  readonly loop: string;
  /** Since its next turn was due, pause and patience included. */
  readonly lateMillis: number;
}

/** Longer than any turn takes, with all the attempts at a service that is away, and longer than a worker takes to end. */
const PATIENCE_MILLIS = 5 * 60_000;

/**
 * Whether the loops of a worker go round. What they find out there is not asked: with its endpoint paused, its cameras
 * idle or its table away a worker is healthy, and a new one in its place would do no better.
 */
export class Health {
  readonly #clock: Pick<Clock, 'monotonic'>;
  /** When the next turn of a loop is due at the latest, monotonic. */
  readonly #dueAt = new Map<string, number>();

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#clock = clock;
  }

  /**
   * A turn of a loop, which is looked at from its first one on.
   *
   * @param pauseMillis until the next turn, as planned; null = there will be none
   */
  beat(loop: string, pauseMillis: number | null): void {
    if (pauseMillis === null) this.#dueAt.delete(loop);
    else this.#dueAt.set(loop, this.#clock.monotonic() + pauseMillis + PATIENCE_MILLIS);
  }

  /** The loops that are late; none is healthy, and so is a worker that has not started its loops yet. */
  problems(): LateLoop[] {
    const now = this.#clock.monotonic();
    return [...this.#dueAt]
      .filter(([, dueAt]) => now > dueAt)
      .map(([loop, dueAt]) => ({ loop, lateMillis: Math.round(now - dueAt) }));
  }
}
