import { GivenUpError, type GiveUpReason, type Job } from './place.ts';

/** A job that is inside a FrameQueue. */
export class Occupant {
  readonly job: Job;
  state: 'WAITING' | 'IN_SLOT' | 'AFTER_SLOT' = 'WAITING';
  readonly #givenUp = new AbortController();
  #isGivenUp = false;

  constructor(job: Job) {
    this.job = job;
  }

  /** Aborts when it is not to have a slot any more. */
  get givenUp(): AbortSignal {
    return this.#givenUp.signal;
  }

  get bytes(): number {
    return this.job.bytes;
  }

  /** Whether it wants a slot. */
  get isWaiting(): boolean {
    return this.state === 'WAITING' && !this.#isGivenUp;
  }

  /** Whether its place will be free at once. */
  get isLeaving(): boolean {
    return this.state === 'WAITING' && this.#isGivenUp;
  }

  giveUp(reason: GiveUpReason): void {
    if (this.#isGivenUp) return;
    this.#isGivenUp = true;
    this.#givenUp.abort(new GivenUpError(reason));
  }
}

/** The jobs that are inside, by stream, in the order in which they came in. */
export class Occupants {
  /** Only streams with jobs. */
  readonly #streams = new Map<string, Set<Occupant>>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get streamNames(): Iterable<string> {
    return this.#streams.keys();
  }

  add(occupant: Occupant): void {
    const { streamName } = occupant.job;
    this.#streams.set(streamName, (this.#streams.get(streamName) ?? new Set()).add(occupant));
    this.#size += 1;
  }

  delete(occupant: Occupant): void {
    const { streamName } = occupant.job;
    const occupants = this.#streams.get(streamName);
    occupants?.delete(occupant);
    if (occupants?.size === 0) this.#streams.delete(streamName);
    this.#size -= 1;
  }

  /** @returns the oldest first */
  waitingOf(streamName: string): Occupant[] {
    return [...(this.#streams.get(streamName) ?? [])].filter((occupant) => occupant.isWaiting);
  }

  /** @returns by stream, the oldest first */
  waiting(): Map<string, Occupant[]> {
    return new Map([...this.#streams.keys()].map((streamName) => [streamName, this.waitingOf(streamName)]));
  }

  leaving(): Occupant[] {
    return [...this.#streams.values()].flatMap((occupants) =>
      [...occupants].filter((occupant) => occupant.isLeaving),
    );
  }
}
