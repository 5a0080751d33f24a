const NEVER = Number.NEGATIVE_INFINITY;

export interface NewestAgeOptions {
  /** Whatever there may be before this server timestamp is answered; null = not known. */
  readonly answeredMillis: number | null;
  /** Whether something is under way that is to come. */
  readonly isUnderWay: () => boolean;
}

/**
 * How old the newest is of what comes of a stream's video, of one kind: published results, or written checkpoints.
 *
 * The age rises for as long as something newer is due: a fragment that has not been read to its end, of which nobody
 * knows yet what comes of it; what was handed on, until it or something newer has come; or the stream cannot be read,
 * so that nobody knows what has come. While nothing is due it stays what it was when the newest came.
 *
 * Pure: time is told. All of it is wall clock, milliseconds since the Unix epoch.
 */
export class NewestAge {
  readonly #isUnderWay: () => boolean;
  /** Of the newest that has come. */
  #newestMillis: number | null = null;
  /** Of the newest, when it came. */
  #ageThen = 0;
  /** Since when something has been due that was not before; server timestamp of the first of it, where that is known. */
  #sinceMillis = NEVER;
  #isFragmentOpen = false;
  #isReadingFailing = false;
  /** Of the newest that was handed on, while it may be missed. */
  #handedOnMillis = NEVER;
  /** What came before is known; null = nothing is. */
  #knownMillis: number | null;

  constructor({ answeredMillis, isUnderWay }: NewestAgeOptions) {
    this.#knownMillis = answeredMillis;
    this.#isUnderWay = isUnderWay;
  }

  /** A fragment comes that has not been read before. */
  videoCame(serverTimestampMillis: number): void {
    // Reading goes on after what is known: where it was failing, this is the first that has come since.
    if (!this.#isVideoDue) this.#sinceMillis = serverTimestampMillis;
    this.#isFragmentOpen = true;
  }

  /** Something is to come of this video. */
  handedOn(serverTimestampMillis: number): void {
    this.#handedOnMillis = Math.max(this.#handedOnMillis, serverTimestampMillis);
  }

  /** The fragment that came has been read to its end: what was not handed on of it is not due. */
  fragmentRead(serverTimestampMillis: number): void {
    this.#isKnown(serverTimestampMillis);
  }

  /** There may be video, but it cannot be read. */
  readingFailed(nowMillis: number): void {
    if (!this.#isDue) this.#sinceMillis = this.#knownMillis ?? nowMillis;
    this.#isReadingFailing = true;
  }

  /** All that there is has been read. What failed of it is missed no more. */
  caughtUp(nowMillis: number): void {
    this.#isKnown(nowMillis);
    this.#handedOnMillis = NEVER;
  }

  /** @param serverTimestampMillis of the video that it came of; what comes late, after newer, counts no more */
  came(serverTimestampMillis: number, nowMillis: number): void {
    if (this.#newestMillis !== null && serverTimestampMillis <= this.#newestMillis) return;
    this.#newestMillis = serverTimestampMillis;
    this.#ageThen = sinceThen(serverTimestampMillis, nowMillis);
  }

  /** @returns milliseconds; 0 for a stream of which nothing has been seen */
  at(nowMillis: number): number {
    if (!this.#isDue) return this.#ageThen;
    return sinceThen(Math.max(this.#newestMillis ?? NEVER, this.#sinceMillis), nowMillis);
  }

  get #isDue(): boolean {
    return this.#isReadingFailing || this.#isVideoDue;
  }

  get #isVideoDue(): boolean {
    const isMissed = this.#handedOnMillis > (this.#newestMillis ?? NEVER);
    return this.#isFragmentOpen || isMissed || this.#isUnderWay();
  }

  #isKnown(upToMillis: number): void {
    this.#knownMillis = upToMillis;
    this.#isFragmentOpen = false;
    this.#isReadingFailing = false;
  }
}

/** Clocks may disagree. */
function sinceThen(millis: number, nowMillis: number): number {
  return Math.max(0, Math.round(nowMillis - millis));
}
