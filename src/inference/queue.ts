import PQueue from 'p-queue';
import { AbortListeners } from '../core/abort-listeners.ts';
import type { ByteShare } from './byte-budget.ts';
import { framesToDrop, sumOfBytes } from './drop-oldest.ts';
import { type Entrant, Entrants } from './entrants.ts';
import { FairQueue, type FairQueueOptions } from './fair-queue.ts';
import { Occupant, Occupants } from './occupants.ts';
import type { Job, SlotOptions } from './place.ts';
import { Turns } from './turns.ts';

export { GivenUpError, type GiveUpReason, type Job, type Place, type SlotOptions } from './place.ts';

export interface QueueLimits {
  /** Jobs inside, those in a slot included. */
  readonly size: number;
  /** Jobs of one stream that may wait for a slot; 0: no limit. */
  readonly maxWaitingPerStream: number;
  /** What happens at a limit: who comes waits, or the oldest that wait go. */
  readonly fullPolicy: 'block' | 'dropOldest';
}

/**
 * A bounded p-queue that is fair between streams: at most `size` jobs, and the bytes of its share, are inside, waiting or
 * under way; at most `concurrency` hold a slot. `enter` waits while there is no room, which is what stops the reading, or
 * makes room, as the policy says. Streams take turns to get in, and again to get a slot. Who is next to get in is not
 * overtaken by a smaller one that would fit.
 *
 * p-queue itself has no bound, and its `onSizeLessThan` lets several waiters in at once: the bounds are ours.
 */
export class FrameQueue {
  readonly #queue: PQueue<FairQueue, FairQueueOptions>;
  readonly #share: ByteShare;
  readonly #entrants = new Entrants(() => this.#admit());
  readonly #turns = new Turns();
  readonly #inside = new Occupants();
  readonly #drainListeners = new AbortListeners();
  /** Whether each is taken. */
  readonly #slots: boolean[] = [];
  #limits: QueueLimits;
  #isAdmitting = false;
  #mustAdmit = false;
  #whenIdle: Array<() => void> = [];

  constructor(options: { limits: QueueLimits; concurrency: number; budget: ByteShare }) {
    this.#limits = options.limits;
    this.#queue = new PQueue({ concurrency: options.concurrency, queueClass: FairQueue });
    this.#share = options.budget;
    this.#share.onRoom(() => this.#admit());
  }

  /** Smaller limits put nobody out, except for `maxWaitingPerStream` under `dropOldest`. */
  configure(limits: QueueLimits): void {
    this.#limits = limits;
    for (const streamName of this.#inside.streamNames) this.#dropExcess(streamName);
    this.#admit();
  }

  /** Slots that may be held at once, at least 1. Whoever holds one keeps it. */
  get concurrency(): number {
    return this.#queue.concurrency;
  }

  set concurrency(slots: number) {
    this.#queue.concurrency = slots;
  }

  /** Nobody gets a slot until `resume`; whoever holds one keeps it. */
  pause(): void {
    this.#queue.pause();
    this.#share.setPaused(true);
  }

  resume(): void {
    this.#share.setPaused(false);
    this.#queue.start();
  }

  /** Jobs that are inside. */
  get depth(): number {
    return this.#inside.size;
  }

  /** Whether nobody is inside, nor waits to get in. */
  get isIdle(): boolean {
    return this.depth === 0 && this.#entrants.isEmpty;
  }

  /** Bytes of the jobs that are inside. */
  get bytes(): number {
    return this.#share.held;
  }

  /** Jobs inside that wait for a slot, or for the delay before another attempt. */
  get waiting(): number {
    return [...this.#inside.waiting().values()].flat().length;
  }

  /**
   * Resolves when the job is inside, not when it is done.
   *
   * @throws the reason of `signal`, or of the job's `draining`, if it aborts before there is room
   */
  async enter(job: Job, signal: AbortSignal): Promise<void> {
    await this.#entrants.wait(job, signal);
  }

  /** Resolves when nothing is inside. */
  async onIdle(): Promise<void> {
    if (this.depth > 0) await new Promise<void>((resolve) => this.#whenIdle.push(resolve));
  }

  /** Lets in whoever there is room for. To be called whenever that may have changed. */
  #admit(): void {
    this.#mustAdmit = true;
    if (this.#isAdmitting) return;
    this.#isAdmitting = true;
    try {
      while (this.#mustAdmit) {
        this.#mustAdmit = false;
        this.#share.claim(this.#admitAll()?.job.bytes ?? null);
      }
    } finally {
      this.#isAdmitting = false;
    }
  }

  /** @returns who waits for bytes, and is next */
  #admitAll(): Entrant | null {
    const passedOver = new Set<string>();
    for (;;) {
      const entrant = this.#next(passedOver);
      if (entrant === null) return null;
      const { streamName, bytes } = entrant.job;
      const isFull = this.depth >= this.#limits.size;
      if (!isFull && this.#share.take(bytes)) {
        this.#turns.take(streamName);
        this.#start(entrant);
        continue;
      }
      const willHaveRoom = this.#makeRoom(entrant.job);
      if (isFull) return null;
      if (willHaveRoom || !this.#share.isStuck(bytes)) return entrant;
      passedOver.add(streamName);
    }
  }

  #next(passedOver: ReadonlySet<string>): Entrant | null {
    const streamNames = [...this.#entrants.streamNames].filter(
      (streamName) => !passedOver.has(streamName) && this.#mayEnter(streamName),
    );
    const streamName = this.#turns.next(streamNames);
    return streamName === null ? null : this.#entrants.first(streamName);
  }

  #mayEnter(streamName: string): boolean {
    const { fullPolicy, maxWaitingPerStream } = this.#limits;
    if (fullPolicy === 'dropOldest' || maxWaitingPerStream === 0) return true;
    return this.#inside.waitingOf(streamName).length < maxWaitingPerStream;
  }

  /** Under `dropOldest`. @returns whether there is room as soon as those that have been given up are gone */
  #makeRoom({ streamName, bytes }: Job): boolean {
    if (this.#limits.fullPolicy === 'block') return false;
    const leaving = this.#inside.leaving();
    const bytesLeaving = sumOfBytes(leaving);
    const hasRoom = (frames: number, freed: number) =>
      this.depth - leaving.length - frames < this.#limits.size &&
      this.#share.hasRoom(bytes, bytesLeaving + freed);
    if (hasRoom(0, 0)) return true;
    const dropped = framesToDrop(this.#inside.waiting(), streamName, hasRoom);
    for (const occupant of dropped ?? []) occupant.giveUp('DROPPED');
    return dropped !== null;
  }

  #start({ job, enter }: Entrant): void {
    const occupant = new Occupant(job);
    this.#inside.add(occupant);
    enter();
    void this.#run(occupant);
  }

  async #run(occupant: Occupant): Promise<void> {
    const { job, givenUp } = occupant;
    const drain = () => {
      if (occupant.state !== 'IN_SLOT') occupant.giveUp('DRAINING');
    };
    this.#drainListeners.add(job.draining, drain);
    try {
      await job.run({ givenUp, inSlot: (work, options) => this.#inSlot(occupant, work, options) });
    } finally {
      this.#drainListeners.remove(job.draining, drain);
      this.#inside.delete(occupant);
      this.#share.give(job.bytes);
      if (this.depth === 0) for (const resolve of this.#whenIdle.splice(0)) resolve();
    }
  }

  /**
   * p-queue drops a waiting job when its signal aborts, but it also lets go of the slot of a running one, whose work goes
   * on, and of what that returns. So `givenUp` never aborts before p-queue is done with the slot.
   */
  async #inSlot<T>(
    occupant: Occupant,
    work: (slot: number) => Promise<T>,
    { first = false, delay }: SlotOptions = {},
  ): Promise<T> {
    const { job, givenUp } = occupant;
    givenUp.throwIfAborted();
    const start = async () => {
      occupant.state = 'IN_SLOT';
      const slot = this.#takeSlot();
      try {
        const result = work(slot);
        // Its stream has one fewer that waits.
        this.#admit();
        return await result;
      } finally {
        this.#slots[slot] = false;
      }
    };
    occupant.state = 'WAITING';
    try {
      if (delay !== undefined) await this.#asWaiting(occupant, delay(givenUp));
      const { streamName } = job;
      return await this.#asWaiting(occupant, this.#queue.add(start, { signal: givenUp, streamName, first }));
    } finally {
      if (!givenUp.aborted) occupant.state = 'AFTER_SLOT';
      if (job.draining.aborted) occupant.giveUp('DRAINING');
    }
  }

  /** @throws {GivenUpError} if the job is given up meanwhile */
  async #asWaiting<T>(occupant: Occupant, wait: Promise<T>): Promise<T> {
    if (occupant.isWaiting) {
      this.#dropExcess(occupant.job.streamName);
      this.#admit();
    }
    try {
      return await wait;
    } finally {
      occupant.givenUp.throwIfAborted();
    }
  }

  #takeSlot(): number {
    const free = this.#slots.indexOf(false);
    const slot = free === -1 ? this.#slots.length : free;
    this.#slots[slot] = true;
    return slot;
  }

  #dropExcess(streamName: string): void {
    const { fullPolicy, maxWaitingPerStream } = this.#limits;
    if (fullPolicy === 'block' || maxWaitingPerStream === 0) return;
    const waiting = this.#inside.waitingOf(streamName);
    const excess = Math.max(0, waiting.length - maxWaitingPerStream);
    for (const occupant of waiting.slice(0, excess)) occupant.giveUp('DROPPED');
  }
}
