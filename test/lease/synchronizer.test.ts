import { Synchronizer } from '../../src/lease/synchronizer.ts';
import { TableProblems } from '../../src/lease/table-problems.ts';
import { Health } from '../../src/worker/health.ts';
import { eventually } from '../support/eventually.ts';
import { startLeaseTable } from '../support/lease-table.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { recorded } from '../support/services.ts';

let local: Awaited<ReturnType<typeof startLeaseTable>>;

beforeEach(async () => {
  local = await startLeaseTable();
});

afterEach(() => local.close());

function start(discover: () => Promise<{ streams: never[]; isComplete: boolean }>) {
  const clock = new ManualClock();
  const observed = recorded(clock);
  const health = new Health(clock);
  const end = new AbortController();
  const synchronizer = new Synchronizer({
    ...local,
    discover,
    startPosition: () => ({ type: 'EARLIEST' }),
    observed: () => [
      {
        state: { workerId: 'one', heartbeat: 1, leaseCount: 0, isLeaving: false, requests: new Map() },
        liveness: 'live',
      },
    ],
    askToRetire: () => undefined,
    onFreed: () => undefined,
    beat: (loop, pauseMillis) => health.beat(loop, pauseMillis),
    interval: () => 3_600_000,
    problems: new TableProblems({ clock, ...observed }),
    clock,
    ...observed,
  });
  const running = synchronizer.run(end.signal);
  const measured = () => {
    synchronizer.report();
    observed.metrics.flush();
    const { Workers, LeaseTotal } = observed.lines.splice(0).at(-1) ?? {};
    return { Workers, LeaseTotal };
  };
  const close = async () => {
    end.abort();
    await running;
  };
  return { ...observed, clock, health, measured, close };
}

test('workers and leases are measured whenever they are asked for, also between two rounds', async () => {
  const { clock, health, lines, measured, metrics, close } = start(async () => ({
    streams: [],
    isComplete: true,
  }));
  expect(measured()).toEqual({ Workers: [1], LeaseTotal: undefined });
  await eventually(() => {
    metrics.flush();
    return lines.some((line) => line['LeaseSyncs'] === 1);
  });
  for (let minute = 0; minute < 3; minute += 1) {
    clock.advance(60_000);
    expect(measured()).toEqual({ Workers: [1], LeaseTotal: [0] });
  }
  await clock.pass(56 * 60_000);
  expect(health.problems()).toEqual([]);
  await close();
});

test("a look-up that never ends is no health, until the lease is another worker's", async () => {
  let giveUp = (_error: Error) => {};
  const { clock, health, close } = start(() => new Promise((_resolve, reject) => (giveUp = reject)));
  await clock.pass(20 * 60_000 + 1);
  expect(health.problems()).toEqual([{ loop: 'synchronizing leases', lateMillis: 1 }]);
  const closed = close();
  giveUp(new Error('aborted'));
  await closed;
  expect(health.problems()).toEqual([]);
});
