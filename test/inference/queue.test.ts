import { FrameQueue } from '../../src/inference/queue.ts';

const never = new AbortController().signal;

/** A job that holds its slot until it is let go. */
function job() {
  let letGo = () => {};
  const held = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  const slots: number[] = [];
  return {
    slots,
    letGo: () => letGo(),
    inSlot: async (slot: number) => {
      slots.push(slot);
      await held;
    },
    after: async () => undefined,
  };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

test('never holds more than its size, and lets the longest waiting in first', async () => {
  const queue = new FrameQueue({ size: 3, concurrency: 2 });
  const jobs = Array.from({ length: 6 }, job);
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

test('a job counts until its second part is done, which holds no slot', async () => {
  const queue = new FrameQueue({ size: 1, concurrency: 1 });
  let finish = () => {};
  const after = () =>
    new Promise<void>((resolve) => {
      finish = resolve;
    });
  await queue.enter({ inSlot: async () => undefined, after }, never);
  let isIn = false;
  const next = queue
    .enter({ inSlot: async () => undefined, after: async () => undefined }, never)
    .then(() => {
      isIn = true;
    });
  await turn();
  expect(isIn).toBe(false);
  finish();
  await next;
});

test('whoever gives up waiting takes no place', async () => {
  const queue = new FrameQueue({ size: 1, concurrency: 1 });
  const running = job();
  await queue.enter(running, never);
  const controller = new AbortController();
  const given = queue.enter(job(), controller.signal);
  controller.abort();
  await expect(given).rejects.toMatchObject({ name: 'AbortError' });
  running.letGo();
  await queue.onIdle();
  expect(queue.depth).toBe(0);
});

test('clear drops what waits for a slot', async () => {
  const queue = new FrameQueue({ size: 5, concurrency: 1 });
  const jobs = [job(), job(), job()];
  for (const entry of jobs) await queue.enter(entry, never);
  await turn();
  queue.clear();
  expect(queue.depth).toBe(1);
  jobs[0]?.letGo();
  await queue.onIdle();
  expect(jobs.map(({ slots }) => slots.length)).toEqual([1, 0, 0]);
});
