import { systemClock as clock } from '../../src/core/clock.ts';
import { LeaseCoordinator } from '../../src/lease/coordinator.ts';
import { TableProblems } from '../../src/lease/table-problems.ts';
import { eventually } from '../support/eventually.ts';
import { startLeaseTable } from '../support/lease-table.ts';
import { recorded } from '../support/services.ts';

test('the pauses that its loops tell: what each takes, and a round until the leases have expired', async () => {
  const local = await startLeaseTable();
  const observed = recorded(clock);
  const pauses = new Map<string, number>();
  const coordinator = new LeaseCoordinator({
    ...local,
    workerId: 'one',
    failoverTimeMillis: 600_000,
    hold: () => {
      throw new Error('nothing is to be held');
    },
    beat: (loop, pauseMillis) => pauses.set(loop, Math.round(pauseMillis)),
    problems: new TableProblems({ clock, ...observed }),
    clock,
    ...observed,
  });
  const end = new AbortController();
  const running = coordinator.run(end.signal);
  await eventually(() => pauses.size === 4);
  end.abort();
  await running;
  await local.close();
  expect(Object.fromEntries(pauses)).toEqual({
    'signs of life': 200_000,
    'looking at the other workers': 1111,
    'asking for leases': 60_000,
    'taking leases': 603_333,
  });
});
