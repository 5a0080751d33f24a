import fc from 'fast-check';
import {
  isSamePlan,
  planOf,
  pruned,
  type SamplingPeriod,
  type SamplingPlan,
  samplingSchema,
  samplingText,
  withChange,
} from '../../src/lease/sampling.ts';

const plan = (...intervals: number[]): SamplingPlan => ({
  endpoints: intervals.map((inferenceInterval, index) => ({
    name: `endpoint-${index}`,
    acceptContentType: 'image/jpeg',
    inferenceInterval,
  })),
  namesEndpoints: intervals.length > 1,
});
const START: SamplingPeriod = { from: { type: 'START' }, plan: plan(1) };
const PERIODS = withChange(withChange([START], '9', plan(2)), '10', plan(3, 4));

const checkpointAt = (fragmentNumber: string) => ({
  fragmentNumber,
  serverTimestampMillis: 0,
  iFrameCounter: 0,
});

test('a plan holds for what follows its boundary; numbers compare as numbers', () => {
  const intervals = ['1', '9', '10', '11', '100'].map(
    (number) => planOf(PERIODS, number)?.endpoints[0]?.inferenceInterval,
  );
  expect(intervals).toEqual([1, 1, 2, 3, 3]);
  expect(planOf([], '1')).toBeNull();
});

test('what lies before the checkpoint is forgotten, and nothing else', () => {
  expect(pruned(PERIODS, null)).toBe(PERIODS);
  expect(pruned(PERIODS, checkpointAt('8'))).toBe(PERIODS);
  expect(pruned(PERIODS, checkpointAt('9'))).toEqual(PERIODS.slice(1));
  expect(pruned(PERIODS, checkpointAt('10'))).toEqual(PERIODS.slice(2));
});

test('whatever is forgotten, what is read after the checkpoint is sampled as before', () => {
  const boundaries = fc.uniqueArray(fc.nat(30), { maxLength: 8 });
  fc.assert(
    fc.property(boundaries, fc.nat(30), fc.integer({ min: 1, max: 10 }), (numbers, done, ahead) => {
      const periods = numbers
        .toSorted((one, other) => one - other)
        .reduce<readonly SamplingPeriod[]>(
          (before, number) => withChange(before, String(number), plan(number + 2)),
          [START],
        );
      const left = pruned(periods, checkpointAt(String(done)));
      const next = String(done + ahead);
      expect(planOf(left, next)).toBe(planOf(periods, next));
      expect(pruned(left, checkpointAt(String(done)))).toBe(left);
    }),
  );
});

test.each<[string, SamplingPlan, boolean]>([
  ['itself', plan(3, 4), true],
  ['the same in another order', { ...plan(3, 4), endpoints: plan(3, 4).endpoints.toReversed() }, true],
  ['another interval', plan(3, 5), false],
  ['an endpoint less', { ...plan(3, 4), endpoints: plan(3).endpoints }, false],
  ['ids without the endpoint', { ...plan(3, 4), namesEndpoints: false }, false],
])('a plan and %s', (_name, other, isSame) => {
  expect(isSamePlan(plan(3, 4), other)).toBe(isSame);
});

test('the text in the lease is short, and is read as it was written', () => {
  const text = samplingText(PERIODS);
  expect(text).toMatch(
    /^\[\{"endpoints":\[\["endpoint-0","image\/jpeg",1\]\],"namesEndpoints":false\},\{"after":"9"/,
  );
  expect(samplingSchema.parse(text)).toEqual(PERIODS);
});

test.each([
  ['not JSON', '{'],
  ['nothing', '[]'],
  ['no fragment number', '[{"after":"x","endpoints":[],"namesEndpoints":true}]'],
  ['an interval of 0', '[{"endpoints":[["a","image/jpeg",0]],"namesEndpoints":true}]'],
  ['what this version does not know', '[{"endpoints":[],"namesEndpoints":true,"randomly":true}]'],
  ['boundaries out of order', samplingText([...PERIODS].reverse())],
])('%s is refused', (_name, text) => {
  expect(samplingSchema.safeParse(text).success).toBe(false);
});
