const NEVER = Number.NEGATIVE_INFINITY;

/**
 * How old the newest is of what comes of a stream's video, of one kind: published results, or written checkpoints.
 *
 * The age rises for as long as something newer is due: video has come, a frame is under way, or the stream cannot be
 * read, so that nobody knows what has come. While nothing is due, as with an idle camera, it stays what it was when the
 * newest came.
 *
 * Pure: time is told. All of it is wall clock, milliseconds since the Unix epoch.
 */
export class NewestAge {
  readonly #isUnderWay: () => boolean;
  /** Of the newest that has come. */
  #newestMillis: number | null = null;
  /** Of the newest, when it came. */
  #ageThen = 0;
  /** Since when something has been due that was not before; server timestamp of the first of it, where it has come. */
  #sinceMillis: number | null;
  /** Whether all video that there is has been read; so as long as nothing is known. */
  #isCaughtUp = true;
  /** When that was last found; null = not yet. */
  #caughtUpMillis: number | null = null;

  /**
   * @param checkpointMillis what was done before: up to this server timestamp; null = nothing
   * @param isUnderWay whether something is to come of what has been read
   */
  constructor(checkpointMillis: number | null, isUnderWay: () => boolean) {
    this.#sinceMillis = checkpointMillis;
    this.#isUnderWay = isUnderWay;
  }

  /** A fragment comes that has not been read before. */
  videoCame(serverTimestampMillis: number): void {
    this.#begin(serverTimestampMillis);
  }

  /** There may be video, but it cannot be read. */
  readingFailed(nowMillis: number): void {
    this.#begin(this.#caughtUpMillis ?? nowMillis);
  }

  /** All that there is has been read. */
  caughtUp(nowMillis: number): void {
    this.#isCaughtUp = true;
    this.#caughtUpMillis = nowMillis;
  }

  /** @param serverTimestampMillis of the video that it came of; what comes late, after newer, counts no more */
  came(serverTimestampMillis: number, nowMillis: number): void {
    if (this.#newestMillis !== null && serverTimestampMillis <= this.#newestMillis) return;
    this.#newestMillis = serverTimestampMillis;
    this.#ageThen = sinceThen(serverTimestampMillis, nowMillis);
  }

  /** @returns milliseconds; 0 for a stream of which nothing has been seen */
  at(nowMillis: number): number {
    if (this.#isNothingDue) return this.#ageThen;
    const from = Math.max(this.#newestMillis ?? NEVER, this.#sinceMillis ?? NEVER);
    return from === NEVER ? 0 : sinceThen(from, nowMillis);
  }

  get #isNothingDue(): boolean {
    return this.#isCaughtUp && !this.#isUnderWay();
  }

  /** Something is due from then on, unless it is already. */
  #begin(fromMillis: number): void {
    if (this.#caughtUpMillis === null) this.#sinceMillis ??= fromMillis;
    else if (this.#isNothingDue) this.#sinceMillis = fromMillis;
    this.#isCaughtUp = false;
  }
}

/** Clocks may disagree. */
function sinceThen(millis: number, nowMillis: number): number {
  return Math.max(0, Math.round(nowMillis - millis));
}
