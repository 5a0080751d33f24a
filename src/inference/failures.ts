import type { Clock } from '../core/clock.ts';
import { errorMessage, errorName } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';

interface Failures {
  count: number;
  ids: string[];
  /** Of the last one. */
  message: string;
  lastLineAt: number;
}

const LINE_INTERVAL_MILLIS = 60_000;
const MAX_IDS = 100;

/**
 * Reports frames that failed for good: at once the first time, then at most once a minute for each kind of error,
 * with how many there were and which. An endpoint that is gone is one line a minute, not one a frame.
 */
export class FailureLog {
  readonly #log: Logger;
  readonly #clock: Clock;
  readonly #endpoint: string;
  readonly #failures = new Map<string, Failures>();

  constructor(options: { log: Logger; clock: Clock; endpoint: string }) {
    this.#log = options.log;
    this.#clock = options.clock;
    this.#endpoint = options.endpoint;
  }

  /** @param id of the result that there will not be */
  add(error: unknown, id: string): void {
    const name = errorName(error);
    const failures = this.#failures.get(name) ?? newFailures();
    this.#failures.set(name, failures);
    failures.count += 1;
    if (failures.ids.length < MAX_IDS) failures.ids.push(id);
    failures.message = errorMessage(error);
    if (this.#isDue(failures)) this.#write(name, failures);
  }

  /** Reports what has waited its minute. To be called now and then. */
  flushDue(): void {
    for (const [name, failures] of this.#failures) if (this.#isDue(failures)) this.#write(name, failures);
  }

  /** Reports what has no line yet. */
  flush(): void {
    for (const [name, failures] of this.#failures) if (failures.count > 0) this.#write(name, failures);
  }

  #isDue({ count, lastLineAt }: Failures): boolean {
    return count > 0 && this.#clock.monotonic() - lastLineAt >= LINE_INTERVAL_MILLIS;
  }

  #write(error: string, failures: Failures): void {
    const { count, ids, message } = failures;
    failures.count = 0;
    failures.ids = [];
    failures.lastLineAt = this.#clock.monotonic();
    this.#log.error({ error, endpoint: this.#endpoint, frames: count, ids }, `frames failed: ${message}`);
  }
}

function newFailures(): Failures {
  return { count: 0, ids: [], message: '', lastLineAt: Number.NEGATIVE_INFINITY };
}
