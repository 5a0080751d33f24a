import { Liveness } from '../../src/lease/liveness.ts';

const state = (heartbeat: number, workerId = 'one') => ({
  workerId,
  heartbeat,
  leaseCount: 0,
  isLeaving: false,
  requests: new Map(),
});

const livenessOf = (liveness: Liveness, now: number) =>
  Object.fromEntries(liveness.workers(now).map((worker) => [worker.state.workerId, worker.liveness]));

test('a worker is dead when its heartbeat has stood still for the fail-over time', () => {
  const liveness = new Liveness(9000);
  liveness.observe([state(1)], 0);
  liveness.observe([state(1)], 3000);
  expect(livenessOf(liveness, 5999)).toEqual({ one: 'live' });
  liveness.observe([state(1)], 6000);
  expect(livenessOf(liveness, 6000)).toEqual({ one: 'late' });
  expect(livenessOf(liveness, 8999)).toEqual({ one: 'late' });
  expect(livenessOf(liveness, 9000)).toEqual({ one: 'dead' });
  liveness.observe([state(2)], 9001);
  expect(livenessOf(liveness, 15_000)).toEqual({ one: 'live' });
});

test('one that is seen for the first time is given its time', () => {
  const liveness = new Liveness(9000);
  liveness.observe([state(1)], 50_000);
  expect(livenessOf(liveness, 50_001)).toEqual({ one: 'live' });
});

test('an older reading of the index is no sign of life, and does not hide a newer one', () => {
  const liveness = new Liveness(9000);
  liveness.observe([state(5)], 0);
  liveness.observe([state(4)], 4000);
  expect(livenessOf(liveness, 9000)).toEqual({ one: 'dead' });
  liveness.observeOne(state(4), 9000);
  expect(livenessOf(liveness, 9000)).toEqual({ one: 'dead' });
  liveness.observeOne(state(6), 9000);
  expect(livenessOf(liveness, 9000)).toEqual({ one: 'live' });
});

test('a worker that has left is forgotten', () => {
  const liveness = new Liveness(9000);
  liveness.observe([state(1), state(1, 'two')], 0);
  liveness.observe([state(1, 'two')], 1000);
  expect(livenessOf(liveness, 1000)).toEqual({ two: 'live' });
});

test('the next death is foreseen', () => {
  const liveness = new Liveness(9000);
  expect(liveness.millisToNextDeath(0)).toBe(Number.POSITIVE_INFINITY);
  liveness.observe([state(1)], 0);
  liveness.observe([state(1), state(1, 'two')], 4000);
  expect(liveness.millisToNextDeath(5000)).toBe(4000);
  expect(liveness.millisToNextDeath(9500)).toBe(3500);
});

test('who could not look for long has seen nobody die', () => {
  const liveness = new Liveness(9000);
  liveness.observe([state(1)], 0);
  liveness.observe([state(1)], 20_000);
  expect(livenessOf(liveness, 28_999)).toEqual({ one: 'late' });
  expect(livenessOf(liveness, 29_000)).toEqual({ one: 'dead' });
});
