import PQueue from 'p-queue';

/**
 * Waits for one of the slots, which are numbered from 0, and does `work` in it.
 *
 * @returns null if the job's `draining` aborted before it was its turn
 */
export type InSlot = <T extends object>(work: (slot: number) => Promise<T>) => Promise<T | null>;

/** What is done in a place of the queue. */
export interface Job {
  /** Aborts when the job is not to have a slot any more; one that has a slot keeps it. */
  readonly draining: AbortSignal;
  /** Holds the place until it resolves. May not reject. */
  readonly run: (inSlot: InSlot) => Promise<void>;
}

/**
 * A bounded p-queue: at most `size` jobs are inside, waiting or under way, and at most `concurrency` hold a slot.
 * `enter` waits while it is full, which is what stops the reading; whoever waits longest enters first.
 *
 * p-queue itself has no bound, and its `onSizeLessThan` lets several waiters in at once: the bound is ours.
 */
export class FrameQueue {
  readonly #queue: PQueue;
  readonly #size: number;
  readonly #freeSlots: number[];
  /** Each is given a place by calling it. */
  readonly #entrants = new Set<() => void>();
  #inside = 0;
  #whenIdle: Array<() => void> = [];

  constructor(options: { size: number; concurrency: number }) {
    this.#size = options.size;
    this.#queue = new PQueue({ concurrency: options.concurrency });
    this.#freeSlots = Array.from({ length: options.concurrency }, (_, index) => index).reverse();
  }

  /** Jobs that are inside. */
  get depth(): number {
    return this.#inside;
  }

  /**
   * Resolves when the job is inside, not when it is done.
   *
   * @throws the reason of `signal`, or of the job's `draining`, if it aborts before there is room
   */
  async enter(job: Job, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    job.draining.throwIfAborted();
    if (this.#inside < this.#size) this.#inside += 1;
    else await this.#place([signal, job.draining]);
    void this.#run(job);
  }

  /** Resolves when nothing is inside. */
  async onIdle(): Promise<void> {
    if (this.#inside > 0) await new Promise<void>((resolve) => this.#whenIdle.push(resolve));
  }

  async #run(job: Job): Promise<void> {
    try {
      await job.run((work) => this.#inSlot(work, job.draining));
    } finally {
      this.#leave();
    }
  }

  /**
   * p-queue drops a waiting job when its signal aborts, but it also lets go of the slot of a running one, whose work
   * goes on. So it is given a signal that aborts only while the job waits.
   */
  async #inSlot<T extends object>(
    work: (slot: number) => Promise<T>,
    draining: AbortSignal,
  ): Promise<T | null> {
    if (draining.aborted) return null;
    const waiting = new AbortController();
    const drop = () => waiting.abort();
    draining.addEventListener('abort', drop, { once: true });
    const start = async () => {
      draining.removeEventListener('abort', drop);
      const slot = this.#freeSlots.pop() ?? 0;
      try {
        return await work(slot);
      } finally {
        this.#freeSlots.push(slot);
      }
    };
    try {
      return await this.#queue.add(start, { signal: waiting.signal });
    } catch (error) {
      if (waiting.signal.aborted) return null;
      throw error;
    }
  }

  /** The place goes to whoever waits longest. */
  #leave(): void {
    const [next] = this.#entrants;
    if (next === undefined) this.#inside -= 1;
    else next();
    if (this.#inside === 0) for (const resolve of this.#whenIdle.splice(0)) resolve();
  }

  async #place(signals: readonly AbortSignal[]): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const stopWaiting = () => {
        this.#entrants.delete(enter);
        for (const signal of signals) signal.removeEventListener('abort', abort);
      };
      const enter = () => {
        stopWaiting();
        resolve();
      };
      const abort = () => {
        stopWaiting();
        reject(signals.find((signal) => signal.aborted)?.reason);
      };
      this.#entrants.add(enter);
      for (const signal of signals) signal.addEventListener('abort', abort, { once: true });
    });
  }
}
