import { measureCosts, PURPOSES } from './costs.ts';
import { figuresOf } from './costs-report.ts';

test('what a quiet fleet spends is positive, and is spent on something', async () => {
  const report = await measureCosts({ leases: 10, workers: 2, minutes: 2 });
  for (const unit of ['requests', 'readRequestUnits', 'writeRequestUnits'] as const) {
    const parts = PURPOSES.map((purpose) => report.byPurpose[purpose][unit]);
    expect(report.total[unit]).toBeGreaterThan(0);
    expect(parts.reduce((sum, part) => sum + part, 0)).toBeCloseTo(report.total[unit]);
  }
  // Ten leases, a checkpoint every five seconds, two minutes.
  expect(report.byPurpose.checkpoints.requests).toBeGreaterThanOrEqual(10 * 22);
  expect(report.byPurpose.checkpoints.requests).toBeLessThanOrEqual(10 * 24);
  expect(report.byPurpose.taking.writeRequestUnits).toBe(0);

  const figures = figuresOf(report);
  expect(figures.dollarsAMonth).toBeCloseTo(10 * figures.dollarsAMonthPerLease);
  // A lease's renewals alone, without anything that is read: 18 writes a minute.
  expect(figures.kcl.dollarsAMonthPerLease).toBeGreaterThan(18 * 43_800 * 0.625e-6);
});
