import { ConcurrencyLimit, type LimitedCall } from '../../src/inference/concurrency-limit.ts';

const start = (limit: ConcurrencyLimit, count: number) => Array.from({ length: count }, () => limit.start());

/** Round trips in which as many calls as may be succeed. */
function succeed(limit: ConcurrencyLimit, roundTrips: number, latencyMillis = 100): number[] {
  return Array.from({ length: roundTrips }, () => {
    for (const call of start(limit, limit.value)) limit.succeeded(call, latencyMillis);
    return limit.value;
  });
}

/** As many calls as may be, one more of which the endpoint can take not; the others are still under way. */
function refuseOne(limit: ConcurrencyLimit): LimitedCall[] {
  const calls = start(limit, limit.value);
  limit.refused(calls.pop() as LimitedCall);
  return calls;
}

test('starts at the maximum and stays there while all is well', () => {
  const limit = new ConcurrencyLimit(20);
  expect(succeed(limit, 10)).toEqual(Array(10).fill(20));
});

test('falls at once, once for all the calls that started before', () => {
  const limit = new ConcurrencyLimit(20);
  succeed(limit, 1);
  for (const call of start(limit, 20)) limit.refused(call);
  expect([limit.value, limit.inFlight]).toEqual([18, 0]);
});

test('calls refused although it has just fallen halve it, down to one call at once', () => {
  const limit = new ConcurrencyLimit(20);
  succeed(limit, 1);
  const limits = Array.from({ length: 7 }, () => {
    for (const call of refuseOne(limit)) limit.ended(call);
    return limit.value;
  });
  expect(limits).toEqual([18, 9, 4, 2, 1, 1, 1]);
});

test('a call that is not answered in time halves it', () => {
  const limit = new ConcurrencyLimit(20);
  limit.timedOut(start(limit, 20)[0] as LimitedCall);
  expect(limit.value).toBe(10);
});

test('falls from what was tried, not from a limit that nobody has reached', () => {
  const limit = new ConcurrencyLimit(100);
  limit.succeeded(limit.start(), 100);
  limit.refused(start(limit, 5)[4] as LimitedCall);
  expect(limit.value).toBe(9);
});

test('climbs by one a round trip, slowly where it fell, faster beyond', () => {
  const limit = new ConcurrencyLimit(20);
  limit.timedOut(start(limit, 20)[0] as LimitedCall);
  const climbing = succeed(limit, 30);
  const roundTripsAt = (value: number) => climbing.filter((other) => other === value).length;
  expect(climbing[0]).toBe(10);
  expect(roundTripsAt(15)).toBeLessThanOrEqual(2);
  expect(roundTripsAt(19)).toBeGreaterThanOrEqual(4);
  expect(climbing.at(-1)).toBe(20);
});

test('climbs to a large maximum in as many round trips as to a small one', () => {
  const limit = new ConcurrencyLimit(200);
  limit.restart();
  expect(limit.value).toBe(1);
  expect(succeed(limit, 40).at(-1)).toBe(200);
});

test('does not climb while it is not used', () => {
  const limit = new ConcurrencyLimit(20);
  const [first, ...others] = start(limit, 20) as [LimitedCall, ...LimitedCall[]];
  limit.timedOut(first);
  for (const call of others) limit.ended(call);
  for (let index = 0; index < 1000; index += 1) limit.succeeded(limit.start(), 100);
  expect(limit.value).toBe(10);
});

test('halves when latency has risen under load', () => {
  const limit = new ConcurrencyLimit(20);
  succeed(limit, 10, 100);
  expect(succeed(limit, 2, 300)).toEqual([20, 10]);
});

test('does not fall for latency that nobody can have caused', () => {
  const limit = new ConcurrencyLimit(20);
  succeed(limit, 10, 100);
  for (let index = 0; index < 40; index += 1) limit.succeeded(limit.start(), 300);
  expect(limit.value).toBe(20);
});

test('a smaller maximum holds at once, a larger one is climbed to', () => {
  const limit = new ConcurrencyLimit(20);
  limit.max = 5;
  expect(limit.value).toBe(5);
  limit.max = 10;
  expect(limit.value).toBe(5);
  expect(succeed(limit, 20).at(-1)).toBe(10);
});
