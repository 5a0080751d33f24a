import { ByStream } from './by-stream.ts';
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
  readonly #occupants = new ByStream<Occupant>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get streamNames(): Iterable<string> {
    return this.#occupants.streamNames;
  }

  add(occupant: Occupant): void {
    this.#occupants.add(occupant.job.streamName, occupant);
    this.#size += 1;
  }

  delete(occupant: Occupant): void {
    this.#occupants.delete(occupant.job.streamName, occupant);
    this.#size -= 1;
  }

  /** @returns the oldest first */
  waitingOf(streamName: string): Occupant[] {
    return this.#occupants.of(streamName).filter((occupant) => occupant.isWaiting);
  }

  /** @returns by stream, the oldest first */
  waiting(): Map<string, Occupant[]> {
    return new Map([...this.streamNames].map((streamName) => [streamName, this.waitingOf(streamName)]));
  }

  leaving(): Occupant[] {
    return [...this.streamNames].flatMap((streamName) =>
      this.#occupants.of(streamName).filter((occupant) => occupant.isLeaving),
    );
  }
}
