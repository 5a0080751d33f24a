import PQueue from 'p-queue';

/** Neither function may reject. */
export interface Job<T> {
  /** Runs in turn, holding one of the slots, which are numbered from 0. */
  readonly inSlot: (slot: number) => Promise<T>;
  /** Runs next, without a slot. */
  readonly after: (result: T) => Promise<void>;
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
   * @throws the signal's reason if it aborts before there is room
   */
  async enter<T>(job: Job<T>, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#inside < this.#size) this.#inside += 1;
    else await this.#place(signal);
    void this.#run(job);
  }

  /** Drops the jobs that wait for a slot; what holds one goes on. */
  clear(): void {
    const waiting = this.#queue.size;
    this.#queue.clear();
    for (let index = 0; index < waiting; index += 1) this.#leave();
  }

  /** Resolves when nothing is inside. */
  async onIdle(): Promise<void> {
    if (this.#inside > 0) await new Promise<void>((resolve) => this.#whenIdle.push(resolve));
  }

  async #run<T>(job: Job<T>): Promise<void> {
    const result = await this.#queue.add(async () => {
      const slot = this.#freeSlots.pop() ?? 0;
      try {
        return await job.inSlot(slot);
      } finally {
        this.#freeSlots.push(slot);
      }
    });
    await job.after(result);
    this.#leave();
  }

  /** The place goes to whoever waits longest. */
  #leave(): void {
    const [next] = this.#entrants;
    if (next === undefined) this.#inside -= 1;
    else next();
    if (this.#inside === 0) for (const resolve of this.#whenIdle.splice(0)) resolve();
  }

  async #place(signal: AbortSignal): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const enter = () => {
        this.#entrants.delete(enter);
        signal.removeEventListener('abort', abort);
        resolve();
      };
      const abort = () => {
        this.#entrants.delete(enter);
        reject(signal.reason);
      };
      this.#entrants.add(enter);
      signal.addEventListener('abort', abort, { once: true });
    });
  }
}
