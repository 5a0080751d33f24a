import { ByteBudget } from '../../src/inference/byte-budget.ts';
import {
  FrameQueue,
  GivenUpError,
  type GiveUpReason,
  type Job,
  type Place,
  type QueueLimits,
  type SlotOptions,
} from '../../src/inference/queue.ts';

export const never = new AbortController().signal;

/** Lets everything happen that needs no time. */
export const turn = () => new Promise((resolve) => setImmediate(resolve));

export function queueOf(limits: Partial<QueueLimits> = {}, concurrency = 1, totalBytes = 1_000) {
  const budget = new ByteBudget(totalBytes);
  const allLimits: QueueLimits = { size: 10, maxWaitingPerStream: 0, fullPolicy: 'block', ...limits };
  return new FrameQueue({ limits: allLimits, concurrency, budget: budget.share() });
}

/**
 * A job that holds its slot until it is let go; with `fail` it wants another one, until `finish`ed it stays inside after
 * its last.
 */
export class HeldJob implements Job {
  readonly streamName: string;
  readonly bytes: number;
  readonly draining: AbortSignal;
  /** That it had so far. */
  readonly slots: number[] = [];
  givenUp: GiveUpReason | null = null;
  isInside = false;
  isDone = false;
  place: Place | null = null;
  readonly #staysAfterwards: boolean;
  #leaveSlot: (retry: SlotOptions | null) => void = () => {};
  #finish: () => void = () => {};

  constructor(
    options: { streamName?: string; bytes?: number; draining?: AbortSignal; staysAfterwards?: boolean } = {},
  ) {
    this.streamName = options.streamName ?? 'stream';
    this.bytes = options.bytes ?? 1;
    this.draining = options.draining ?? never;
    this.#staysAfterwards = options.staysAfterwards ?? false;
  }

  get isInSlot(): boolean {
    return this.slots.length > 0 && this.#isHolding;
  }

  #isHolding = false;

  readonly run = async (place: Place): Promise<void> => {
    this.place = place;
    this.isInside = true;
    try {
      let retry: SlotOptions | null = {};
      while (retry !== null) {
        retry = await place.inSlot((slot) => this.#holdSlot(slot), retry);
      }
      if (this.#staysAfterwards) await new Promise<void>((resolve) => this.#setFinish(resolve));
    } catch (error) {
      if (!(error instanceof GivenUpError)) throw error;
      this.givenUp = error.code;
    }
    this.isInside = false;
    this.isDone = true;
  };

  /** Out of the slot, and done. */
  letGo(): void {
    this.#leaveSlot(null);
  }

  /** Out of the slot, to have another. */
  fail(retry: SlotOptions = {}): void {
    this.#leaveSlot(retry);
  }

  finish(): void {
    this.#finish();
  }

  #setFinish(finish: () => void): void {
    this.#finish = finish;
  }

  async #holdSlot(slot: number): Promise<SlotOptions | null> {
    this.slots.push(slot);
    this.#isHolding = true;
    const retry = await new Promise<SlotOptions | null>((resolve) => {
      this.#leaveSlot = resolve;
    });
    this.#isHolding = false;
    return retry;
  }
}
