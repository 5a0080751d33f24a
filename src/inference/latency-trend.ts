/** Calls that are judged together. */
const WINDOW = 16;
/** How much of the way to a window's latency the baseline goes. */
const BASELINE_WEIGHT = 0.25;
const RISEN = 2;

/**
 * Whether latency has risen: the geometric mean of a few calls, which a single slow one hardly moves, beside a
 * baseline that follows. A level that lasts becomes the baseline within a few windows: a rise to four times what it
 * was is one for three windows.
 */
export class LatencyTrend {
  /** Logarithms. */
  #baseline: number | null = null;
  #sum = 0;
  #count = 0;
  #usedCount = 0;

  /**
   * @param isUsed whether there were so many calls at once that they may have been what made it slow
   * @returns whether this call completes a window that has risen, most of it under load
   */
  hasRisen(latencyMillis: number, isUsed: boolean): boolean {
    // Differences below a millisecond are the clock's.
    this.#sum += Math.log(Math.max(1, latencyMillis));
    this.#count += 1;
    if (isUsed) this.#usedCount += 1;
    if (this.#count < WINDOW) return false;
    const latency = this.#sum / WINDOW;
    const isUnderLoad = this.#usedCount > WINDOW / 2;
    const baseline = this.#baseline ?? latency;
    this.#baseline = baseline + BASELINE_WEIGHT * (latency - baseline);
    this.startWindow();
    return isUnderLoad && latency - baseline > Math.log(RISEN);
  }

  /** Forgets the calls of the window that is not complete. */
  startWindow(): void {
    this.#sum = 0;
    this.#count = 0;
    this.#usedCount = 0;
  }
}
