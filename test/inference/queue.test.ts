import { getEventListeners } from 'node:events';
import { FrameQueue, type InSlot } from '../../src/inference/queue.ts';

const never = new AbortController().signal;

/** A job that holds its slot until it is let go. */
function job(draining = never) {
  let letGo = () => {};
  const held = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  const slots: number[] = [];
  const observed = { slots, wasDropped: false, letGo: () => letGo() };
  const run = async (inSlot: InSlot) => {
    const result = await inSlot(async (slot) => {
      slots.push(slot);
      await held;
      return observed;
    });
    observed.wasDropped = result === null;
  };
  return Object.assign(observed, { draining, run });
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

test('never holds more than its size, and lets the longest waiting in first', async () => {
  const queue = new FrameQueue({ size: 3, concurrency: 2 });
  const jobs = Array.from({ length: 6 }, () => job());
  const entered: number[] = [];
  jobs.forEach((entry, index) => void queue.enter(entry, never).then(() => entered.push(index)));
  await turn();
  expect(entered).toEqual([0, 1, 2]);
  expect(queue.depth).toBe(3);
  expect(jobs.map(({ slots }) => slots.length)).toEqual([1, 1, 0, 0, 0, 0]);
  jobs[1]?.letGo();
  await turn();
  expect(entered).toEqual([0, 1, 2, 3]);
  expect(queue.depth).toBe(3);
  for (const entry of jobs) entry.letGo();
  await queue.onIdle();
  expect(entered).toEqual([0, 1, 2, 3, 4, 5]);
  expect(queue.depth).toBe(0);
});

test('numbers its slots from 0 and gives a free one again', async () => {
  const queue = new FrameQueue({ size: 10, concurrency: 2 });
  const [first, second, third] = [job(), job(), job()];
  for (const entry of [first, second, third]) await queue.enter(entry, never);
  await turn();
  first.letGo();
  await turn();
  expect([first.slots, second.slots, third.slots]).toEqual([[0], [1], [0]]);
});

test('a job counts until all of it is done, also what needs no slot', async () => {
  const queue = new FrameQueue({ size: 1, concurrency: 1 });
  let finish = () => {};
  const run = async (inSlot: InSlot) => {
    await inSlot(async () => ({}));
    await new Promise<void>((resolve) => {
      finish = resolve;
    });
  };
  await queue.enter({ draining: never, run }, never);
  let isIn = false;
  const next = queue.enter({ draining: never, run: async () => undefined }, never).then(() => {
    isIn = true;
  });
  await turn();
  expect(isIn).toBe(false);
  finish();
  await next;
});

test('an error in a slot is the job to handle, and the slot is free again', async () => {
  const queue = new FrameQueue({ size: 2, concurrency: 1 });
  const errors: unknown[] = [];
  const run = async (inSlot: InSlot) => {
    const work = async (slot: number) => {
      throw new Error(`in slot ${slot}`);
    };
    await inSlot(work).catch((error: Error) => errors.push(error.message));
  };
  for (let index = 0; index < 2; index += 1) await queue.enter({ draining: never, run }, never);
  await queue.onIdle();
  expect(errors).toEqual(['in slot 0', 'in slot 0']);
});

test.each(['its own', "the job's"])('whoever gives up waiting by %s signal takes no place', async (whose) => {
  const queue = new FrameQueue({ size: 1, concurrency: 1 });
  const running = job();
  await queue.enter(running, never);
  const controller = new AbortController();
  const { signal } = controller;
  const given = whose === 'its own' ? queue.enter(job(), signal) : queue.enter(job(signal), never);
  const reason = new Error('given up');
  controller.abort(reason);
  await expect(given).rejects.toBe(reason);
  await expect(queue.enter(job(signal), never)).rejects.toBe(reason);
  running.letGo();
  await queue.onIdle();
  expect(queue.depth).toBe(0);
});

describe('draining', () => {
  test('drops what waits for a slot at once: its place is free for others', async () => {
    const queue = new FrameQueue({ size: 4, concurrency: 1 });
    const controller = new AbortController();
    const running = job(controller.signal);
    const waiting = [job(controller.signal), job(), job(controller.signal)];
    for (const entry of [running, ...waiting]) await queue.enter(entry, never);
    const next = job();
    const entered = queue.enter(next, never);
    controller.abort();
    await entered;
    await turn();
    expect(queue.depth).toBe(3);
    expect(waiting.map(({ wasDropped }) => wasDropped)).toEqual([true, false, true]);
    for (const entry of [running, ...waiting, next]) entry.letGo();
    await queue.onIdle();
    expect(waiting.map(({ slots }) => slots.length)).toEqual([0, 1, 0]);
    expect([running.wasDropped, next.slots]).toEqual([false, [0]]);
  });

  test('leaves a job its slot, which nobody else gets before it is done', async () => {
    const queue = new FrameQueue({ size: 4, concurrency: 1 });
    const controller = new AbortController();
    const [running, next] = [job(controller.signal), job()];
    for (const entry of [running, next]) await queue.enter(entry, never);
    await turn();
    controller.abort();
    await turn();
    expect([running.slots, next.slots]).toEqual([[0], []]);
    running.letGo();
    await turn();
    expect([running.wasDropped, next.slots]).toEqual([false, [0]]);
    next.letGo();
    await queue.onIdle();
  });

  test('at whatever moment it comes, a job is refused, or dropped, or has its slot', async () => {
    const outcomes = new Set<string>();
    for (let moment = 0; moment < 20; moment += 1) {
      const queue = new FrameQueue({ size: 1, concurrency: 1 });
      const controller = new AbortController();
      const [first, second] = [job(), job(controller.signal)];
      await queue.enter(first, never);
      let isRefused = false;
      const entered = queue.enter(second, never).catch(() => {
        isRefused = true;
      });
      first.letGo();
      for (let index = 0; index < moment; index += 1) await Promise.resolve();
      const hasSlot = second.slots.length > 0;
      controller.abort();
      await entered;
      second.letGo();
      await queue.onIdle();
      expect([isRefused, second.wasDropped, hasSlot].filter(Boolean)).toHaveLength(1);
      expect(second.slots).toHaveLength(hasSlot ? 1 : 0);
      outcomes.add(isRefused ? 'refused' : hasSlot ? 'in its slot' : 'dropped');
    }
    expect([...outcomes]).toEqual(['refused', 'dropped', 'in its slot']);
  });

  test('thousands of jobs share a signal and leave no listener', async () => {
    const queue = new FrameQueue({ size: 3000, concurrency: 10 });
    const { signal } = new AbortController();
    const controller = new AbortController();
    const jobs = Array.from({ length: 4000 }, (_, index) => job(index < 2000 ? signal : controller.signal));
    const entered = jobs.map((entry) => queue.enter(entry, signal).catch(() => undefined));
    await turn();
    controller.abort();
    for (const entry of jobs) entry.letGo();
    await Promise.all(entered);
    await queue.onIdle();
    expect(getEventListeners(signal, 'abort')).toEqual([]);
    expect(getEventListeners(controller.signal, 'abort')).toEqual([]);
    expect(jobs.filter(({ slots }) => slots.length > 0)).toHaveLength(2000);
  });
});
