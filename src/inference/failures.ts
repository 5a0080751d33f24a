import type { Clock } from '../core/clock.ts';
import { Delayed } from '../core/delayed.ts';
import { errorMessage, errorName } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { Metrics } from '../core/metrics.ts';
import type { SampledFrame } from '../stream/sampled-frame.ts';
import type { FailedInference } from './inference.ts';
import { identityOf } from './inquiry.ts';

interface Gathered {
  readonly error: string;
  readonly message: string;
  readonly failed: Array<ReturnType<typeof identityOf> & { attempts: number }>;
}

const GATHERING_MILLIS = 60_000;
/** Frames in a line. */
const MAX_FRAMES = 100;

/**
 * Frames that failed for good: each is counted, and a line of its own. Only while nothing but one error comes, as from an
 * endpoint that does not exist, frames after the first share a line a minute, or a hundred of them one; it names each.
 */
export class FailureLog {
  readonly #options: { clock: Clock; log: Logger; metrics: Metrics };
  /** The error that nothing has interrupted since. */
  #lastError: string | null = null;
  #gathered: Gathered | null = null;
  readonly #later: Delayed;

  /** @param options.log names the endpoint in its lines */
  constructor(options: { clock: Clock; log: Logger; metrics: Metrics }) {
    this.#options = options;
    this.#later = new Delayed(options.clock, GATHERING_MILLIS, () => this.flush());
  }

  add(frame: SampledFrame, { error: cause, attempts }: Pick<FailedInference, 'error' | 'attempts'>): void {
    const { log, metrics } = this.#options;
    const error = errorName(cause);
    metrics.count('FramesFailed', frame.streamName);
    metrics.countByError('FramesFailed', error);
    const details = { ...identityOf(frame), attempts };
    if (error !== this.#lastError) {
      this.flush();
      this.#lastError = error;
      log.error({ ...details, error }, `frame failed: ${errorMessage(cause)}`);
      return;
    }
    if (this.#gathered === null) this.#later.start();
    this.#gathered ??= { error, message: errorMessage(cause), failed: [] };
    this.#gathered.failed.push(details);
    if (this.#gathered.failed.length >= MAX_FRAMES) this.flush();
  }

  /** A frame did not fail: what fails next is news again. */
  succeeded(): void {
    if (this.#lastError === null) return;
    this.flush();
    this.#lastError = null;
  }

  /** Writes what has no line yet. Leaves no timer. */
  flush(): void {
    if (this.#gathered === null) return;
    const { error, message, failed } = this.#gathered;
    this.#later.cancel();
    this.#gathered = null;
    this.#options.log.error({ error, frames: failed.length, failed }, `frames failed: ${message}`);
  }
}
