import type { Lease } from '../../src/lease/lease.ts';
import { LeaseRequests, type LeaseRequestsOptions } from '../../src/lease/requests.ts';
import { TableProblems } from '../../src/lease/table-problems.ts';
import { UnownedLeases } from '../../src/lease/unowned.ts';
import type { LeaseRequest } from '../../src/lease/worker-item.ts';
import { Health } from '../../src/worker/health.ts';
import { eventually } from '../support/eventually.ts';
import { startLeaseTable } from '../support/lease-table.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { recorded } from '../support/services.ts';

const POLL_MILLIS = 250;

let local: Awaited<ReturnType<typeof startLeaseTable>>;
let stop: AbortController;
let clock: ManualClock;
let health: Health;

beforeEach(async () => {
  local = await startLeaseTable();
  stop = new AbortController();
  clock = new ManualClock();
  health = new Health(clock);
});

afterEach(async () => {
  stop.abort();
  await local.close();
});

function requestsOf(
  workerId: string,
  isValid = () => true,
  table: LeaseRequestsOptions['table'] = local.leases,
) {
  const taken: Lease[] = [];
  const observed = recorded(clock);
  const requests = new LeaseRequests({
    table,
    workerId,
    failoverTimeMillis: 40 * POLL_MILLIS,
    isValid,
    mayRetire: () => true,
    unowned: new UnownedLeases({ clock, failoverTimeMillis: 40 * POLL_MILLIS }),
    onAsked: () => undefined,
    onDone: () => undefined,
    onTaken: (lease) => taken.push(lease),
    beat: (loop, pauseMillis) => health.beat(loop, pauseMillis),
    problems: new TableProblems({ clock, ...observed }),
    clock,
    ...observed,
  });
  void requests.run(stop.signal);
  const ask = (kind: LeaseRequest['kind'], owner = 'one') => requests.ask('front', { owner, kind });
  return { requests, taken, ask, lines: observed.lines };
}

/** Lets time pass, step by step, until the condition holds. */
async function passUntil(condition: () => boolean, stepMillis = POLL_MILLIS): Promise<void> {
  await eventually(() => {
    clock.advance(stepMillis);
    return condition();
  });
}

test('a lease that its owner hands over is held from then on', async () => {
  const owned = await local.taken('one');
  const { ask, taken, requests } = requestsOf('two');
  ask('HAND_OVER');
  expect([...requests.pending]).toMatchObject([['front', { owner: 'one', kind: 'HAND_OVER' }]]);
  await local.leases.release(
    owned,
    { checkpoint: null, sampling: null },
    { type: 'WORKER', workerId: 'two' },
    stop.signal,
  );
  await passUntil(() => taken.length === 1);
  expect(taken).toEqual([await local.lease()]);
  expect(requests.pending.size).toBe(0);
});

test('an owner that lives but does not answer loses the lease after thirty seconds, not before', async () => {
  await local.taken('one');
  const { ask, taken, requests, lines } = requestsOf('two');
  ask('HAND_OVER');
  const askedAt = clock.monotonic();
  await passUntil(() => taken.length === 1, 200);
  expect(clock.monotonic() - askedAt).toBeGreaterThanOrEqual(30_000);
  expect(await local.lease()).toMatchObject({ leaseOwner: 'two', leaseEpoch: 2 });
  expect(requests.pending.size).toBe(0);
  expect(lines).toContainEqual(
    expect.objectContaining({ level: 'error', streamName: 'front', owner: 'one' }),
  );
});

test('a lease that goes to somebody else is asked for no more', async () => {
  const owned = await local.taken('one');
  const { ask, taken, requests } = requestsOf('two');
  ask('HAND_OVER');
  await local.leases.release(
    owned,
    { checkpoint: null, sampling: null },
    { type: 'WORKER', workerId: 'three' },
    stop.signal,
  );
  await passUntil(() => requests.pending.size === 0);
  expect(taken).toEqual([]);
});

test('an owner that does not retire its lease has it retired', async () => {
  await local.taken('one');
  const { ask, requests, taken } = requestsOf('two');
  ask('RETIRE');
  await passUntil(() => requests.pending.size === 0, 200);
  expect(await local.lease()).toMatchObject({ leaseOwner: null, retiredAtMillis: expect.any(Number) });
  expect(taken).toEqual([]);
});

test('what comes while this worker is none is left to be found later', async () => {
  const owned = await local.taken('one');
  let isValid = false;
  const { ask, taken } = requestsOf('two', () => isValid);
  ask('HAND_OVER');
  await local.leases.release(
    owned,
    { checkpoint: null, sampling: null },
    { type: 'WORKER', workerId: 'two' },
    stop.signal,
  );
  for (let polls = 0; polls < 20; polls += 1) {
    clock.advance(POLL_MILLIS);
    await local.lease();
  }
  expect(taken).toEqual([]);
  isValid = true;
  await passUntil(() => taken.length === 1);
});

test('at most twenty-five leases are asked for at a time', () => {
  const { requests } = requestsOf('two');
  for (let index = 0; index < 40; index += 1) {
    requests.ask(`stream-${index}`, { owner: 'one', kind: 'HAND_OVER' });
  }
  expect(requests.pending.size).toBe(25);
});

test('that nobody asks for anything is healthy; that the table never answers is not', async () => {
  const never = () => new Promise<never>(() => undefined);
  const { ask } = requestsOf('two', () => true, { get: never, keysOf: never, take: never, free: never });
  for (let minute = 0; minute < 10; minute += 1) await clock.pass(60_000);
  expect(health.problems()).toEqual([]);
  ask('HAND_OVER');
  await clock.pass(0);
  clock.advance(6 * 60_000 + 1);
  expect(health.problems()).toEqual([{ loop: 'asking for leases', lateMillis: 1 }]);
});
