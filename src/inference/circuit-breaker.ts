/** Consecutive failures that open it. */
const MIN_FAILURES = 5;
/** From the start of the first failed call to the end of the last: what is over sooner is no outage. */
const MIN_SPAN_MILLIS = 1000;
/** So long one frame's failures may be the frame's own. */
const MIN_SPAN_OF_ONE_FRAME_MILLIS = 30_000;
const MIN_DELAY_MILLIS = 1000;
const MAX_DELAY_MILLIS = 30_000;

/** A call that found the endpoint unavailable; monotonic milliseconds. */
export interface UnavailableCall {
  /** Whose call it was, by identity. */
  readonly frame: object;
  /** Whether it started while the breaker was half open. */
  readonly isProbe: boolean;
  readonly startedAt: number;
  readonly endedAt: number;
}

interface Failures {
  count: number;
  readonly since: number;
  readonly firstFrame: object;
  isOfSeveralFrames: boolean;
}

/**
 * Whether an endpoint gets calls:
 *
 *   CLOSED ── several consecutive calls, of more than one frame, found it unavailable ──> OPEN
 *   OPEN ── the delay is over ──> HALF_OPEN: a single call may try
 *   HALF_OPEN ── it found it unavailable ──> OPEN, for longer
 *   OPEN, HALF_OPEN ── any call was answered ──> CLOSED
 *
 * One frame that fails again and again does not open it, as long as that can be the frame's own fault. Decides only:
 * time is told, and waiting is the caller's.
 */
export class CircuitBreaker {
  readonly #random: () => number;
  #state: 'CLOSED' | 'OPEN' | 'HALF_OPEN' = 'CLOSED';
  /** Since the last answer. */
  #failures: Failures | null = null;
  /** How often it has opened since it was closed. */
  #openings = 0;

  constructor(random: () => number = Math.random) {
    this.#random = random;
  }

  get state(): 'CLOSED' | 'OPEN' | 'HALF_OPEN' {
    return this.#state;
  }

  /** The endpoint has answered, whatever it said. @returns whether that closes the breaker */
  answered(): boolean {
    const closes = this.#state !== 'CLOSED';
    this.#state = 'CLOSED';
    this.#failures = null;
    this.#openings = 0;
    return closes;
  }

  /** A call found the endpoint unavailable. @returns whether that opens the breaker, or opens it again */
  unavailable(call: UnavailableCall): boolean {
    const failures = this.#count(call);
    const span = call.endedAt - failures.since;
    const minSpan = failures.isOfSeveralFrames ? MIN_SPAN_MILLIS : MIN_SPAN_OF_ONE_FRAME_MILLIS;
    const isOutage = failures.count >= MIN_FAILURES && span >= minSpan;
    const opens = this.#state === 'HALF_OPEN' ? call.isProbe : this.#state === 'CLOSED' && isOutage;
    if (!opens) return false;
    this.#state = 'OPEN';
    this.#openings += 1;
    return true;
  }

  /** The delay is over. */
  halfOpen(): void {
    if (this.#state === 'OPEN') this.#state = 'HALF_OPEN';
  }

  /** How long to stay open this time, milliseconds: twice as long each time, and up to half of it less by chance. */
  delayMillis(): number {
    const longest = Math.min(MAX_DELAY_MILLIS, MIN_DELAY_MILLIS * 2 ** (this.#openings - 1));
    return Math.round(longest * (1 - this.#random() / 2));
  }

  #count({ frame, startedAt }: UnavailableCall): Failures {
    this.#failures ??= { count: 0, since: startedAt, firstFrame: frame, isOfSeveralFrames: false };
    this.#failures.count += 1;
    this.#failures.isOfSeveralFrames ||= this.#failures.firstFrame !== frame;
    return this.#failures;
  }
}
