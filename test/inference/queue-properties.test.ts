import { getEventListeners } from 'node:events';
import fc from 'fast-check';
import { ByteBudget, type ByteShare } from '../../src/inference/byte-budget.ts';
import { FrameQueue, type Job, type Place, type QueueLimits } from '../../src/inference/queue.ts';
import { HeldJob, turn } from './queue-jobs.ts';

/** A job with all that is known of it. */
interface Known {
  readonly job: HeldJob;
  readonly owner: Endpoint;
  readonly tenure: AbortController;
  readonly reader: AbortController;
  isRefused: boolean;
  wantsSlot: boolean;
  endDelay: (() => void) | null;
}

interface Endpoint {
  readonly queue: FrameQueue;
  readonly share: ByteShare;
  limits: QueueLimits;
  isPaused: boolean;
  mayDrop: boolean;
}

const limits = fc.record<QueueLimits>({
  size: fc.integer({ min: 1, max: 8 }),
  maxWaitingPerStream: fc.integer({ min: 0, max: 3 }),
  fullPolicy: fc.constantFrom('block', 'dropOldest'),
});
const concurrency = fc.integer({ min: 1, max: 4 });
/** Of the endpoints, or jobs, that there are at that moment. */
const which = fc.nat(1_000);
const total = fc.integer({ min: 10, max: 200 });

const step = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      type: fc.constant('enter' as const),
      which,
      stream: fc.nat(3),
      bytes: fc.oneof({ weight: 6, arbitrary: fc.nat(40) }, fc.nat(250)),
      tenure: fc.nat(2),
      staysAfterwards: fc.boolean(),
    }),
  },
  { weight: 6, arbitrary: fc.record({ type: fc.constant('leaveSlot' as const), which }) },
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constant('fail' as const),
      which,
      first: fc.boolean(),
      isDelayed: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('endDelay' as const), which }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('finish' as const), which }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('stopReader' as const), which }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('drain' as const), tenure: fc.nat(2) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('concurrency' as const), which, concurrency }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('pause' as const), which }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('resume' as const), which }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('configure' as const), which, limits }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('total' as const), total }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('add' as const), limits, concurrency }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('close' as const), which }) },
  { weight: 12, arbitrary: fc.record({ type: fc.constant('turn' as const) }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** Queues within one budget, to which anything may happen, checked whenever somebody gets in, or a slot, and between. */
class World {
  readonly #budget: ByteBudget;
  readonly #endpoints: Endpoint[] = [];
  readonly #jobs: Known[] = [];
  readonly #tenures = [0, 1, 2].map(() => new AbortController());
  readonly #signals = new Set<AbortSignal>();
  #violation: Error | null = null;

  constructor(totalBytes: number) {
    this.#budget = new ByteBudget(totalBytes);
  }

  async take(step: Step): Promise<void> {
    switch (step.type) {
      case 'turn':
        await turn();
        return this.#checkRest();
      case 'add':
        return this.add(step.limits, step.concurrency);
      case 'total':
        this.#budget.total = step.total;
        return;
      case 'drain':
        this.#tenures[step.tenure]?.abort();
        this.#tenures[step.tenure] = new AbortController();
        return;
      case 'leaveSlot':
        return pick(this.#inSlot(), step.which)?.job.letGo();
      case 'fail':
        return this.#fail(pick(this.#inSlot(), step.which), step);
      case 'endDelay':
        return pick(
          this.#jobs.filter(({ endDelay }) => endDelay !== null),
          step.which,
        )?.endDelay?.();
      case 'finish':
        return pick(this.#jobs, step.which)?.job.finish();
      case 'stopReader':
        return pick(
          this.#jobs.filter((known) => this.#isEntrant(known)),
          step.which,
        )?.reader.abort();
      default:
        this.#change(step);
    }
  }

  add(limits: QueueLimits, concurrency: number): void {
    const share = this.#budget.share();
    const queue = new FrameQueue({ limits, concurrency, budget: share });
    const mayDrop = limits.fullPolicy === 'dropOldest';
    this.#endpoints.push({ queue, share, limits, isPaused: false, mayDrop });
  }

  /** Everybody gets what they wait for, with the limits that there are. */
  async finish(): Promise<void> {
    await turn();
    this.#checkRest();
    for (const endpoint of this.#endpoints) this.#resume(endpoint);
    const isOpen = (known: Known) => !known.job.isDone && !known.isRefused;
    for (let round = 0; this.#jobs.some(isOpen); round += 1) {
      if (round > 10 * this.#jobs.length) throw new Error('somebody is not served');
      for (const { job, endDelay } of this.#jobs) {
        endDelay?.();
        if (job.isInSlot) job.letGo();
        job.finish();
      }
      await turn();
      this.#checkRest();
    }
    for (const known of this.#jobs) this.#checkOutcome(known);
    for (const signal of this.#signals) expect(getEventListeners(signal, 'abort')).toEqual([]);
    for (const { queue, share } of this.#endpoints) {
      await queue.onIdle();
      expect([queue.depth, queue.bytes, queue.waiting]).toEqual([0, 0, 0]);
      share.close();
    }
    expect(this.#budget.held).toBe(0);
  }

  #change(
    step: Extract<Step, { type: 'enter' | 'concurrency' | 'pause' | 'resume' | 'configure' | 'close' }>,
  ) {
    const endpoint = pick(this.#endpoints, step.which);
    if (endpoint === undefined) return;
    const { queue } = endpoint;
    if (step.type === 'enter') this.#enter(endpoint, step);
    else if (step.type === 'concurrency') queue.concurrency = step.concurrency;
    else if (step.type === 'resume') this.#resume(endpoint);
    else if (step.type === 'pause') {
      endpoint.isPaused = true;
      queue.pause();
    } else if (step.type === 'configure') {
      endpoint.limits = step.limits;
      endpoint.mayDrop ||= step.limits.fullPolicy === 'dropOldest';
      queue.configure(step.limits);
    } else if (
      queue.depth === 0 &&
      !this.#jobs.some((known) => known.owner === endpoint && this.#isOpen(known))
    ) {
      this.#endpoints.splice(this.#endpoints.indexOf(endpoint), 1);
      endpoint.share.close();
    }
  }

  #resume(endpoint: Endpoint): void {
    endpoint.isPaused = false;
    endpoint.queue.resume();
  }

  #enter(owner: Endpoint, step: Extract<Step, { type: 'enter' }>): void {
    const tenure = this.#tenures[step.tenure];
    if (tenure === undefined) return;
    const { bytes, staysAfterwards } = step;
    const draining = tenure.signal;
    const job = new HeldJob({ streamName: `stream ${step.stream}`, bytes, draining, staysAfterwards });
    const known: Known = {
      job,
      owner,
      tenure,
      reader: new AbortController(),
      isRefused: false,
      wantsSlot: false,
      endDelay: null,
    };
    this.#jobs.push(known);
    this.#signals.add(draining).add(known.reader.signal);
    owner.queue.enter(this.#watched(known), known.reader.signal).catch(() => {
      known.isRefused = true;
    });
  }

  #watched(known: Known): Job {
    const { job, owner } = known;
    const { streamName, bytes, draining } = job;
    const run = async (place: Place) => {
      this.#check(() => this.#checkEntry(known));
      await job.run({
        givenUp: place.givenUp,
        inSlot: async (work, options) => {
          known.wantsSlot = true;
          return await place.inSlot(async (slot) => {
            known.wantsSlot = false;
            const isDone = work(slot);
            this.#check(() => this.#checkSlots(owner));
            return await isDone;
          }, options);
        },
      });
    };
    return { streamName, bytes, draining, run };
  }

  #fail(known: Known | undefined, { first, isDelayed }: { first: boolean; isDelayed: boolean }): void {
    if (known === undefined) return;
    const delay = (signal: AbortSignal) =>
      new Promise<void>((resolve, reject) => {
        const end = (conclude: () => void) => {
          known.endDelay = null;
          signal.removeEventListener('abort', abort);
          conclude();
        };
        const abort = () => end(() => reject(new Error('aborted')));
        signal.addEventListener('abort', abort);
        known.endDelay = () => end(resolve);
      });
    known.job.fail(isDelayed ? { first, delay } : { first });
  }

  /** What must hold the moment somebody gets in. */
  #checkEntry({ job, owner }: Known): void {
    const { queue, limits } = owner;
    expect(queue.depth).toBeLessThanOrEqual(limits.size);
    if (this.#budget.held !== job.bytes) {
      expect(this.#budget.held).toBeLessThanOrEqual(this.#budget.total);
      if (queue.bytes !== job.bytes) {
        expect(queue.bytes).toBeLessThanOrEqual(this.#budget.total / this.#endpoints.length);
      }
    }
    if (limits.fullPolicy === 'block' && limits.maxWaitingPerStream > 0) {
      const waiting = this.#jobs.filter((known) => known.owner === owner && this.#isWaiting(known));
      const ofStream = waiting.filter((known) => known.job.streamName === job.streamName);
      expect(ofStream.length).toBeLessThan(limits.maxWaitingPerStream);
    }
  }

  /** What must hold the moment somebody gets a slot. */
  #checkSlots(owner: Endpoint): void {
    const taken = this.#inSlot().filter((known) => known.owner === owner);
    expect(owner.isPaused).toBe(false);
    expect(taken.length).toBeLessThanOrEqual(owner.queue.concurrency);
    expect(new Set(taken.map(({ job }) => job.slots.at(-1))).size).toBe(taken.length);
  }

  /** What must hold when all that can happen has happened. */
  #checkRest(): void {
    if (this.#violation !== null) throw this.#violation;
    let bytes = 0;
    for (const endpoint of this.#endpoints) {
      const { queue, limits, isPaused } = endpoint;
      const jobs = this.#jobs.filter(({ owner }) => owner === endpoint);
      const inside = jobs.filter(({ job }) => job.isInside);
      const held = inside.reduce((sum, { job }) => sum + job.bytes, 0);
      bytes += held;
      const waiting = inside.filter((known) => this.#isWaiting(known));
      expect([queue.depth, queue.bytes, queue.waiting]).toEqual([inside.length, held, waiting.length]);
      const inSlot = inside.filter(({ job }) => job.isInSlot);
      expect(inSlot.filter(({ job }) => job.place?.givenUp.aborted)).toHaveLength(0);
      const ready = waiting.filter(({ endDelay }) => endDelay === null);
      if (!isPaused && ready.length > 0) {
        expect(inSlot.length).toBeGreaterThanOrEqual(queue.concurrency);
      }
      if (limits.fullPolicy === 'dropOldest' && limits.maxWaitingPerStream > 0) {
        for (const stream of new Set(waiting.map(({ job }) => job.streamName))) {
          const ofStream = waiting.filter(({ job }) => job.streamName === stream);
          expect(ofStream.length).toBeLessThanOrEqual(limits.maxWaitingPerStream);
        }
      }
      this.#checkEntrants(endpoint, jobs, inside);
    }
    expect(this.#budget.held).toBe(bytes);
  }

  /** Nobody may wait without a reason. */
  #checkEntrants({ queue, limits, share }: Endpoint, jobs: readonly Known[], inside: readonly Known[]): void {
    const waiting = inside.filter((known) => this.#isWaiting(known));
    const isBlock = limits.fullPolicy === 'block';
    const heads = new Map<string, HeldJob>();
    for (const known of jobs.filter((each) => this.#isEntrant(each))) {
      const { streamName } = known.job;
      const ofStream = waiting.filter(({ job }) => job.streamName === streamName);
      const hasEnough = limits.maxWaitingPerStream > 0 && ofStream.length >= limits.maxWaitingPerStream;
      if (!heads.has(streamName) && !(isBlock && hasEnough)) heads.set(streamName, known.job);
    }
    if (heads.size === 0) return;
    const isFull = queue.depth >= limits.size;
    if (!isBlock && isFull && queue.depth - waiting.length < limits.size) {
      // Those that wait have not gone for them: not even without all of these there were the bytes.
      const freed = waiting.reduce((sum, { job }) => sum + job.bytes, 0);
      expect([...heads.values()].every(({ bytes }) => share.hasRoom(bytes, freed))).toBe(false);
    }
    if (isFull) return;
    if (this.#endpoints.length === 1) {
      expect([...heads.values()].every(({ bytes }) => share.hasRoom(bytes, 0))).toBe(false);
    }
    // Whoever has a claim before gets in by himself when nothing is held.
    expect(this.#budget.held).toBeGreaterThan(0);
  }

  #checkOutcome({ job, owner, tenure, reader, isRefused }: Known): void {
    if (isRefused) expect([job.place, reader.signal.aborted || tenure.signal.aborted]).toEqual([null, true]);
    else if (job.givenUp === 'DRAINING') expect(tenure.signal.aborted).toBe(true);
    else if (job.givenUp === 'DROPPED') expect(owner.mayDrop).toBe(true);
    else expect(job.slots).not.toEqual([]);
  }

  #check(check: () => void): void {
    try {
      check();
    } catch (error) {
      this.#violation ??= error as Error;
    }
  }

  #inSlot(): Known[] {
    return this.#jobs.filter(({ job }) => job.isInSlot);
  }

  #isOpen({ job, isRefused }: Known): boolean {
    return !job.isDone && !isRefused;
  }

  #isEntrant(known: Known): boolean {
    return this.#isOpen(known) && !known.job.isInside;
  }

  #isWaiting({ job, wantsSlot }: Known): boolean {
    return job.isInside && wantsSlot && !job.place?.givenUp.aborted;
  }
}

function pick<T>(items: readonly T[], which: number): T | undefined {
  return items[which % Math.max(1, items.length)];
}

test('whatever happens, the bounds hold, nobody waits without a reason, and nothing is left behind', async () => {
  const endpoints = fc.array(fc.record({ limits, concurrency }), { minLength: 1, maxLength: 3 });
  const steps = fc.array(step, { maxLength: 120, size: 'max' });
  await fc.assert(
    fc.asyncProperty(total, endpoints, steps, async (totalBytes, initial, taken) => {
      const world = new World(totalBytes);
      for (const endpoint of initial) world.add(endpoint.limits, endpoint.concurrency);
      for (const each of taken) await world.take(each);
      await world.finish();
    }),
    { numRuns: 200 },
  );
});
