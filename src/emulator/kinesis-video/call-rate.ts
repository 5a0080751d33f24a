const WINDOW_MILLIS = 1000;

/** Counts the calls of the last second. */
export class CallRate {
  #times: number[] = [];

  /** @returns whether this call is within the limit; one that is not does not count */
  take(nowMonotonic: number, limit: number): boolean {
    this.#times = this.#times.filter((time) => time > nowMonotonic - WINDOW_MILLIS);
    if (this.#times.length >= limit) return false;
    this.#times.push(nowMonotonic);
    return true;
  }
}
