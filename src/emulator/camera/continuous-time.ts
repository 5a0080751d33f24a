/** More than this between two packets is a break in the file's clock and no pause. */
const MAX_STEP_MILLIS = 10_000;

/**
 * The times of a pass from the clock of a file, which starts anywhere, may jump where the file was put together
 * from others, and may be absent.
 */
export class ContinuousTime {
  #offsetMillis: number | null = null;
  #expectedMillis = 0;

  /**
   * @param clockMillis when the next packet or frame is due; null where the file does not say
   * @returns milliseconds since the first one
   */
  next(clockMillis: number | null, durationMillis: number): number {
    const timeMillis = clockMillis === null ? this.#expectedMillis : this.#place(clockMillis);
    this.#expectedMillis = timeMillis + durationMillis;
    return timeMillis;
  }

  #place(clockMillis: number): number {
    const offset = this.#offsetMillis;
    const isBroken =
      offset === null || Math.abs(clockMillis + offset - this.#expectedMillis) > MAX_STEP_MILLIS;
    this.#offsetMillis = isBroken ? this.#expectedMillis - clockMillis : offset;
    return clockMillis + this.#offsetMillis;
  }
}
