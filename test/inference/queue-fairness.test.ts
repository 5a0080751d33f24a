import { ByteBudget } from '../../src/inference/byte-budget.ts';
import { FrameQueue, type Place, type QueueLimits } from '../../src/inference/queue.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { Random } from '../support/random.ts';
import { never, turn } from './queue-jobs.ts';

const QUIET_STREAMS = 20;
const NOISY_TIMES = 50;
const INTERVAL_MILLIS = 1_000;
const TICK_MILLIS = 10;
const SLOTS = 2;
const SECONDS = 20;
/** When the quiet streams end, so that all of their frames are served. */
const LAST_SECONDS = 16;

interface Load {
  readonly serviceMillis: number;
  /** When a quiet stream's next frame comes after its last. */
  readonly nextInterval: (random: Random) => number;
}

const LOADS: Record<string, Load> = {
  /** Cameras that were started together. */
  'at the same moment': { serviceMillis: 80, nextInterval: () => INTERVAL_MILLIS },
  'at about the same moment': {
    serviceMillis: 80,
    nextInterval: (random) => INTERVAL_MILLIS + random.between(-20, 20),
  },
};

/** @returns how long the frames of the quiet streams waited, from submission to slot, in the median */
async function medianWait(limits: QueueLimits, load: Load, isNoisy: boolean) {
  const clock = new ManualClock();
  const random = new Random(1);
  const queue = new FrameQueue({ limits, concurrency: SLOTS, budget: new ByteBudget(1e6).share() });
  const waits: number[] = [];
  let noisyServed = 0;
  const submit = (streamName: string, isQuiet: boolean) => {
    const submittedAt = clock.monotonic();
    const run = async (place: Place) => {
      const work = async () => {
        if (isQuiet) waits.push(clock.monotonic() - submittedAt);
        else noisyServed += 1;
        await clock.sleep(load.serviceMillis);
      };
      await place.inSlot(work).catch(() => undefined);
    };
    void queue.enter({ streamName, bytes: 1, draining: never, run }, never);
  };
  const quiet = Array.from({ length: QUIET_STREAMS }, (_, index) => ({
    name: `quiet ${index}`,
    next: 1_000,
  }));
  let noisyFrames = 0;
  while (clock.monotonic() < SECONDS * 1_000) {
    const now = clock.monotonic();
    while (isNoisy && noisyFrames * (INTERVAL_MILLIS / NOISY_TIMES) <= now) {
      noisyFrames += 1;
      submit('noisy', false);
    }
    for (const stream of quiet) {
      while (stream.next <= now && stream.next < LAST_SECONDS * 1_000) {
        stream.next += load.nextInterval(random);
        submit(stream.name, true);
      }
    }
    await turn();
    await clock.pass(TICK_MILLIS);
  }
  waits.sort((a, b) => a - b);
  return { median: waits[Math.floor(waits.length / 2)] ?? 0, served: waits.length, noisyServed };
}

const cases = Object.keys(LOADS).flatMap((load) =>
  (['block', 'dropOldest'] as const).flatMap((policy) =>
    [30, 1_000].map((size) => [load, policy, size] as const),
  ),
);

test.each(cases)(
  'a stream at 50 times the rate makes the others wait hardly longer, whose frames come %s (%s, %i places)',
  async (name, fullPolicy, size) => {
    const limits = { size, maxWaitingPerStream: 0, fullPolicy };
    const load = LOADS[name];
    if (load === undefined) throw new Error(name);
    const before = await medianWait(limits, load, false);
    const after = await medianWait(limits, load, true);
    // A queue that is not fair has them wait for the noisy stream's frames, 30 of which take 1,200 ms.
    expect(before.median).toBeGreaterThan(3 * load.serviceMillis);
    expect(after.median).toBeLessThanOrEqual(1.5 * before.median);
    expect(after.served).toBe(before.served);
    // It is not shut out either.
    expect(after.noisyServed).toBeGreaterThan(SECONDS);
  },
);

test.each(['block', 'dropOldest'] as const)(
  'where the others hardly wait, at any moment, they wait two calls longer at most (%s)',
  async (fullPolicy) => {
    const limits = { size: 1_000, maxWaitingPerStream: 0, fullPolicy };
    const load = { serviceMillis: 90, nextInterval: (random: Random) => random.exponential(INTERVAL_MILLIS) };
    const before = await medianWait(limits, load, false);
    const after = await medianWait(limits, load, true);
    expect(before.median).toBeGreaterThan(0);
    expect(after.median).toBeLessThanOrEqual(before.median + 2 * load.serviceMillis);
  },
);
