import { KvsInferenceError } from '../../src/core/errors.ts';
import { Random, withMathRandom } from '../support/random.ts';
import { type Model, serviceError, simulate } from './simulated-endpoint.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const SEED = 4;

const throttled = () => serviceError('ThrottlingException', 400);
const down = () => serviceError('ServiceUnavailable', 500);

/** To the server, and back. */
const WAY_MILLIS = 1;

/** Takes this many calls at a time and throttles the rest. */
function limitedModel(capacity: number, serviceMillis: number) {
  const random = new Random(SEED);
  let busy = 0;
  const counts = { answered: 0, throttled: 0, busyMillis: 0 };
  const model: Model = async (_frame, { machine }) => {
    await machine.sleep(WAY_MILLIS);
    if (busy >= capacity) {
      counts.throttled += 1;
      throw throttled();
    }
    busy += 1;
    const millis = Math.round(serviceMillis * random.between(0.8, 1.2));
    await machine.sleep(millis);
    counts.busyMillis += millis;
    counts.answered += 1;
    busy -= 1;
  };
  return { model, counts };
}

test.each([
  { serviceMillis: 20, pool: 20, settlingMillis: 5 * SECOND, measuredMillis: 10 * SECOND },
  { serviceMillis: 200, pool: 20, settlingMillis: 30 * SECOND, measuredMillis: 2 * MINUTE },
  { serviceMillis: 200, pool: 100, settlingMillis: 30 * SECOND, measuredMillis: 2 * MINUTE },
  { serviceMillis: 2000, pool: 20, settlingMillis: 30 * SECOND, measuredMillis: 15 * MINUTE },
  { serviceMillis: 2000, pool: 100, settlingMillis: 30 * SECOND, measuredMillis: 15 * MINUTE },
])(
  'an endpoint that takes 8 calls of $serviceMillis ms at a time is used, and rarely asked for more (pool of $pool)',
  async ({ serviceMillis, pool, settlingMillis, measuredMillis }) => {
    const { model, counts } = limitedModel(8, serviceMillis);
    await withMathRandom(new Random(SEED), async () => {
      const { time, keepAsking } = simulate({ model, maxConcurrency: pool });
      keepAsking(4 * pool);
      await time.run(settlingMillis);
      const before = { ...counts };
      await time.run(settlingMillis + measuredMillis);
      const throttledCalls = counts.throttled - before.throttled;
      const calls = throttledCalls + counts.answered - before.answered;
      const used = (counts.busyMillis - before.busyMillis) / (8 * measuredMillis);
      expect(throttledCalls / calls).toBeLessThan(0.05);
      expect(used).toBeGreaterThanOrEqual(0.9);
    });
  },
);

const isDown = (line: Record<string, unknown>) => String(line['msg']).startsWith('endpoint is down');
const isBack = (line: Record<string, unknown>) => String(line['msg']).startsWith('endpoint is back');

/** Answers after 200 ms, but for the time that it is gone, when it fails like this. */
function goneModel(from: number, to: number, trouble: Model): Model {
  return async (frame, run) => {
    const now = run.machine.monotonic();
    if (now >= from && now < to) await trouble(frame, run);
    else await run.machine.sleep(200);
  };
}

test.each<[string, Model]>([
  [
    'answers 500',
    async (_frame, { machine }) => {
      await machine.sleep(5);
      throw down();
    },
  ],
  [
    'does not answer in time',
    async (_frame, { machine }) => {
      await machine.sleep(20 * SECOND);
      throw new KvsInferenceError('TIMEOUT', 'no answer within 20000 ms', { retryable: true });
    },
  ],
])('nothing is lost while an endpoint %s for an hour', async (_how, trouble) => {
  await withMathRandom(new Random(SEED), async () => {
    const model = goneModel(MINUTE, MINUTE + HOUR, trouble);
    const { time, askEvery, endings, lines, total, control, starts, queue } = simulate({ model });
    askEvery(2 * SECOND, 70 * MINUTE);
    await time.run(MINUTE + HOUR);
    expect(endings.every(({ endedAt }) => endedAt <= MINUTE)).toBe(true);
    // Each waits for a slot.
    expect(queue.waiting).toBeGreaterThan(HOUR / (2 * SECOND) - 30);
    // Probes come every 15 to 30 s.
    expect(starts.filter((at) => at > 3 * MINUTE && at < MINUTE + HOUR).length).toBeLessThan(4 * 60);

    await time.run(75 * MINUTE);
    expect(control.isClosed).toBe(true);
    expect(endings).toHaveLength((70 * MINUTE) / (2 * SECOND) + 1);
    expect(endings.filter(({ type }) => type === 'failed')).toEqual([]);
    const downLines = lines.filter(isDown);
    expect(downLines.length).toBeGreaterThanOrEqual(59);
    expect(downLines.length).toBeLessThanOrEqual(61);
    expect(downLines[30]).toMatchObject({
      level: 'error',
      error: expect.stringMatching(/^(ServiceUnavailable|TIMEOUT)$/),
      since: downLines[0]?.['since'],
      waiting: expect.any(Number),
    });
    expect(downLines[30]?.['waiting']).toBeGreaterThan(10 * 60);
    expect(lines.filter(isBack)).toMatchObject([{ level: 'info', downMillis: expect.any(Number) }]);
    expect(total('EndpointPauses')).toBe(1);
    expect(total('EndpointPausedTime')).toBeGreaterThan(59 * MINUTE);
    expect(total('EndpointPausedTime')).toBeLessThan(61 * MINUTE);
  });
});

test('an endpoint that is back gets its calls again, few at first', async () => {
  const trouble: Model = () => Promise.reject(down());
  await withMathRandom(new Random(SEED), async () => {
    const { time, keepAsking, control } = simulate({ model: goneModel(5 * SECOND, MINUTE, trouble) });
    keepAsking(100);
    await time.run(MINUTE);
    expect(control.isClosed).toBe(false);
    const limits: number[] = [];
    await time.run(MINUTE + 40 * SECOND, () => {
      if (control.isClosed && limits.at(-1) !== control.concurrency) limits.push(control.concurrency);
    });
    expect(limits).toEqual(Array.from({ length: 20 }, (_, index) => index + 1));
  });
});

test('one probe is under way at a time', async () => {
  let mostAtOnce = 0;
  const trouble: Model = async (_frame, { machine, inFlight }) => {
    if (machine.monotonic() > 2 * MINUTE) mostAtOnce = Math.max(mostAtOnce, inFlight);
    await machine.sleep(10 * SECOND);
    throw down();
  };
  await withMathRandom(new Random(SEED), async () => {
    const { time, keepAsking } = simulate({ model: goneModel(5 * SECOND, HOUR, trouble) });
    keepAsking(100);
    await time.run(10 * MINUTE);
    expect(mostAtOnce).toBe(1);
  });
});

/** A frame that the model always fails on, among others that it does well. */
const poisonModel = (poison: number): Model => {
  return async (frame, { machine }) => {
    await machine.sleep(200);
    if (frame === poison) throw down();
  };
};

test('a frame that always fails, while others succeed, fails for good', async () => {
  await withMathRandom(new Random(SEED), async () => {
    const { time, askEvery, endings, total } = simulate({ model: poisonModel(7), maxAttempts: 5 });
    askEvery(100, MINUTE);
    await time.run(2 * MINUTE);
    expect(endings.filter(({ type }) => type === 'failed')).toMatchObject([{ frame: 7, attempts: 5 }]);
    expect(endings).toHaveLength(601);
    expect([total('EndpointPauses'), total('InvocationRetries')]).toEqual([0, 4]);
  });
});

test.each([12, 60])(
  'a frame that always fails, alone on a stream with a frame every %i s, does not hold up the others for long',
  async (seconds) => {
    await withMathRandom(new Random(SEED), async () => {
      const { time, askEvery, endings, control } = simulate({ model: poisonModel(3) });
      askEvery(seconds * SECOND, 30 * MINUTE);
      await time.run(40 * MINUTE);
      expect(endings.filter(({ type }) => type === 'failed')).toMatchObject([{ frame: 3 }]);
      expect(endings).toHaveLength((30 * 60) / seconds + 1);
      expect(control.isClosed).toBe(true);
      const waits = endings
        .filter(({ frame }) => frame !== 3)
        .map(({ arrivedAt, endedAt }) => endedAt - arrivedAt);
      expect(Math.max(...waits)).toBeLessThan(MINUTE);
    });
  },
);

test('in live mode a frame fails for good although the endpoint is down', async () => {
  await withMathRandom(new Random(SEED), async () => {
    const model: Model = () => Promise.reject(down());
    const { time, askEvery, endings } = simulate({ model, isLossless: false, maxAttempts: 2 });
    askEvery(10 * SECOND);
    await time.run(10 * MINUTE);
    expect(endings[0]).toMatchObject({ frame: 0, type: 'failed', attempts: 2 });
  });
});

test('an endpoint that throttles every call gets few, is not said to be down, and loses nothing', async () => {
  const isOpen = { value: false };
  const model: Model = async (_frame, { machine }) => {
    await machine.sleep(5);
    if (!isOpen.value) throw throttled();
  };
  await withMathRandom(new Random(SEED), async () => {
    const { time, askEvery, endings, starts, lines } = simulate({ model });
    askEvery(500, 10 * MINUTE);
    await time.run(10 * MINUTE);
    const perSecond = starts.filter((at) => at > MINUTE).length / (9 * 60);
    expect(perSecond).toBeLessThan(20);
    isOpen.value = true;
    await time.run(15 * MINUTE);
    expect(endings).toHaveLength(1201);
    expect(endings.filter(({ type }) => type === 'failed')).toEqual([]);
    expect(lines.filter(isDown)).toEqual([]);
  });
});

test('the limit falls when latency rises, and comes back when that is how the endpoint is', async () => {
  const random = new Random(SEED);
  const model: Model = async (_frame, { machine }) => {
    const level = machine.monotonic() < MINUTE ? 200 : 800;
    await machine.sleep(level * random.between(0.5, 1.5));
  };
  await withMathRandom(new Random(SEED), async () => {
    const { time, keepAsking, control } = simulate({ model });
    keepAsking(100);
    let lowest = 20;
    const watch = () => {
      lowest = Math.min(lowest, control.concurrency);
    };
    await time.run(MINUTE, watch);
    expect(lowest).toBe(20);
    await time.run(MINUTE + 10 * SECOND, watch);
    expect(lowest).toBeLessThanOrEqual(10);
    await time.run(3 * MINUTE);
    expect(control.concurrency).toBe(20);
  });
});

test('a slow answer now and then, and two kinds of pictures, are no rise', async () => {
  const random = new Random(SEED);
  const model: Model = async (_frame, { machine }) => {
    const isSlow = random.chance(0.02);
    await machine.sleep(isSlow ? 20 * SECOND : random.pick([500, 1500]));
  };
  await withMathRandom(new Random(SEED), async () => {
    const { time, keepAsking, control } = simulate({ model });
    keepAsking(100);
    let atMax = 0;
    let steps = 0;
    await time.run(5 * MINUTE, () => {
      steps += 1;
      if (control.concurrency === 20) atMax += 1;
    });
    expect(atMax / steps).toBeGreaterThan(0.9);
  });
});

test('the maximum can change while calls are under way', async () => {
  const model: Model = (_frame, { machine }) => machine.sleep(200);
  const { time, keepAsking, control } = simulate({ model, maxConcurrency: 10 });
  keepAsking(100);
  await time.run(SECOND);
  control.configure({ maxConcurrency: 4, isWanted: true });
  expect(control.concurrency).toBe(4);
  control.configure({ maxConcurrency: 12, isWanted: true });
  await time.run(10 * SECOND);
  expect(control.concurrency).toBe(12);
});

test('calls that hang beyond the outage do not hold up those after it', async () => {
  let isDown = true;
  const model: Model = (frame, { machine }) => {
    if (!isDown) return machine.sleep(20);
    return frame < 5 ? machine.sleep(HOUR) : Promise.reject(down());
  };
  const { time, keepAsking, control } = simulate({ model, maxConcurrency: 10 });
  keepAsking(100);
  await time.run(5 * SECOND);
  expect(control.isClosed).toBe(false);
  isDown = false;
  await time.run(MINUTE);
  expect(control.isClosed).toBe(true);
  expect(control.successes).toBeGreaterThan(1000);
});

test('leaves no timer when it is closed during an outage', async () => {
  const model: Model = () => Promise.reject(down());
  const { time, askEvery, control, lines } = simulate({ model });
  askEvery(SECOND, MINUTE);
  await time.run(2 * MINUTE);
  expect(control.isClosed).toBe(false);
  control.close();
  const { eventCount } = time;
  const { length } = lines;
  await time.run(HOUR);
  expect(lines).toHaveLength(length);
  // What the frames themselves still wait for.
  expect(time.eventCount - eventCount).toBeLessThan(100);
});
