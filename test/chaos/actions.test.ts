import { describeAction, planActions } from './actions.ts';

const OPTIONS = { millis: 60_000, workers: 3 };
const seeds = Array.from({ length: 50 }, (_, index) => index);

test('the seed determines the plan', () => {
  expect(planActions({ ...OPTIONS, seed: 7 })).toEqual(planActions({ ...OPTIONS, seed: 7 }));
  expect(planActions({ ...OPTIONS, seed: 7 })).not.toEqual(planActions({ ...OPTIONS, seed: 8 }));
});

test('every plan has its actions in the order of time, within the run', () => {
  for (const seed of seeds) {
    const times = planActions({ ...OPTIONS, seed }).map(({ atMillis }) => atMillis);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    expect(times.length).toBeGreaterThan(30);
    expect(times.at(-1)).toBeLessThan(OPTIONS.millis);
  }
});

test('every plan kills, terminates, pauses, cuts, silences, and makes both services fail', () => {
  for (const seed of seeds) {
    const actions = planActions({ ...OPTIONS, seed });
    const kinds = new Set(actions.map((action) => (action.type === 'faults' ? action.service : action.type)));
    expect([...kinds].sort()).toEqual([
      'DynamoDB',
      'Kinesis',
      'cut',
      'kill',
      'pause',
      'silence',
      'terminate',
    ]);
  }
});

test('no two workers are paused or on their way at once where there are two: one runs always', () => {
  for (const seed of seeds) {
    let awayUntil = 0;
    for (const action of planActions({ ...OPTIONS, workers: 2, seed })) {
      if (!('worker' in action)) continue;
      expect(action.atMillis).toBeGreaterThanOrEqual(awayUntil);
      awayUntil = action.atMillis + (action.type === 'pause' ? action.millis : 0);
    }
  }
});

test('the faults of one service do not overlap, and PutRecords alone fails in part', () => {
  for (const seed of seeds) {
    const faultyUntil = { DynamoDB: 0, Kinesis: 0 };
    for (const action of planActions({ ...OPTIONS, seed })) {
      if (action.type !== 'faults') continue;
      expect(action.atMillis).toBeGreaterThanOrEqual(faultyUntil[action.service]);
      faultyUntil[action.service] = action.atMillis + action.millis;
      if (action.fault === 'partial') expect(action.service).toBe('Kinesis');
    }
  }
});

test('actions in words', () => {
  expect(describeAction({ type: 'pause', worker: 0, millis: 2500 })).toBe(
    'SIGSTOP to worker 1, SIGCONT 2.5 s later',
  );
  expect(
    describeAction({ type: 'faults', service: 'Kinesis', fault: 'partial', probability: 0.5, millis: 700 }),
  ).toBe('Kinesis: 50 % of the requests done in part for 0.7 s');
});
