import { FairQueue } from '../../src/inference/fair-queue.ts';
import { Turns } from '../../src/inference/turns.ts';

/** @param tasks `stream:id`, with a `!` for one that is first */
function queueOf(tasks: string[]): FairQueue {
  const queue = new FairQueue();
  for (const task of tasks) enqueue(queue, task);
  return queue;
}

function enqueue(queue: FairQueue, task: string): void {
  const id = task.replace('!', '');
  const [streamName = ''] = id.split(':');
  queue.enqueue(async () => id, { id, streamName, first: task.endsWith('!') });
}

async function dequeue(queue: FairQueue, count = queue.size): Promise<unknown[]> {
  const taken: unknown[] = [];
  for (let index = 0; index < count; index += 1) taken.push(await queue.dequeue()?.());
  return taken;
}

test('streams take turns, and within a stream the order is kept', async () => {
  const queue = queueOf(['a:1', 'a:2', 'a:3', 'b:1', 'c:1', 'c:2']);
  expect(queue.size).toBe(6);
  expect(await dequeue(queue)).toEqual(['a:1', 'b:1', 'c:1', 'a:2', 'c:2', 'a:3']);
  expect([queue.size, queue.dequeue()]).toEqual([0, undefined]);
});

test('a stream that comes back is before those that have had a turn since', async () => {
  const queue = queueOf(['quiet:1', 'noisy:1', 'noisy:2', 'noisy:3', 'noisy:4']);
  expect(await dequeue(queue, 3)).toEqual(['quiet:1', 'noisy:1', 'noisy:2']);
  enqueue(queue, 'quiet:2');
  enqueue(queue, 'quiet:3');
  expect(await dequeue(queue)).toEqual(['quiet:2', 'noisy:3', 'quiet:3', 'noisy:4']);
});

test('what is first is before the others of its stream, in order, and not before other streams', async () => {
  const queue = queueOf(['a:1', 'a:2!', 'b:1', 'b:2', 'a:3!']);
  expect(await dequeue(queue)).toEqual(['a:2', 'b:1', 'a:3', 'b:2', 'a:1']);
});

test('tasks are removed by id', async () => {
  const queue = queueOf(['a:1', 'a:2!', 'b:1', 'c:1']);
  for (const id of ['a:2', 'b:1', 'b:1', 'unknown']) queue.remove(id);
  expect(queue.size).toBe(2);
  expect(await dequeue(queue)).toEqual(['a:1', 'c:1']);
});

test('tells its tasks, all or those of a stream', async () => {
  const queue = queueOf(['a:1', 'b:1', 'a:2!']);
  const ids = (options: { streamName?: string }) => Promise.all(queue.filter(options).map((run) => run()));
  expect(await ids({})).toEqual(['a:2', 'a:1', 'b:1']);
  expect(await ids({ streamName: 'b' })).toEqual(['b:1']);
  expect(await ids({ streamName: 'unknown' })).toEqual([]);
});

test('has no priorities', () => {
  expect(() => queueOf([]).setPriority()).toThrow('a fair queue has no priorities');
});

describe('turns', () => {
  test('are of nobody when there is nobody', () => {
    expect(new Turns().next([])).toBe(null);
  });

  test('go round when all want them', () => {
    const turns = new Turns();
    turns.take('c');
    turns.take('a');
    expect(take(turns, ['a', 'b', 'c', 'd'], 8).join('')).toBe('bdcabdca');
  });

  test('are for whoever had fewer of them of late', () => {
    const turns = new Turns();
    for (const streamName of ['seldom', 'often', 'often', 'often', 'seldom']) turns.take(streamName);
    expect(take(turns, ['often', 'seldom'], 3)).toEqual(['seldom', 'often', 'seldom']);
  });

  test('are not lost for long by having had all of them alone, nor saved up by having had none', () => {
    const turns = new Turns();
    const others = Array.from({ length: 20 }, (_, index) => `${index}`);
    take(turns, ['alone'], 5_000);
    const taken = take(turns, ['alone', ...others], 1_000);
    expect(taken.indexOf('alone')).toBeLessThan(210);
    expect(taken.slice(-210).filter((streamName) => streamName === 'alone')).toHaveLength(10);
  });

  test('that are long ago are forgotten', () => {
    const turns = new Turns();
    turns.take('before');
    expect(turns.next(['before', 'new'])).toBe('new');
    take(turns, ['other'], 1_000);
    expect(turns.next(['before', 'new'])).toBe('before');
  });
});

function take(turns: Turns, streamNames: string[], count: number): string[] {
  return Array.from({ length: count }, () => {
    const next = turns.next(streamNames) ?? '';
    turns.take(next);
    return next;
  });
}
