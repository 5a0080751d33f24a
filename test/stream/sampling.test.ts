import { KvsInferenceError } from '../../src/core/errors.ts';
import type { Checkpoint } from '../../src/lease/checkpoint.ts';
import type { SamplingPeriod, SamplingPlan } from '../../src/lease/sampling.ts';
import type { StreamFragment } from '../../src/stream/sampled-frame.ts';
import { everyNth, startSampling } from '../support/sampling.ts';
import { HastyClock, recorded } from '../support/services.ts';

const { signal } = new AbortController();
/** Of the fragment 0, and of the clock at its start. */
const EPOCH_MILLIS = 1_700_000_000_000;
const [A, B, C] = [everyNth(1), everyNth(2), everyNth(3, 4)];
const NOBODY: SamplingPlan = { endpoints: [], namesEndpoints: true };
const leasedA: SamplingPeriod[] = [{ from: { type: 'START' }, plan: A }];

const refused = Object.assign(new Error('Rate exceeded'), {
  name: 'ThrottlingException',
  $metadata: { httpStatusCode: 400 },
});
const failed = Object.assign(new Error('Internal server error'), { $metadata: { httpStatusCode: 500 } });
const timedOut = new KvsInferenceError('TIMEOUT', 'no answer within 1000 ms');

/** One a second. */
const fragment = (number: number): StreamFragment => ({
  fragmentNumber: String(number),
  serverTimestampMillis: EPOCH_MILLIS + 1000 * number,
  producerTimestampMillis: null,
});

/** Those that say that a change has to wait. */
const waits = (lines: ReadonlyArray<Record<string, unknown>>) =>
  lines.filter(
    ({ msg, level }) => level === 'info' && String(msg).startsWith('sampled by the old plan until'),
  );

interface Tenure {
  /** Each `null` is a write that lands and is answered; those that are not told land too. */
  answers?: Array<Error | null>;
  leased?: readonly SamplingPeriod[];
  checkpoint?: () => Checkpoint | null;
  /** How far our clock is off, milliseconds. */
  clockOffset?: number;
  /** The first fragment that did not exist when the tenure began. */
  from?: number;
}

/** A tenure whose configuration says `wanted`. */
function tenure({ answers = [], clockOffset = 0, from = 0, ...options }: Tenure = {}) {
  const clock = new HastyClock();
  clock.now = () => EPOCH_MILLIS + 1000 * from + clock.monotonic() + clockOffset;
  const observed = recorded(clock);
  const state = { wanted: A as SamplingPlan | null, attempts: 0 };
  const { sampling, periods } = startSampling({
    streamName: 'front',
    ...options,
    wanted: () => state.wanted,
    record: async () => {
      state.attempts += 1;
      const answer = answers.shift() ?? null;
      if (answer !== null) throw answer;
    },
    clock,
    ...observed,
  });
  return {
    ...observed,
    state,
    clock,
    periods,
    sampling,
    /** Begins fragments; those that are not the last are read to their end. @returns their plans */
    read: async (numbers: readonly number[], behind: (number: number) => number | null = () => 0) => {
      const plans: SamplingPlan[] = [];
      for (const number of numbers) {
        plans.push(await sampling.planFor(fragment(number), signal));
        sampling.fragmentEnded(fragment(number), behind(number));
      }
      return plans;
    },
  };
}

test('the first plan of a stream is in its lease before anything is read', async () => {
  const { read, periods, state, lines } = tenure({ answers: [refused, timedOut, refused] });
  expect(await read([1])).toEqual([A]);
  expect(periods()).toEqual(leasedA);
  expect(state.attempts).toBe(4);
  expect(lines).toContainEqual(expect.objectContaining({ level: 'warn', streamNames: ['front'] }));
});

test('where it is not known yet what is wanted, the reading of a new stream waits', async () => {
  const { read, sampling, state, clock, periods } = tenure();
  state.wanted = null;
  const stop = new AbortController();
  const waiting = sampling.planFor(fragment(1), stop.signal);
  stop.abort('over');
  await expect(waiting).rejects.toBe('over');
  expect(periods()).toEqual([]);
  const reading = read([1]);
  while (clock.monotonic() < 60_000) await new Promise((resolve) => setImmediate(resolve));
  state.wanted = B;
  expect(await reading).toEqual([B]);
});

test('neither is a stream read that no endpoint gets, until one does: a line says so', async () => {
  const { read, state, clock, periods, lines } = tenure();
  state.wanted = NOBODY;
  const reading = read([1]);
  while (clock.monotonic() < 60_000) await new Promise((resolve) => setImmediate(resolve));
  expect(periods()).toEqual([]);
  state.wanted = B;
  expect(await reading).toEqual([B]);
  expect(periods()).toEqual([{ from: { type: 'START' }, plan: B }]);
  expect(lines.map(({ msg }) => msg)).toEqual([
    'reading waits until an endpoint is known that gets the stream',
  ]);
});

test('one that no endpoint gets any more is read on, without frames', async () => {
  const { read, state, periods } = tenure();
  await read([1]);
  state.wanted = NOBODY;
  expect(await read([2, 3])).toEqual([NOBODY, NOBODY]);
  expect(periods()).toHaveLength(2);
});

test('and one that has a plan goes on with it', async () => {
  const { read, state, lines } = tenure({ leased: leasedA });
  state.wanted = null;
  expect(await read([1, 2])).toEqual([A, A]);
  expect(state.attempts).toBe(0);
  expect(waits(lines)).toMatchObject([
    {
      fragmentNumber: '1',
      msg: 'sampled by the old plan until it is known which endpoints get the stream',
    },
  ]);
});

test('in the first tenure a change holds from the next fragment on that was not begun before', async () => {
  const { read, state, periods } = tenure();
  await read([1, 2]);
  state.wanted = B;
  // The fragment 2 was cut.
  expect(await read([2, 3])).toEqual([A, B]);
  expect(periods()).toEqual([...leasedA, { from: { type: 'AFTER_FRAGMENT', fragmentNumber: '2' }, plan: B }]);
  state.wanted = C;
  expect(await read([3, 4])).toEqual([B, C]);
  state.wanted = { ...C, endpoints: C.endpoints.toReversed() };
  expect(await read([4, 5])).toEqual([C, C]);
  expect(state.attempts).toBe(3);
});

test('a fragment that comes late among those that were begun is sampled as they were', async () => {
  const { read, state } = tenure();
  await read([1, 5]);
  state.wanted = B;
  expect(await read([3, 6, 4])).toEqual([A, B, A]);
});

test.each([
  ['with a clock that is right', 0, () => 0],
  [
    'with a clock that is slow, by how far behind the latest fragment each is',
    -60_000,
    (n: number) => 9000 - 1000 * n,
  ],
  ['with a source that does not tell that', 0, () => null],
])(
  'later no boundary lies before what a former owner may have read: %s',
  async (_name, clockOffset, behind) => {
    // The former owner has read up to the fragment 9.
    const { read, state } = tenure({ leased: leasedA, clockOffset, from: 9 });
    state.wanted = B;
    const plans = await read([4, 5, 6, 7, 8, 9, 10, 11], (number) => {
      const millis = behind(number);
      return millis === null ? null : Math.max(0, millis);
    });
    expect(plans).toEqual([A, A, A, A, A, A, A, B]);
  },
);

test('until when a former owner may have read it is said once for each change', async () => {
  const { read, state, lines } = tenure({ leased: leasedA, from: 9 });
  state.wanted = B;
  await read([4, 5, 6]);
  state.wanted = C;
  await read([7, 8, 9, 10, 11]);
  const msg =
    'sampled by the old plan until video later than 2023-11-14T22:13:29.000Z is read: a former owner may have read what is older';
  expect(waits(lines)).toMatchObject([
    { fragmentNumber: '5', plan: B, msg },
    { fragmentNumber: '7', plan: C, msg },
  ]);
  state.wanted = B;
  expect(await read([12, 13])).toEqual([B, B]);
  expect(waits(lines)).toHaveLength(2);
});

test('whoever reads again after a crash samples as it was sampled first', async () => {
  const first = tenure();
  await first.read([1, 2]);
  first.state.wanted = B;
  await first.read([3, 4]);
  const second = tenure({ leased: first.periods(), from: 5 });
  second.state.wanted = C;
  expect(await second.read([1, 2, 3, 4, 5, 6, 7])).toEqual([A, A, B, B, B, B, C]);
  const third = tenure({ leased: second.periods(), from: 8 });
  third.state.wanted = C;
  expect(await third.read([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])).toEqual([A, A, B, B, B, B, C, C, C, C]);
  expect(third.state.attempts).toBe(0);
});

test('a change that the table refuses waits for five seconds, and the old plan holds', async () => {
  const { read, state, clock, lines } = tenure({ answers: [null, refused] });
  await read([1]);
  state.wanted = B;
  expect(await read([2, 3])).toEqual([A, A]);
  expect(state.attempts).toBe(2);
  expect(lines).toContainEqual(
    expect.objectContaining({ level: 'warn', error: 'ThrottlingException', streamNames: ['front'] }),
  );
  await clock.sleep(5000);
  expect(await read([4])).toEqual([B]);
});

test.each([
  ['a time-out', timedOut],
  ['a failure of the service', failed],
])(
  'a change may have landed in spite of %s: no frame is sampled before that is certain',
  async (_name, error) => {
    const { read, state, periods } = tenure({ answers: [null, error, refused, error] });
    await read([1]);
    state.wanted = B;
    const reading = read([2]);
    // A refusal says nothing of the write before.
    expect(await reading).toEqual([B]);
    expect(state.attempts).toBe(5);
    expect(periods()).toHaveLength(2);
  },
);

test('a tenure that ends before that is certain has sampled nothing', async () => {
  const { read, sampling, state } = tenure({
    answers: [null, ...Array.from({ length: 100_000 }, () => timedOut)],
  });
  await read([1]);
  state.wanted = B;
  const stop = new AbortController();
  const waiting = sampling.planFor(fragment(2), stop.signal);
  setTimeout(() => stop.abort('over'), 20);
  await expect(waiting).rejects.toBe('over');
});

test('more changes than a lease holds wait until the checkpoint has passed some', async () => {
  let checkpoint: Checkpoint | null = null;
  const { read, state, periods, lines } = tenure({ checkpoint: () => checkpoint });
  for (let number = 1; number <= 60; number += 1) {
    state.wanted = number % 2 === 0 ? A : B;
    await read([number]);
  }
  expect(periods()).toHaveLength(50);
  expect(waits(lines)[0]).toMatchObject({
    fragmentNumber: '51',
    msg: 'sampled by the old plan until the checkpoint has passed one of 50 changes',
  });
  checkpoint = { fragmentNumber: '40', serverTimestampMillis: 0, iFrameCounter: 0 };
  state.wanted = C;
  expect(await read([61])).toEqual([C]);
  expect(periods()).toHaveLength(11);
});
