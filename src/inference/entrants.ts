import { AbortListeners } from '../core/abort-listeners.ts';
import { ByStream } from './by-stream.ts';
import type { Job } from './place.ts';

/** A job that waits to get in. */
export interface Entrant {
  readonly job: Job;
  /** Ends its wait. */
  readonly enter: () => void;
}

/** The jobs that wait to get in, in order by stream. */
export class Entrants {
  readonly #entrants = new ByStream<Entrant>();
  readonly #abortListeners = new AbortListeners();
  readonly #onChange: () => void;

  /** @param onChange called when one has come, or given up */
  constructor(onChange: () => void) {
    this.#onChange = onChange;
  }

  get streamNames(): Iterable<string> {
    return this.#entrants.streamNames;
  }

  get isEmpty(): boolean {
    return this.#entrants.isEmpty;
  }

  /** @returns the stream's first */
  first(streamName: string): Entrant | null {
    return this.#entrants.first(streamName);
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
        this.#entrants.delete(job.streamName, entrant);
        for (const each of signals) this.#abortListeners.remove(each, giveUp);
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
      for (const each of signals) this.#abortListeners.add(each, giveUp);
      this.#entrants.add(job.streamName, entrant);
      this.#onChange();
    });
  }
}
