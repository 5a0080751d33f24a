import { KvsInferenceError } from '../../src/core/errors.ts';
import type { Checkpoint } from '../../src/lease/checkpoint.ts';
import { LeaseKeeper, type LeaseKeeperOptions } from '../../src/lease/keeper.ts';
import { type SamplingPeriod, withChange } from '../../src/lease/sampling.ts';
import { TableProblems } from '../../src/lease/table-problems.ts';
import { eventually } from '../support/eventually.ts';
import { startLeaseTable } from '../support/lease-table.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { recorded } from '../support/services.ts';

const INTERVAL_MILLIS = 5000;
const { signal } = new AbortController();
const START: SamplingPeriod[] = [{ from: { type: 'START' }, plan: { endpoints: [], namesEndpoints: false } }];
const CHANGED = withChange(START, '7', { endpoints: [], namesEndpoints: true });

let local: Awaited<ReturnType<typeof startLeaseTable>>;
let stop: AbortController;
let running: Promise<unknown>;

beforeEach(async () => {
  local = await startLeaseTable();
  stop = new AbortController();
  running = Promise.resolve();
});

afterEach(async () => {
  stop.abort();
  await running;
  await local.close();
});

const at = (number: number): Checkpoint => ({
  fragmentNumber: String(number),
  serverTimestampMillis: number,
  iFrameCounter: number,
});

/** A keeper at work. */
async function keep(table: LeaseKeeperOptions['table'] = local.leases) {
  const clock = new ManualClock();
  let checkpoint: Checkpoint | null = null;
  const written: string[] = [];
  const keeper = new LeaseKeeper({
    table,
    lease: await local.taken('one'),
    checkpoint: () => checkpoint,
    onCheckpoint: ({ fragmentNumber }) => written.push(fragmentNumber),
    checkpointIntervalMillis: () => INTERVAL_MILLIS,
    problems: new TableProblems({ clock, ...recorded(clock) }),
    clock,
  });
  const result = keeper.run(stop.signal);
  running = result;
  return {
    keeper,
    clock,
    result,
    written,
    done: (number: number) => {
      checkpoint = at(number);
    },
  };
}

test('what is sampled is written at once, with the progress that there is', async () => {
  const { keeper, done } = await keep();
  await keeper.recordSampling(START, signal);
  expect(await local.lease()).toMatchObject({ sampling: START, checkpoint: null });
  done(3);
  await keeper.recordSampling(CHANGED, signal);
  expect(await local.lease()).toMatchObject({ sampling: CHANGED, checkpoint: at(3) });
  expect(keeper.sampling).toEqual(CHANGED);
});

test('the next checkpoint takes what it has passed with it', async () => {
  let landed = 0;
  const { keeper, clock, done, written } = await keep({
    write: async (...args) => {
      const lease = await local.leases.write(...args);
      landed += 1;
      return lease;
    },
    release: (...args) => local.leases.release(...args),
  });
  await keeper.recordSampling(CHANGED, signal);
  done(6);
  clock.advance(INTERVAL_MILLIS);
  await eventually(() => landed === 2);
  expect(await local.lease()).toMatchObject({ sampling: CHANGED, checkpoint: at(6) });
  done(7);
  clock.advance(INTERVAL_MILLIS);
  await eventually(() => landed === 3);
  expect(await local.lease()).toMatchObject({ sampling: CHANGED.slice(1), checkpoint: at(7) });
  expect(keeper.sampling).toEqual(CHANGED.slice(1));
  expect(written).toEqual(['6', '7']);
});

test('so does the release', async () => {
  const { keeper, done } = await keep();
  await keeper.recordSampling(CHANGED, signal);
  done(8);
  stop.abort();
  await keeper.release({ type: 'ANYBODY' }, signal);
  expect(await local.lease()).toMatchObject({
    sampling: CHANGED.slice(1),
    checkpoint: at(8),
    leaseOwner: null,
  });
});

test('writes come one after the other', async () => {
  let atOnce = 0;
  let most = 0;
  const { keeper, clock, done } = await keep({
    write: async (...args) => {
      atOnce += 1;
      most = Math.max(most, atOnce);
      try {
        return await local.leases.write(...args);
      } finally {
        atOnce -= 1;
      }
    },
    release: (...args) => local.leases.release(...args),
  });
  done(1);
  clock.advance(INTERVAL_MILLIS);
  await Promise.all([keeper.recordSampling(START, signal), keeper.recordSampling(CHANGED, signal)]);
  expect(most).toBe(1);
  expect(await local.lease()).toMatchObject({ sampling: CHANGED, checkpoint: at(1) });
});

test('a write whose answer was lost can be repeated, and one that comes late changes nothing', async () => {
  const late: Array<() => Promise<unknown>> = [];
  const lost = new KvsInferenceError('TIMEOUT', 'no answer');
  const { keeper } = await keep({
    write: async (...args) => {
      const answer = late.length === 0 ? null : await local.leases.write(...args);
      late.push(() => local.leases.write(...args));
      if (answer === null) throw lost;
      return answer;
    },
    release: (...args) => local.leases.release(...args),
  });
  await expect(keeper.recordSampling(START, signal)).rejects.toBe(lost);
  expect(keeper.sampling).toEqual([]);
  await keeper.recordSampling(CHANGED, signal);
  await expect(late[0]?.()).rejects.toMatchObject({ code: 'LEASE_LOST' });
  expect(await local.lease()).toMatchObject({ sampling: CHANGED });
});

test('a lease that is found lost while it is written ends the tenure, and the reader waits for that', async () => {
  const { keeper, result } = await keep();
  await local.leases.take(await local.lease(), 'two', signal);
  const reader = new AbortController();
  const recording = keeper.recordSampling(START, reader.signal);
  expect(await result).toBe(false);
  reader.abort('ended');
  await expect(recording).rejects.toBe('ended');
  expect(await local.lease()).toMatchObject({ leaseOwner: 'two', sampling: [] });
});
