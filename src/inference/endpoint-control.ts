import type { Clock } from '../core/clock.ts';
import type { Logger } from '../core/log.ts';
import type { Metrics } from '../core/metrics.ts';
import { CallGate } from './call-gate.ts';
import { CircuitBreaker, type UnavailableCall } from './circuit-breaker.ts';
import { type Adaptation, ConcurrencyLimit, type LimitedCall } from './concurrency-limit.ts';
import { classifyInvocationError, overloadOf } from './invocation-error.ts';
import { OutageLog } from './outage-log.ts';
import type { FrameQueue } from './queue.ts';

/** What is controlled: who gets a slot next is its own affair. */
export type ControlledQueue = Pick<FrameQueue, 'concurrency' | 'pause' | 'resume' | 'waiting'>;

/** An endpoint that is configured no more and down for so long is not waited for. */
const GIVE_UP_MILLIS = 60_000;

export interface EndpointControlOptions {
  queue: ControlledQueue;
  /** `sageMakerTaskThreadPoolSize` */
  maxConcurrency: number;
  clock: Clock;
  /** Names the endpoint in its lines. */
  log: Logger;
  metrics: Metrics;
  /**
   * How many frames may get ready for their calls, at the most, while the endpoint has as many as it may: they have slots
   * of the queue before the gate lets them through. Default 0.
   */
  ahead?: number;
  adaptation?: Adaptation;
}

type ControlSettings = Pick<EndpointControlOptions, 'maxConcurrency' | 'ahead'> & { isWanted: boolean };

/** One call under way. Exactly one of its methods is called, once. */
export interface ControlledCall {
  /** The limit of calls at once when it started. */
  readonly limit: number;
  succeeded(): void;
  failed(error: unknown): void;
  /** It was called off. */
  abandoned(): void;
}

/**
 * Lets one endpoint have as many calls at once as it can take, and none while it is down: joins the concurrency limit
 * and the circuit breaker, and drives the queue by them. A paused endpoint is tried, one call at a time, by whichever
 * frame gets the slot; so a frame that has failed must go behind those that wait while `isClosed` is false, for the
 * failure may be its own.
 */
export class EndpointControl {
  readonly #queue: ControlledQueue;
  readonly #clock: Clock;
  readonly #metrics: Metrics;
  readonly #limit: ConcurrencyLimit;
  readonly #gate: CallGate;
  readonly #breaker = new CircuitBreaker();
  readonly #outages: OutageLog;
  /** Ends the waits of the outage there is. */
  #outage: AbortController | null = null;
  /** Whether the queue is. */
  #isPaused = false;
  #isWanted = true;
  #ahead: number;
  #probesInFlight = 0;
  #successes = 0;

  constructor(options: EndpointControlOptions) {
    const { queue, clock, metrics, maxConcurrency, ahead = 0, adaptation } = options;
    this.#queue = queue;
    this.#clock = clock;
    this.#metrics = metrics;
    this.#limit = new ConcurrencyLimit(maxConcurrency, adaptation);
    this.#gate = new CallGate(this.#limit.slots);
    this.#ahead = ahead;
    this.#outages = new OutageLog({ ...options, waiting: () => queue.waiting });
    this.#apply();
  }

  /** Whether the endpoint gets calls as usual. */
  get isClosed(): boolean {
    return this.#breaker.state === 'CLOSED';
  }

  /** Whether the frame whose turn it is is not to wait: see `configure`. Now and then one is to try all the same. */
  get isGivenUp(): boolean {
    return this.#hasGivenUp && !this.#isProbing;
  }

  /** Calls that the endpoint may get at once. */
  get concurrency(): number {
    return this.#limit.value;
  }

  /** To be passed before a call is started by whoever has a slot; one that is sent away gives back the slot. */
  get gate(): Pick<CallGate, 'pass' | 'leave'> {
    return this.#gate;
  }

  /** Calls that have succeeded so far. */
  get successes(): number {
    return this.#successes;
  }

  /** @param isWanted false for an endpoint that is configured no more */
  configure({ maxConcurrency, isWanted, ahead = 0 }: ControlSettings): void {
    this.#limit.max = maxConcurrency;
    this.#isWanted = isWanted;
    this.#ahead = ahead;
    this.#apply();
  }

  /**
   * To be called right before the endpoint is, in a slot.
   *
   * @param frame whose call it is, by identity
   */
  start(frame: object): ControlledCall {
    const startedAt = this.#clock.monotonic();
    const call = this.#limit.start();
    this.#metrics.observe('ConcurrencyInUse', null, call.inFlight);
    const isProbe = this.#breaker.state === 'HALF_OPEN';
    if (isProbe) this.#probesInFlight += 1;
    this.#apply();
    const end = (conclude: () => void) => {
      if (isProbe) this.#probesInFlight -= 1;
      conclude();
      this.#apply();
    };
    return {
      limit: call.limit,
      succeeded: () => end(() => this.#succeeded(call, startedAt)),
      failed: (error) => end(() => this.#failed(error, call, { frame, isProbe, startedAt })),
      abandoned: () => end(() => this.#limit.ended(call)),
    };
  }

  /** Leaves no timer. The queue stays as it is. */
  close(): void {
    this.#outage?.abort();
  }

  #succeeded(call: LimitedCall, startedAt: number): void {
    this.#successes += 1;
    this.#limit.succeeded(call, this.#clock.monotonic() - startedAt);
    this.#answered();
  }

  #failed(error: unknown, call: LimitedCall, details: Omit<UnavailableCall, 'endedAt'>): void {
    const overload = overloadOf(error);
    if (overload === null) this.#limit.ended(call);
    else this.#limit[overload](call);
    if (classifyInvocationError(error) !== 'unavailable') this.#answered();
    else if (this.#breaker.unavailable({ ...details, endedAt: this.#clock.monotonic() })) this.#opened(error);
  }

  #opened(error: unknown): void {
    if (this.#outage === null) {
      this.#outage = new AbortController();
      void this.#outages.begin(error, this.#outage.signal);
    } else {
      this.#outages.failedAgain(error);
    }
    void this.#probeLater(this.#outage.signal);
  }

  #answered(): void {
    if (!this.#breaker.answered()) return;
    this.#outage?.abort();
    this.#outage = null;
    this.#outages.end();
    this.#limit.restart();
  }

  /** Never rejects. */
  async #probeLater(signal: AbortSignal): Promise<void> {
    await this.#clock.sleep(this.#breaker.delayMillis(), signal).catch(() => undefined);
    if (signal.aborted) return;
    this.#breaker.halfOpen();
    this.#apply();
  }

  get #isProbing(): boolean {
    return this.#breaker.state === 'HALF_OPEN' && this.#probesInFlight === 0;
  }

  get #hasGivenUp(): boolean {
    return !this.#isWanted && this.#outages.downMillis >= GIVE_UP_MILLIS;
  }

  /** Brings the queue and the gate in line with what is known. */
  #apply(): void {
    const isProbing = this.#isProbing;
    const isPaused = !this.isClosed && !isProbing && !this.#hasGivenUp;
    if (isPaused) {
      if (!this.#isPaused) this.#queue.pause();
    } else {
      // Calls that started before the outage may still hang: the probe does not wait for them.
      const calls = isProbing ? this.#limit.inFlight + 1 : this.#limit.slots;
      // No more than have their calls: whoever comes next waits for one round at the most.
      const ahead = this.isClosed ? Math.min(this.#ahead, this.#limit.value) : 0;
      if (calls + ahead !== this.#queue.concurrency) this.#queue.concurrency = calls + ahead;
      this.#gate.limit = calls;
      if (this.#isPaused) this.#queue.resume();
    }
    this.#gate.isOpen = !isPaused;
    this.#isPaused = isPaused;
  }
}
