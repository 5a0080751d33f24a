import { TableProblems } from '../../src/lease/table-problems.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { recorded } from '../support/services.ts';

const away = Object.assign(new Error('away'), { name: 'ECONNREFUSED' });

test('each time counts; a kind of problem is a line at once, then one a minute that says how often and of which streams', () => {
  const clock = new ManualClock();
  const observed = recorded(clock);
  const problems = new TableProblems({ clock, ...observed });
  problems.report('checkpoint not written', away, 'front');
  problems.report('checkpoint not written', away, 'front');
  problems.report('leases cannot be taken', away);
  problems.reportItem(new Error('item "x" cannot be read'));
  clock.advance(59_999);
  problems.report('checkpoint not written', away, 'back');
  clock.advance(1);
  problems.report('checkpoint not written', away, 'side');
  expect(observed.lines).toMatchObject([
    { level: 'warn', error: 'ECONNREFUSED', times: 1, streamNames: ['front'] },
    { level: 'warn', msg: 'leases cannot be taken, trying again: away', times: 1 },
    { level: 'error', msg: 'item skipped: item "x" cannot be read', times: 1 },
    { times: 3, streamNames: ['front', 'back', 'side'] },
  ]);
  expect(observed.total('LeaseTableErrors')).toBe(6);
});
