import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Clock } from '../core/clock.ts';
import { KvsInferenceError } from '../core/errors.ts';

/** Why a connection is not worth keeping. */
export type CloseReason =
  /** No bytes for the time-out. */
  | 'SILENT'
  /** Bytes, but no complete fragment for twice the time-out. */
  | 'NO_FRAGMENT'
  /** Nothing was read for the time-out, because the reader waits: mostly for the last frame's place. */
  | 'BLOCKED';

/** In units of the time-out. */
const NO_FRAGMENT_TIMEOUTS = 2;

/**
 * Ends a connection that leads nowhere by aborting its signal. Time in which its reader waits for something else is
 * no fault of the connection: it does not count as silence.
 */
export class ConnectionWatchdog {
  readonly #clock: Clock;
  readonly #timeoutMillis: () => number;
  readonly #onClose: (reason: CloseReason) => void;
  readonly #owner: AbortSignal;
  readonly #connection = new AbortController();
  readonly #finished = new AbortController();
  readonly #abort = () => this.#connection.abort(this.#owner.reason);
  /** These two by `#readingMillis`. */
  #bytesMillis: number;
  #fragmentMillis: number;
  /** By the monotonic clock. */
  #waitingSince: number | null = null;
  #waitedMillis = 0;
  #closeReason: CloseReason | null = null;

  /**
   * @param options.timeoutMillis asked for again whenever the connection is looked at
   * @param options.signal of whoever reads: when it aborts, so does the connection's
   */
  constructor(options: {
    clock: Clock;
    timeoutMillis: () => number;
    signal: AbortSignal;
    onClose: (reason: CloseReason) => void;
  }) {
    this.#clock = options.clock;
    this.#timeoutMillis = options.timeoutMillis;
    this.#onClose = options.onClose;
    this.#owner = options.signal;
    this.#bytesMillis = this.#readingMillis;
    this.#fragmentMillis = this.#readingMillis;
    if (this.#owner.aborted) this.#abort();
    else this.#owner.addEventListener('abort', this.#abort, { once: true });
    void this.#watch();
  }

  /** The connection's: bounds its opening and its body. */
  get signal(): AbortSignal {
    return this.#connection.signal;
  }

  /** Null while it is open, and where it was not the watchdog that ended it. Also the code of the signal's reason. */
  get closeReason(): CloseReason | null {
    return this.#closeReason;
  }

  bytesReceived(): void {
    this.#bytesMillis = this.#readingMillis;
  }

  fragmentCompleted(): void {
    this.#fragmentMillis = this.#readingMillis;
  }

  /** Runs what the connection is not to be blamed for; it is closed all the same if it takes longer than the time-out. */
  async whileWaiting<T>(operation: () => Promise<T>): Promise<T> {
    const since = this.#clock.monotonic();
    this.#waitingSince = since;
    try {
      return await operation();
    } finally {
      this.#waitedMillis += this.#clock.monotonic() - since;
      this.#waitingSince = null;
    }
  }

  /** Stops watching. Leaves neither timer nor listener. */
  stop(): void {
    this.#finished.abort();
    this.#owner.removeEventListener('abort', this.#abort);
  }

  /** Monotonic milliseconds that stand still while the reader waits for something else. */
  get #readingMillis(): number {
    return (this.#waitingSince ?? this.#clock.monotonic()) - this.#waitedMillis;
  }

  async #watch(): Promise<void> {
    while (!this.#finished.signal.aborted) {
      const { reason, inMillis } = this.#nextClose();
      if (inMillis <= 0) return this.#close(reason);
      // What happens meanwhile only puts the end off, so it is looked at again then.
      await this.#clock.sleep(Math.ceil(inMillis), this.#finished.signal).catch(() => undefined);
      // In a process that was paused the bytes that have come meanwhile have their turn first.
      await nextTurn();
    }
  }

  /** What the connection will be closed for unless something happens, and when. */
  #nextClose(): { reason: CloseReason; inMillis: number } {
    const timeout = this.#timeoutMillis();
    if (this.#waitingSince !== null) {
      return { reason: 'BLOCKED', inMillis: this.#waitingSince + timeout - this.#clock.monotonic() };
    }
    const silent = this.#bytesMillis + timeout - this.#readingMillis;
    const noFragment = this.#fragmentMillis + NO_FRAGMENT_TIMEOUTS * timeout - this.#readingMillis;
    return silent <= noFragment
      ? { reason: 'SILENT', inMillis: silent }
      : { reason: 'NO_FRAGMENT', inMillis: noFragment };
  }

  #close(reason: CloseReason): void {
    this.#closeReason = reason;
    this.#onClose(reason);
    this.#connection.abort(closeError(reason, this.#timeoutMillis()));
  }
}

function closeError(reason: CloseReason, timeoutMillis: number): KvsInferenceError {
  switch (reason) {
    case 'SILENT':
      return new KvsInferenceError(reason, `no bytes for ${timeoutMillis} ms`);
    case 'NO_FRAGMENT': {
      const millis = NO_FRAGMENT_TIMEOUTS * timeoutMillis;
      return new KvsInferenceError(reason, `bytes, but no complete fragment for ${millis} ms`);
    }
    case 'BLOCKED':
      return new KvsInferenceError(reason, `nothing read for ${timeoutMillis} ms`);
  }
}
