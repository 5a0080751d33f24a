import type { Clock } from '../core/clock.ts';
import { errorMessage, errorName } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { Metrics } from '../core/metrics.ts';
import { Occasional } from '../core/occasional.ts';

interface Problem {
  readonly lines: Occasional;
  /** Streams concerned since the last line, as far as they are named. */
  readonly streamNames: Set<string>;
}

const LINE_INTERVAL_MILLIS = 60_000;
const MAX_STREAM_NAMES = 20;
/** Kinds of problems; items that cannot be read are one each. */
const MAX_PROBLEMS = 1000;

/**
 * What goes wrong with the lease table: each time counts, and is a line at once the first time, then at most once a
 * minute, with how often. A table that is away for an hour is sixty lines, not a hundred thousand.
 */
export class TableProblems {
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #metrics: Metrics;
  readonly #problems = new Map<string, Problem>();

  constructor(options: { clock: Clock; log: Logger; metrics: Metrics }) {
    this.#clock = options.clock;
    this.#log = options.log;
    this.#metrics = options.metrics;
  }

  /** Something that is tried again. @param problem such as `checkpoint not written` */
  report(problem: string, error: unknown, streamName?: string): void {
    const due = this.#count(problem, streamName);
    if (due === null) return;
    const details = { error: errorName(error), ...due };
    this.#log.warn(details, `${problem}, trying again: ${errorMessage(error)}`);
  }

  /** An item that cannot be read, and is left out. */
  readonly reportItem = (error: unknown): void => {
    const problem = errorMessage(error);
    const due = this.#count(problem);
    if (due !== null) this.#log.error({ error: errorName(error), ...due }, `item skipped: ${problem}`);
  };

  /** @returns what the line is to say of the times since the last one; null if no line is due */
  #count(name: string, streamName?: string): { times: number; streamNames?: string[] } | null {
    this.#metrics.count('LeaseTableErrors', null);
    if (this.#problems.size >= MAX_PROBLEMS) this.#problems.clear();
    const problem = this.#problems.get(name) ?? {
      lines: new Occasional(this.#clock, LINE_INTERVAL_MILLIS),
      streamNames: new Set(),
    };
    this.#problems.set(name, problem);
    const { lines, streamNames } = problem;
    if (streamName !== undefined && streamNames.size < MAX_STREAM_NAMES) streamNames.add(streamName);
    const times = lines.count();
    if (times === null) return null;
    const due = { times, ...(streamNames.size > 0 ? { streamNames: [...streamNames] } : {}) };
    streamNames.clear();
    return due;
  }
}
