import { type Clock, withTimeout } from '../core/clock.ts';
import { errorMessage, errorName } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import { isTransientAwsError, retry } from '../core/retry.ts';

const REQUEST_TIMEOUT_MILLIS = 10_000;
const RETRIES = { attempts: 4, baseDelayMillis: 200, maxDelayMillis: 5000 };

/** Calls to one service: evenly paced, each bounded in time and tried again a few times. */
export class PacedCalls {
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #intervalMillis: number;
  #nextTurn = Number.NEGATIVE_INFINITY;

  constructor(options: { clock: Clock; log: Logger; callsPerSecond: number }) {
    this.#clock = options.clock;
    this.#log = options.log;
    this.#intervalMillis = 1000 / options.callsPerSecond;
  }

  /** @throws the service's last error, or TIMEOUT */
  async call<T>(
    operation: string,
    send: (signal: AbortSignal) => Promise<T>,
    signal: AbortSignal,
  ): Promise<T> {
    const attempt = async () => {
      await this.#turn(signal);
      return await withTimeout(this.#clock, REQUEST_TIMEOUT_MILLIS, signal, send);
    };
    return await retry(attempt, {
      clock: this.#clock,
      signal,
      ...RETRIES,
      isRetryable: isTransientAwsError,
      onRetry: (error, attempts, delayMillis) => {
        const details = { operation, error: errorName(error), attempts, delayMillis };
        this.#log.debug(details, `call failed, trying again: ${errorMessage(error)}`);
      },
    });
  }

  /** Every page of a list, in order. */
  async pages<Page>(
    operation: string,
    send: (token: string | undefined, signal: AbortSignal) => Promise<Page>,
    nextToken: (page: Page) => string | undefined,
    signal: AbortSignal,
  ): Promise<Page[]> {
    const pages: Page[] = [];
    let token: string | undefined;
    do {
      const from = token;
      const page = await this.call(operation, (abortSignal) => send(from, abortSignal), signal);
      pages.push(page);
      // The tagging API gives an empty token with the last page.
      token = nextToken(page) || undefined;
    } while (token !== undefined);
    return pages;
  }

  async #turn(signal: AbortSignal): Promise<void> {
    const now = this.#clock.monotonic();
    const turn = Math.max(now, this.#nextTurn);
    this.#nextTurn = turn + this.#intervalMillis;
    if (turn > now) await this.#clock.sleep(turn - now, signal);
  }
}
