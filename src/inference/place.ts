import { KvsInferenceError } from '../core/errors.ts';

/** Its `draining` has aborted, or it had to go for a newer one. */
export type GiveUpReason = 'DRAINING' | 'DROPPED';

/** The job is not to have a slot any more. */
export class GivenUpError extends KvsInferenceError {
  override readonly code: GiveUpReason;

  constructor(reason: GiveUpReason) {
    super(reason, reason === 'DROPPED' ? 'dropped for newer frames' : 'its stream is being handed over');
    this.code = reason;
  }
}

export interface SlotOptions {
  /** Before the stream's other waiting jobs: for another attempt. */
  readonly first?: boolean;
  /** Is waited for before a slot is: the delay before another attempt. The job counts as waiting meanwhile. */
  readonly delay?: (signal: AbortSignal) => Promise<void>;
}

/** What a job has while it is inside a FrameQueue. */
export interface Place {
  /**
   * Aborts, with a GivenUpError, when the job is not to have a slot any more. Not while it is in a slot: then at the end
   * of that, if its `draining` has aborted. A job is dropped only while it waits: before its first slot, or in `inSlot`.
   */
  readonly givenUp: AbortSignal;
  /**
   * Waits for one of the slots, which are numbered from 0, and does `work` in it.
   *
   * @throws {GivenUpError} if the job is given up before it has the slot
   */
  inSlot<T>(work: (slot: number) => Promise<T>, options?: SlotOptions): Promise<T>;
}

export interface Job {
  readonly streamName: string;
  readonly bytes: number;
  /** Aborts when the job is not to have a slot any more; one that has a slot keeps it. */
  readonly draining: AbortSignal;
  /** Holds its place, and its bytes, until it resolves. May not reject. */
  readonly run: (place: Place) => Promise<void>;
}
