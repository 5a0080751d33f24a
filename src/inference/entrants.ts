import type { Job } from './place.ts';

/** A job that waits to get in. */
export interface Entrant {
  readonly job: Job;
  /** Ends its wait. */
  readonly enter: () => void;
}

/** The jobs that wait to get in, in order by stream. */
export class Entrants {
  /** Only streams with entrants. */
  readonly #streams = new Map<string, Set<Entrant>>();
  readonly #onChange: () => void;

  /** @param onChange called when one has come, or given up */
  constructor(onChange: () => void) {
    this.#onChange = onChange;
  }

  get streamNames(): Iterable<string> {
    return this.#streams.keys();
  }

  get isEmpty(): boolean {
    return this.#streams.size === 0;
  }

  /** @returns the stream's first */
  first(streamName: string): Entrant | null {
    const [first] = this.#streams.get(streamName) ?? [];
    return first ?? null;
  }

  /**
   * Resolves when it has been entered.
   *
   * @throws the reason of `signal`, or of the job's `draining`, if it aborts before
   */
  async wait(job: Job, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    job.draining.throwIfAborted();
    const signals = [signal, job.draining];
    await new Promise<void>((resolve, reject) => {
      const stopWaiting = () => {
        this.#delete(entrant);
        for (const each of signals) each.removeEventListener('abort', giveUp);
      };
      const entrant = {
        job,
        enter: () => {
          stopWaiting();
          resolve();
        },
      };
      const giveUp = () => {
        stopWaiting();
        reject(signals.find((each) => each.aborted)?.reason);
        this.#onChange();
      };
      for (const each of signals) each.addEventListener('abort', giveUp, { once: true });
      this.#add(entrant);
      this.#onChange();
    });
  }

  #add(entrant: Entrant): void {
    const { streamName } = entrant.job;
    const entrants = this.#streams.get(streamName) ?? new Set();
    this.#streams.set(streamName, entrants.add(entrant));
  }

  #delete(entrant: Entrant): void {
    const { streamName } = entrant.job;
    const entrants = this.#streams.get(streamName);
    entrants?.delete(entrant);
    if (entrants?.size === 0) this.#streams.delete(streamName);
  }
}
