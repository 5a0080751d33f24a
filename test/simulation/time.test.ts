import { getEventListeners } from 'node:events';
import { withTimeout } from '../../src/core/clock.ts';
import { Random } from '../support/random.ts';
import { EPOCH_MILLIS, VirtualTime } from './time.ts';

let time: VirtualTime;

beforeEach(() => {
  time = new VirtualTime();
});

describe('random numbers', () => {
  test('are the same for the same seed and others for another one', () => {
    const draw = (seed: number) => {
      const random = new Random(seed);
      return Array.from({ length: 100 }, () => random.float());
    };
    expect(draw(7)).toEqual(draw(7));
    expect(draw(7)).not.toEqual(draw(8));
  });

  test('spread as they should', () => {
    const random = new Random(1);
    const draw = <T>(next: () => T) => Array.from({ length: 20_000 }, next);
    const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
    expect(mean(draw(() => random.float()))).toBeCloseTo(0.5, 1);
    expect(mean(draw(() => random.exponential(10))) / 10).toBeCloseTo(1, 1);
    expect(mean(draw(() => Number(random.chance(0.2))))).toBeCloseTo(0.2, 1);
    expect(new Set(draw(() => random.integer(3, 5)))).toEqual(new Set([3, 4, 5]));
    expect(new Set(draw(() => random.pick(['a', 'b'])))).toEqual(new Set(['a', 'b']));
  });

  test('of a fork do not depend on what the other draws', () => {
    const [one, other] = [new Random(1), new Random(1)];
    const [fork, otherFork] = [one.fork(), other.fork()];
    one.float();
    expect(fork.float()).toBe(otherFork.float());
  });
});

describe('events', () => {
  test('come by time, and in the order they were made at one time', async () => {
    const random = new Random(3);
    const made = Array.from({ length: 2000 }, (_, index) => ({ at: random.integer(0, 300), index }));
    const ran: typeof made = [];
    for (const event of made) time.after(event.at, () => ran.push(event));
    await time.run(299);
    const expected = made
      .filter(({ at }) => at < 300)
      .sort((one, other) => one.at - other.at || one.index - other.index);
    expect(ran).toEqual(expected);
    expect(time.now).toBe(299);
    expect(time.eventCount).toBe(expected.length);
  });

  test('one that is called off does not come', async () => {
    let steps = 0;
    const scheduled = time.after(5, () => {
      throw new Error('called off');
    });
    time.after(1, () => scheduled.cancel());
    await time.run(10, () => {
      steps += 1;
    });
    expect(steps).toBe(1);
  });

  test('the next one comes when every chain of promises stands still', async () => {
    const log: string[] = [];
    async function* count() {
      for (let index = 0; index < 1000; index += 1) yield await Promise.resolve(index);
    }
    time.after(1, async () => {
      let sum = 0;
      for await (const index of count()) sum += index;
      await Promise.race([new Promise(() => undefined), Promise.all([null, Promise.resolve()])]);
      log.push(`sum ${sum}`);
    });
    time.after(1, () => log.push('next'));
    const steps: string[][] = [];
    await time.run(1, () => steps.push([...log]));
    expect(steps).toEqual([['sum 499500'], ['sum 499500', 'next']]);
  });

  test('what one throws, or the check after it, ends the run', async () => {
    time.after(1, () => {
      throw new Error('event');
    });
    time.after(2, () => undefined);
    await expect(time.run(5)).rejects.toThrow('event');
    const check = () => {
      throw new Error(`check at ${time.now}`);
    };
    await expect(time.run(5, check)).rejects.toThrow('check at 2');
  });
});

describe('machines', () => {
  test("a machine's clocks go at its rate, from its start on", async () => {
    await time.run(1000);
    const fast = time.machine({ id: 'fast', rate: 1.02, wallClockOffsetMillis: 5000 });
    const woken: number[] = [];
    fast.deliver(0, async () => {
      while (true) {
        await fast.sleep(1020);
        woken.push(time.now);
      }
    });
    await time.run(6500);
    expect(woken).toEqual([2000, 3000, 4000, 5000, 6000]);
    expect(fast.monotonic()).toBeCloseTo(5610);
    expect(fast.now()).toBe(EPOCH_MILLIS + 1000 + 5000 + 5610);
    fast.wallClockOffsetMillis = -1000;
    expect(fast.now()).toBe(EPOCH_MILLIS + 1000 - 1000 + 5610);
  });

  test('a sleep is of whole milliseconds, at least one, and never early by one or more', async () => {
    const machine = time.machine({ id: 'one', rate: 0.987 });
    const slept: number[] = [];
    machine.deliver(0.3, async () => {
      for (const millis of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, 0.4, 1.9, 100]) {
        const before = machine.monotonic();
        await machine.sleep(millis);
        slept.push(machine.monotonic() - before);
      }
    });
    await time.run(1000);
    expect(slept.slice(1)).toEqual([1, 1, 1, 1, 1, 100]);
    expect(slept[0]).toBeCloseTo(1 - 0.3 * 0.987);
  });

  test('a sleep ends with its signal; one that is over leaves no listener', async () => {
    const machine = time.machine({ id: 'one' });
    const controller = new AbortController();
    const log: unknown[] = [];
    machine.deliver(0, () => {
      machine.sleep(100, controller.signal).catch((error) => log.push(time.now, error));
    });
    machine.deliver(10, () => controller.abort());
    machine.deliver(0, () => machine.sleep(5, controller.signal));
    await time.run(9);
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(1);
    await time.run(200);
    expect(log).toMatchObject([10, { name: 'AbortError' }]);
    await expect(machine.sleep(1, controller.signal)).rejects.toMatchObject({ name: 'AbortError' });
  });

  test('a time limit works on it', async () => {
    const machine = time.machine({ id: 'one', rate: 2 });
    const log: unknown[] = [];
    machine.deliver(0, () => {
      const never = (signal: AbortSignal) =>
        new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
      withTimeout(machine, 100, new AbortController().signal, never).catch((error) =>
        log.push(time.now, error),
      );
    });
    await time.run(200);
    expect(log).toMatchObject([50, { code: 'TIMEOUT' }]);
  });

  test.each(['timer', 'answer'] as const)(
    'a paused one stands still while its clocks go on; then comes what was due, %ss first',
    async (first) => {
      const machine = time.machine({ id: 'one' });
      const log: Array<[string, number]> = [];
      const note = (what: string) => log.push([what, machine.monotonic()]);
      machine.deliver(0, () => {
        void machine.sleep(30).then(() => note('timer'));
        void machine.sleep(500).then(() => note('late timer'));
      });
      machine.deliver(40, () => note('answer'));
      const off = machine.deliver(50, () => note('called off while it was held'));
      time.after(20, () => machine.pause());
      time.after(60, () => off.cancel());
      time.after(100, () => machine.resume(first));
      await time.run(99);
      expect(log).toEqual([]);
      expect(machine.isPaused).toBe(true);
      await time.run(1000);
      const other = first === 'timer' ? 'answer' : 'timer';
      expect(log).toEqual([
        [first, 100],
        [other, 100],
        ['late timer', 500],
      ]);
    },
  );

  test('of a killed one nothing ever runs again', async () => {
    const machine = time.machine({ id: 'one' });
    const controller = new AbortController();
    const log: string[] = [];
    machine.deliver(0, () => {
      const note = () => log.push('ran');
      machine.sleep(30).then(note, note);
      machine.sleep(30, controller.signal).then(note, note);
    });
    machine.deliver(40, () => log.push('answered'));
    time.after(10, () => machine.pause());
    time.after(35, () => machine.kill());
    time.after(50, () => {
      machine.resume();
      controller.abort();
    });
    await time.run(1000);
    expect(log).toEqual([]);
    expect(machine.isKilled).toBe(true);
  });
});
