import { LatencyTrend } from './latency-trend.ts';

/** How the limit moves. */
export interface Adaptation {
  /** What is left of the limit when the endpoint refuses a call. */
  readonly factor: number;
  /** Calls that a round trip adds near the limit at which it fell last. */
  readonly step: number;
}

/** Chosen by measurement: bench/README.md. */
export const ADAPTATION: Adaptation = { factor: 0.9, step: 0.25 };

/** What is left of the limit when there are far too many calls. */
const FAR_FACTOR = 0.5;

/** Away from where it fell last, the limit goes from nothing to its maximum in this many round trips. */
const ROUND_TRIPS_TO_MAX = 20;

/** A call under way, as the limit remembers it. */
export interface LimitedCall {
  readonly sequence: number;
  /** Calls at once, this one included, when it started. */
  readonly inFlight: number;
  /** The limit when it started. */
  readonly limit: number;
}

/**
 * How many calls an endpoint gets at once: additive increase, multiplicative decrease. It starts at the maximum, falls
 * at once when the endpoint refuses a call or becomes slow, and climbs back, call by call; slowly around the value
 * where it fell last, as that is where the endpoint's capacity is likely to be still.
 *
 * It falls by little when a call was refused, since an endpoint that refuses says so at once: it was one too many. By
 * half when the endpoint has become slow, which shows late, and when calls are refused although it has just fallen.
 */
export class ConcurrencyLimit {
  readonly #adaptation: Adaptation;
  readonly #latency = new LatencyTrend();
  #max: number;
  #limit: number;
  /** Where it fell last. */
  #ceiling = Number.POSITIVE_INFINITY;
  #inFlight = 0;
  /** Calls that started before the last restart and still are under way. */
  #stale = 0;
  #staleBefore = 0;
  #nextSequence = 0;
  #hasSucceededSinceFall = false;
  /** Earlier calls started under an earlier limit and say nothing of this one. */
  #firstSequence = 0;

  constructor(max: number, adaptation = ADAPTATION) {
    this.#adaptation = adaptation;
    this.#max = max;
    this.#limit = max;
  }

  /** Whole calls; at least 1. */
  get value(): number {
    return Math.floor(this.#limit);
  }

  /** Calls under way. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** Slots that may be held: calls that an outage has left hanging hold theirs for nothing. */
  get slots(): number {
    return this.value + this.#stale;
  }

  /** To a higher maximum it climbs. */
  set max(max: number) {
    this.#max = max;
    this.#limit = Math.min(this.#limit, max);
  }

  /** Each call started is ended by one of the methods below. */
  start(): LimitedCall {
    this.#inFlight += 1;
    const sequence = this.#nextSequence;
    this.#nextSequence += 1;
    return { sequence, inFlight: this.#inFlight, limit: this.value };
  }

  /** The call was answered. */
  succeeded(call: LimitedCall, latencyMillis: number): void {
    const mostInFlight = this.#end(call);
    this.#hasSucceededSinceFall = true;
    if (!this.#counts(call)) return;
    const isUsed = mostInFlight * 2 >= call.limit;
    if (this.#latency.hasRisen(latencyMillis, isUsed)) this.#fall(mostInFlight, FAR_FACTOR);
    else if (isUsed) this.#climb();
  }

  /** The endpoint would not have the call just now. */
  refused(call: LimitedCall): void {
    const mostInFlight = this.#end(call);
    const factor = this.#hasSucceededSinceFall ? this.#adaptation.factor : FAR_FACTOR;
    if (this.#counts(call)) this.#fall(mostInFlight, factor);
  }

  /** The call was not answered in time. */
  timedOut(call: LimitedCall): void {
    const mostInFlight = this.#end(call);
    if (this.#counts(call)) this.#fall(mostInFlight, FAR_FACTOR);
  }

  /** The call ended in a way that says nothing of the endpoint's load. */
  ended(call: LimitedCall): void {
    this.#end(call);
  }

  /** After an outage: from one call at once. What was refused during it says nothing of the endpoint's capacity. */
  restart(): void {
    this.#limit = 1;
    this.#ceiling = Number.POSITIVE_INFINITY;
    this.#stale = this.#inFlight;
    this.#staleBefore = this.#nextSequence;
    this.#forgetEarlierCalls();
  }

  #counts({ sequence }: LimitedCall): boolean {
    return sequence >= this.#firstSequence;
  }

  /** @returns calls at once, this one included, at its start or its end */
  #end({ inFlight, sequence }: LimitedCall): number {
    const mostInFlight = Math.max(inFlight, this.#inFlight);
    this.#inFlight -= 1;
    if (sequence < this.#staleBefore) this.#stale -= 1;
    return mostInFlight;
  }

  #fall(mostInFlight: number, factor: number): void {
    // A limit far above the calls there are has not been tried. Slots whose pictures are being decoded are not in
    // flight: a limit is in use from half of it.
    const tried = Math.min(this.#limit, mostInFlight * 2);
    this.#ceiling = tried;
    this.#limit = Math.max(1, tried * factor);
    this.#hasSucceededSinceFall = false;
    this.#forgetEarlierCalls();
  }

  #climb(): void {
    const slowFrom = this.#ceiling - 1;
    const isNearCeiling = this.#limit >= slowFrom && this.#limit <= this.#ceiling + 1;
    const perRoundTrip = isNearCeiling ? this.#adaptation.step : Math.max(1, this.#max / ROUND_TRIPS_TO_MAX);
    const climbed = Math.min(this.#max, this.#limit + perRoundTrip / this.#limit);
    this.#limit = this.#limit < slowFrom ? Math.min(climbed, slowFrom) : climbed;
  }

  #forgetEarlierCalls(): void {
    this.#firstSequence = this.#nextSequence;
    this.#latency.startWindow();
  }
}
