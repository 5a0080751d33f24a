import { getEventListeners } from 'node:events';
import { ByteBudget } from '../../src/inference/byte-budget.ts';
import { FrameQueue, type Place } from '../../src/inference/queue.ts';
import { HeldJob, never, queueOf, turn } from './queue-jobs.ts';

async function offer(queue: FrameQueue, jobs: readonly HeldJob[]): Promise<void> {
  for (const job of jobs) void queue.enter(job, never);
  await turn();
}

const inside = (jobs: readonly HeldJob[]) => jobs.map(({ isInside }) => isInside);
const slots = (jobs: readonly HeldJob[]) => jobs.map((job) => job.slots);

test('never holds more than its size, and lets the longest waiting in first', async () => {
  const queue = queueOf({ size: 3 }, 2);
  const jobs = Array.from({ length: 6 }, () => new HeldJob());
  await offer(queue, jobs);
  expect(inside(jobs)).toEqual([true, true, true, false, false, false]);
  expect(slots(jobs)).toEqual([[0], [1], [], [], [], []]);
  expect([queue.depth, queue.bytes, queue.waiting]).toEqual([3, 3, 1]);
  jobs[1]?.letGo();
  await turn();
  expect(inside(jobs)).toEqual([true, false, true, true, false, false]);
  expect(slots(jobs)).toEqual([[0], [1], [1], [], [], []]);
  while (queue.depth > 0) {
    for (const job of jobs) job.letGo();
    await turn();
  }
  expect(jobs.every(({ isDone }) => isDone)).toBe(true);
});

test('a job counts until all of it is done, also what needs no slot', async () => {
  const queue = queueOf({ size: 1 });
  const [first, next] = [new HeldJob({ staysAfterwards: true }), new HeldJob()];
  await offer(queue, [first, next]);
  first.letGo();
  await turn();
  expect([queue.depth, queue.waiting, ...inside([first, next])]).toEqual([1, 0, true, false]);
  first.finish();
  await turn();
  expect([queue.depth, ...inside([first, next])]).toEqual([1, false, true]);
});

test('an error in a slot is for the job to handle, and the slot is free again', async () => {
  const queue = queueOf({ size: 2 });
  const errors: unknown[] = [];
  const run = async (place: Place) => {
    const fail = async (slot: number) => {
      throw new Error(`in slot ${slot}`);
    };
    await place.inSlot(fail).catch((error: Error) => errors.push(error.message));
  };
  const job = { streamName: 'stream', bytes: 1, draining: never, run };
  for (let index = 0; index < 3; index += 1) await queue.enter(job, never);
  await queue.onIdle();
  expect(errors).toEqual(['in slot 0', 'in slot 0', 'in slot 0']);
});

test('what the work returns is what the job gets', async () => {
  const queue = queueOf();
  const answer = await new Promise((resolve) => {
    const run = async (place: Place) => resolve(await place.inSlot(async (slot) => `of slot ${slot}`));
    void queue.enter({ streamName: 'stream', bytes: 1, draining: never, run }, never);
  });
  expect(answer).toBe('of slot 0');
});

test.each(['its own', "the job's"])('whoever gives up waiting by %s signal takes no place', async (whose) => {
  const queue = queueOf({ size: 1 });
  const running = new HeldJob();
  await queue.enter(running, never);
  const controller = new AbortController();
  const { signal } = controller;
  const drained = new HeldJob({ draining: signal });
  const given = whose === 'its own' ? queue.enter(new HeldJob(), signal) : queue.enter(drained, never);
  const reason = new Error('given up');
  controller.abort(reason);
  await expect(given).rejects.toBe(reason);
  await expect(queue.enter(drained, never)).rejects.toBe(reason);
  await expect(queue.enter(new HeldJob(), signal)).rejects.toBe(reason);
  running.letGo();
  await queue.onIdle();
  expect(queue.depth).toBe(0);
});

test('whoever waited behind one that gives up is let in', async () => {
  const queue = queueOf({ size: 10 }, 1, 100);
  const controller = new AbortController();
  const [running, large, small] = [60, 50, 30].map((bytes) => new HeldJob({ bytes }));
  if (running === undefined || large === undefined || small === undefined) throw new Error();
  await queue.enter(running, never);
  const given = queue.enter(large, controller.signal).catch(() => undefined);
  await offer(queue, [small]);
  expect(small.isInside).toBe(false);
  controller.abort();
  await given;
  expect(small.isInside).toBe(true);
});

describe('between streams', () => {
  test('places and slots go round', async () => {
    const queue = queueOf({ size: 4 });
    const noisy = Array.from({ length: 8 }, () => new HeldJob({ streamName: 'noisy' }));
    await offer(queue, noisy);
    const quiet = ['a', 'b'].map((streamName) => new HeldJob({ streamName }));
    await offer(queue, quiet);
    noisy[0]?.letGo();
    await turn();
    expect(inside(quiet)).toEqual([true, false]);
    expect(slots(noisy.slice(0, 3))).toEqual([[0], [0], []]);
    noisy[1]?.letGo();
    await turn();
    expect(inside(quiet)).toEqual([true, true]);
    expect(slots(quiet)).toEqual([[0], []]);
    quiet[0]?.letGo();
    await turn();
    expect(slots(quiet)).toEqual([[0], [0]]);
    expect(noisy.filter(({ isInside }) => isInside)).toHaveLength(3);
  });

  test('the readers of a stream with enough waiting frames wait, and those of the others do not', async () => {
    const queue = queueOf({ maxWaitingPerStream: 2 });
    const [noisy, quiet] = ['noisy', 'quiet'].map((streamName) =>
      Array.from({ length: 5 }, () => new HeldJob({ streamName })),
    );
    if (noisy === undefined || quiet === undefined) throw new Error();
    await offer(queue, noisy);
    await offer(queue, quiet);
    expect(inside(noisy)).toEqual([true, true, true, false, false]);
    expect(inside(quiet)).toEqual([true, true, false, false, false]);
    noisy[0]?.letGo();
    await turn();
    expect(slots(quiet)[0]).toEqual([0]);
    expect(inside(noisy)).toEqual([false, true, true, false, false]);
    expect(inside(quiet)).toEqual([true, true, true, false, false]);
    queue.configure({ size: 10, maxWaitingPerStream: 0, fullPolicy: 'block' });
    expect(inside(noisy)).toEqual([false, true, true, true, true]);
  });
});

describe('another attempt', () => {
  test('is before the frames of its own stream, not before those of others', async () => {
    const queue = queueOf();
    const [failing, next] = [new HeldJob(), new HeldJob()];
    const other = new HeldJob({ streamName: 'other' });
    await offer(queue, [failing, next, other]);
    failing.fail({ first: true });
    await turn();
    expect(slots([failing, next, other])).toEqual([[0], [], [0]]);
    other.letGo();
    await turn();
    expect(slots([failing, next])).toEqual([[0, 0], []]);
    failing.fail();
    await turn();
    expect(slots([failing, next])).toEqual([[0, 0], [0]]);
  });

  test('comes after its delay, in which others have the slot', async () => {
    const queue = queueOf();
    const [failing, next] = [new HeldJob(), new HeldJob()];
    await offer(queue, [failing, next]);
    let endDelay = () => {};
    const delay = () =>
      new Promise<void>((resolve) => {
        endDelay = resolve;
      });
    failing.fail({ first: true, delay });
    await turn();
    expect(slots([failing, next])).toEqual([[0], [0]]);
    expect(queue.waiting).toBe(1);
    next.letGo();
    await turn();
    expect(slots([failing])).toEqual([[0]]);
    endDelay();
    await turn();
    expect(slots([failing])).toEqual([[0, 0]]);
  });

  test('is none when its delay fails', async () => {
    const queue = queueOf();
    const failure = new Error('no clock');
    const run = async (place: Place) => {
      const delay = () => Promise.reject(failure);
      await expect(place.inSlot(async () => 'unseen', { delay })).rejects.toBe(failure);
      expect(queue.waiting).toBe(0);
    };
    await queue.enter({ streamName: 'stream', bytes: 1, draining: never, run }, never);
    await queue.onIdle();
    expect.assertions(2);
  });
});

describe('while it runs', () => {
  test('the slots become fewer and more', async () => {
    const queue = queueOf({}, 3);
    const jobs = Array.from({ length: 6 }, () => new HeldJob());
    await offer(queue, jobs);
    queue.concurrency = 1;
    jobs[0]?.letGo();
    jobs[2]?.letGo();
    await turn();
    expect(slots(jobs)).toEqual([[0], [1], [2], [], [], []]);
    jobs[1]?.letGo();
    await turn();
    expect(slots(jobs)).toEqual([[0], [1], [2], [0], [], []]);
    queue.concurrency = 4;
    expect(slots(jobs)).toEqual([[0], [1], [2], [0], [1], [2]]);
  });

  test('nobody gets a slot during a pause, and whoever has one keeps it', async () => {
    const queue = queueOf({}, 2);
    const jobs = Array.from({ length: 4 }, () => new HeldJob());
    await offer(queue, jobs.slice(0, 3));
    queue.pause();
    jobs[0]?.letGo();
    await offer(queue, jobs.slice(3));
    expect([jobs[0]?.isDone, ...jobs.map(({ isInSlot }) => isInSlot)]).toEqual([
      true,
      false,
      true,
      false,
      false,
    ]);
    jobs[1]?.letGo();
    await turn();
    expect([jobs[1]?.isDone, queue.waiting]).toEqual([true, 2]);
    queue.resume();
    expect(jobs.map(({ isInSlot }) => isInSlot)).toEqual([false, false, true, true]);
  });

  test('the size becomes larger at once, and smaller without putting anybody out', async () => {
    const queue = queueOf({ size: 2 });
    const jobs = Array.from({ length: 6 }, () => new HeldJob());
    await offer(queue, jobs);
    queue.configure({ size: 4, maxWaitingPerStream: 0, fullPolicy: 'block' });
    expect(queue.depth).toBe(4);
    queue.configure({ size: 2, maxWaitingPerStream: 0, fullPolicy: 'block' });
    jobs[0]?.letGo();
    await turn();
    jobs[1]?.letGo();
    await turn();
    expect([queue.depth, jobs.filter(({ givenUp }) => givenUp !== null)]).toEqual([2, []]);
    jobs[2]?.letGo();
    await turn();
    expect(inside(jobs)).toEqual([false, false, false, true, true, false]);
  });
});

describe('bytes', () => {
  test('are a bound like the frames, and a large frame is not overtaken for ever', async () => {
    const queue = queueOf({}, 2, 100);
    const jobs = [40, 40, 30, 10, 10].map((bytes, index) => new HeldJob({ bytes, streamName: `${index}` }));
    await offer(queue, jobs);
    expect(inside(jobs)).toEqual([true, true, false, false, false]);
    jobs[0]?.letGo();
    await turn();
    expect(inside(jobs)).toEqual([false, true, true, true, true]);
    expect(queue.bytes).toBe(90);
  });

  test('a frame that is larger than all of them gets in alone', async () => {
    const queue = queueOf({}, 2, 100);
    const jobs = [60, 500, 10].map((bytes) => new HeldJob({ bytes }));
    await offer(queue, jobs);
    expect(inside(jobs)).toEqual([true, false, false]);
    jobs[0]?.letGo();
    await turn();
    expect(inside(jobs)).toEqual([false, true, false]);
    jobs[1]?.letGo();
    await turn();
    expect(inside(jobs)).toEqual([false, false, true]);
  });

  test('of an endpoint that hangs do not stop another', async () => {
    const budget = new ByteBudget(100);
    const limits = { size: 10, maxWaitingPerStream: 0, fullPolicy: 'block' } as const;
    const [hung, well] = [1, 2].map(() => new FrameQueue({ limits, concurrency: 1, budget: budget.share() }));
    if (hung === undefined || well === undefined) throw new Error();
    await offer(
      hung,
      Array.from({ length: 10 }, () => new HeldJob({ bytes: 20 })),
    );
    expect(hung.bytes).toBe(40);
    hung.pause();
    for (let count = 0; count < 3; count += 1) {
      const jobs = [50, 45].map((bytes) => new HeldJob({ bytes }));
      await offer(well, jobs);
      expect(inside(jobs)).toEqual([true, false]);
      jobs[0]?.letGo();
      await turn();
      expect(inside(jobs)).toEqual([false, true]);
      jobs[1]?.letGo();
      await well.onIdle();
    }
  });

  test('are not kept for who waits for a place', async () => {
    const budget = new ByteBudget(100);
    const limits = { size: 1, maxWaitingPerStream: 0, fullPolicy: 'block' } as const;
    const [full, other] = [1, 2].map(
      () => new FrameQueue({ limits, concurrency: 1, budget: budget.share() }),
    );
    if (full === undefined || other === undefined) throw new Error();
    const [empty, large, small] = [0, 95, 20].map((bytes) => new HeldJob({ bytes }));
    if (empty === undefined || large === undefined || small === undefined) throw new Error();
    await offer(full, [empty, large]);
    await offer(other, [small]);
    expect(inside([empty, large, small])).toEqual([true, false, true]);
  });

  test('that cannot come while another endpoint is down do not stop the smaller frames', async () => {
    const budget = new ByteBudget(100);
    const limits = { size: 10, maxWaitingPerStream: 0, fullPolicy: 'block' } as const;
    const [down, well] = [1, 2].map(() => new FrameQueue({ limits, concurrency: 1, budget: budget.share() }));
    if (down === undefined || well === undefined) throw new Error();
    const waiting = new HeldJob({ bytes: 40 });
    down.pause();
    await offer(down, [waiting]);
    const large = new HeldJob({ bytes: 70, streamName: 'large' });
    const small = Array.from({ length: 3 }, () => new HeldJob({ bytes: 25 }));
    await offer(well, [large, ...small]);
    expect(inside([large, ...small])).toEqual([false, true, true, false]);
    // Once it is up again, the large one's turn comes before that of smaller ones.
    down.resume();
    small[0]?.letGo();
    await turn();
    waiting.letGo();
    small[1]?.letGo();
    await turn();
    expect(inside([large, ...small])).toEqual([true, false, false, false]);
    expect(budget.held).toBe(70);
  });
});

describe('draining', () => {
  test('drops what waits for a slot at once: its place is free for others', async () => {
    const queue = queueOf({ size: 4 });
    const controller = new AbortController();
    const draining = controller.signal;
    const running = new HeldJob({ draining });
    const waiting = [new HeldJob({ draining }), new HeldJob(), new HeldJob({ draining })];
    const next = new HeldJob();
    await offer(queue, [running, ...waiting, next]);
    controller.abort();
    expect(running.place?.givenUp.aborted).toBe(false);
    await turn();
    expect(inside([running, ...waiting, next])).toEqual([true, false, true, false, true]);
    expect(waiting.map(({ givenUp }) => givenUp)).toEqual(['DRAINING', null, 'DRAINING']);
    running.letGo();
    await turn();
    expect([running.givenUp, running.isDone, waiting[1]?.slots]).toEqual([null, true, [0]]);
  });

  test('is seen by a job in a slot when it wants another', async () => {
    const queue = queueOf();
    const controller = new AbortController();
    const [running, next] = [new HeldJob({ draining: controller.signal }), new HeldJob()];
    await offer(queue, [running, next]);
    controller.abort();
    await turn();
    expect(slots([running, next])).toEqual([[0], []]);
    running.fail();
    await turn();
    expect([running.givenUp, running.place?.givenUp.aborted]).toEqual(['DRAINING', true]);
    expect(slots([running, next])).toEqual([[0], [0]]);
  });

  test('ends the delay before another attempt', async () => {
    const queue = queueOf();
    const controller = new AbortController();
    const job = new HeldJob({ draining: controller.signal });
    await offer(queue, [job]);
    const delay = (signal: AbortSignal) =>
      new Promise<void>((_, reject) => signal.addEventListener('abort', () => reject(new Error('aborted'))));
    job.fail({ delay });
    await turn();
    controller.abort();
    await queue.onIdle();
    expect([job.givenUp, slots([job])]).toEqual(['DRAINING', [[0]]]);
  });

  test('at whatever moment it comes, a job is refused, or given up, or has its slot', async () => {
    const outcomes = new Set<string>();
    for (let moment = 0; moment < 20; moment += 1) {
      const queue = queueOf({ size: 1 });
      const controller = new AbortController();
      const run = async (place: Place) => {
        for (let index = 0; index < 3; index += 1) await Promise.resolve();
        await second.run(place);
      };
      const [first, second] = [new HeldJob(), new HeldJob({ draining: controller.signal })];
      await queue.enter(first, never);
      let isRefused = false;
      const entered = queue
        .enter({ streamName: 'stream', bytes: 1, draining: controller.signal, run }, never)
        .catch(() => {
          isRefused = true;
        });
      first.letGo();
      for (let index = 0; index < moment; index += 1) await Promise.resolve();
      const hasSlot = second.slots.length > 0;
      controller.abort();
      await entered;
      second.letGo();
      await queue.onIdle();
      expect([isRefused, second.givenUp !== null, hasSlot].filter(Boolean)).toHaveLength(1);
      expect(second.slots).toHaveLength(hasSlot ? 1 : 0);
      outcomes.add(isRefused ? 'refused' : hasSlot ? 'in its slot' : 'given up');
    }
    expect([...outcomes]).toEqual(['refused', 'given up', 'in its slot']);
  });

  test('thousands of jobs share a signal and leave no listener', async () => {
    const queue = queueOf({ size: 3000 }, 10, 10_000);
    const { signal } = new AbortController();
    const controller = new AbortController();
    const jobs = Array.from(
      { length: 4000 },
      (_, index) => new HeldJob({ draining: index < 2000 ? signal : controller.signal }),
    );
    const entered = jobs.map((job) => queue.enter(job, signal).catch(() => undefined));
    await turn();
    controller.abort();
    while (queue.depth > 0) {
      for (const job of jobs) job.letGo();
      await turn();
    }
    await Promise.all(entered);
    expect(getEventListeners(signal, 'abort')).toEqual([]);
    expect(getEventListeners(controller.signal, 'abort')).toEqual([]);
    expect(jobs.filter((job) => job.slots.length > 0)).toHaveLength(2000);
  });
});

describe('dropOldest', () => {
  const fullPolicy = 'dropOldest';
  const givenUp = (jobs: readonly HeldJob[]) => jobs.map((job) => job.givenUp);

  test("drops the stream's oldest waiting frame when the queue is full", async () => {
    const queue = queueOf({ size: 4, fullPolicy });
    const other = new HeldJob({ streamName: 'other' });
    const jobs = Array.from({ length: 5 }, () => new HeldJob());
    await offer(queue, [other, ...jobs]);
    expect(other.isInSlot).toBe(true);
    expect(givenUp(jobs)).toEqual(['DROPPED', 'DROPPED', null, null, null]);
    expect(queue.depth).toBe(4);
  });

  test('drops the oldest of the stream with most waiting frames when its own has none', async () => {
    const queue = queueOf({ size: 5, fullPolicy });
    const [a, b, c] = ['a', 'b', 'c'].map((streamName) =>
      Array.from({ length: 4 }, () => new HeldJob({ streamName })),
    );
    if (a === undefined || b === undefined || c === undefined) throw new Error();
    await offer(queue, [...a.slice(0, 2), ...b.slice(0, 3)]);
    await offer(queue, c.slice(0, 1));
    expect([givenUp(a.slice(0, 2)), givenUp(b.slice(0, 3))]).toEqual([
      [null, null],
      ['DROPPED', null, null],
    ]);
    expect(c[0]?.isInside).toBe(true);
  });

  test('drops as many as a large frame needs, and none if that would not do', async () => {
    const queue = queueOf({ size: 10, fullPolicy }, 1, 100);
    const jobs = [30, 20, 20, 20].map((bytes) => new HeldJob({ bytes }));
    await offer(queue, jobs);
    const large = new HeldJob({ bytes: 50 });
    await offer(queue, [large]);
    expect(givenUp(jobs)).toEqual([null, 'DROPPED', 'DROPPED', null]);
    expect([large.isInside, queue.bytes]).toEqual([true, 100]);
    const larger = new HeldJob({ bytes: 90 });
    await offer(queue, [larger]);
    expect([larger.isInside, jobs[3]?.givenUp, large.givenUp]).toEqual([false, null, null]);
    jobs[0]?.letGo();
    await turn();
    expect([jobs[3]?.isInSlot, larger.isInside, large.givenUp]).toEqual([true, false, null]);
    jobs[3]?.letGo();
    await turn();
    large.letGo();
    await turn();
    expect(larger.isInSlot).toBe(true);
  });

  test('waits while all are in slots, or have had theirs; one that wants another can go', async () => {
    const queue = queueOf({ size: 2, fullPolicy }, 2);
    const [stays, fails, next] = [new HeldJob({ staysAfterwards: true }), new HeldJob(), new HeldJob()];
    await offer(queue, [stays, fails]);
    stays.letGo();
    await offer(queue, [next]);
    expect(next.isInside).toBe(false);
    fails.fail({ delay: () => new Promise((resolve) => setImmediate(resolve)) });
    await turn();
    await turn();
    expect([fails.givenUp, next.isInSlot, stays.isInside, queue.depth]).toEqual(['DROPPED', true, true, 2]);
  });

  test('drops for a newer frame although there is a pause', async () => {
    const queue = queueOf({ size: 2, fullPolicy });
    queue.pause();
    const jobs = Array.from({ length: 4 }, () => new HeldJob());
    await offer(queue, jobs);
    expect(givenUp(jobs)).toEqual(['DROPPED', 'DROPPED', null, null]);
  });

  test('keeps the newest frames of each stream', async () => {
    const queue = queueOf({ maxWaitingPerStream: 2, fullPolicy });
    const jobs = Array.from({ length: 5 }, () => new HeldJob());
    const other = new HeldJob({ streamName: 'other' });
    await offer(queue, [...jobs, other]);
    expect(givenUp(jobs)).toEqual([null, 'DROPPED', 'DROPPED', null, null]);
    expect(other.givenUp).toBe(null);
    // Another attempt is for an older frame.
    jobs[0]?.fail({ first: true });
    await turn();
    expect([jobs[0]?.givenUp, slots([other])]).toEqual(['DROPPED', [[0]]]);
    queue.configure({ size: 10, maxWaitingPerStream: 1, fullPolicy });
    await turn();
    expect(givenUp(jobs)).toEqual(['DROPPED', 'DROPPED', 'DROPPED', 'DROPPED', null]);
  });
});
