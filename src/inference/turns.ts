/**
 * Turns, of all streams, after which one counts by a factor of e less. With more of them a stream that had the queue for
 * itself would wait for longer when others come: with 20 of these about three times as many turns.
 */
const MEMORY_TURNS = 64;
/** What a turn may count more than the first did, before all is scaled down. */
const MAX_WEIGHT = 1e6;
/** Of what a turn counts: a stream with less is forgotten. */
const NEGLIGIBLE = 1e-3;

/**
 * Streams take turns: next is the one that had fewest of the last turns. So one that seldom wants a turn gets it at once,
 * before one that wants many more than its part. The longer ago a turn was, the less it counts: nobody who waits is passed
 * over for ever, and nobody saves up turns.
 */
export class Turns {
  /** How many turns each had, in terms of one `#weight` now. */
  readonly #taken = new Map<string, number>();
  /** Of the next turn: instead of the past counting less, the present counts more. */
  #weight = 1;

  /** @returns whose turn it is; of those that had as few the first; null if there is nobody */
  next(streamNames: Iterable<string>): string | null {
    let next: string | null = null;
    let fewest = Number.POSITIVE_INFINITY;
    for (const streamName of streamNames) {
      const taken = this.#taken.get(streamName) ?? 0;
      if (taken >= fewest) continue;
      next = streamName;
      fewest = taken;
    }
    return next;
  }

  /** The stream has had its turn. */
  take(streamName: string): void {
    this.#taken.set(streamName, (this.#taken.get(streamName) ?? 0) + this.#weight);
    this.#weight *= 1 + 1 / MEMORY_TURNS;
    if (this.#weight > MAX_WEIGHT) this.#scaleDown();
  }

  #scaleDown(): void {
    for (const [streamName, taken] of this.#taken) {
      if (taken < NEGLIGIBLE * this.#weight) this.#taken.delete(streamName);
      else this.#taken.set(streamName, taken / this.#weight);
    }
    this.#weight = 1;
  }
}
