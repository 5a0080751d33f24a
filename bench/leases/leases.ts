import { type CostsOptions, PURPOSES } from '../../test/simulation/costs.ts';
import type { CostsFigures } from '../../test/simulation/costs-report.ts';
import { atMost, type BenchCase, type CaseResult } from '../harness/bench-case.ts';
import { inChild } from '../harness/child.ts';

const LEASES_PER_WORKER = 50;
/** The largest first: it takes longest. */
const SIZES = [10_000, 1000, 100, 10];
const QUICK_SIZES = [100, 10];
const MINUTES = 1;

/** Virtual time: what else the machine does changes no figure, and one round says it all. */
export const leases: BenchCase = {
  name: 'leases',
  description: 'what leases cost in DynamoDB requests, from 10 to 10,000 of them, in the simulation',
  async run(options) {
    const measure = async (count: number) => {
      const costs: CostsOptions = {
        leases: count,
        workers: Math.ceil(count / LEASES_PER_WORKER),
        minutes: MINUTES,
      };
      const figures = await inChild<CostsFigures>('costs', costs, options);
      options.progress(`${count} leases`);
      return figures;
    };
    const all = await Promise.all((options.quick ? QUICK_SIZES : SIZES).map(measure));
    return resultOf(all.reverse());
  },
};

/** @param all from the fewest leases to the most */
function resultOf(all: readonly CostsFigures[]): CaseResult {
  const steps = all.slice(1).map((figures, index) => ({ figures, before: all[index] as CostsFigures }));
  return {
    tables: [
      {
        caption: 'Requests and request units per lease and minute; dollars a month, us-east-1 on demand',
        columns: [
          { title: 'leases', digits: 0 },
          { title: 'workers', digits: 0 },
          { title: 'requests' },
          { title: 'write units' },
          { title: 'read units' },
          { title: '$ a lease', digits: 3 },
          { title: '$ in all' },
          { title: '$ KCL' },
        ],
        rows: all.map(({ leases: count, workers, perLease, dollarsAMonth, dollarsAMonthPerLease, kcl }) => [
          count,
          workers,
          perLease.requests,
          perLease.writeRequestUnits,
          perLease.readRequestUnits,
          dollarsAMonthPerLease,
          dollarsAMonth,
          kcl.dollarsAMonth,
        ]),
      },
      {
        caption: 'What the requests are for: requests, write units and read units per lease and minute',
        columns: [{ title: 'leases', digits: 0 }, ...PURPOSES.map((title) => ({ title }))],
        rows: all.map(({ leases: count, perLeaseByPurpose }) => [
          count,
          ...PURPOSES.map((purpose) => {
            const spending = perLeaseByPurpose[purpose];
            const { requests = 0, writeRequestUnits = 0, readRequestUnits = 0 } = spending ?? {};
            return [requests, writeRequestUnits, readRequestUnits]
              .map((number) => number.toFixed(2))
              .join(' ');
          }),
        ]),
      },
    ],
    targets: steps.map(({ figures, before }) =>
      atMost(
        1,
        `requests per lease and minute with ${figures.leases} leases, times those with ${before.leases}`,
        figures.perLease.requests / before.perLease.requests,
      ),
    ),
    notes: [
      `Quiet fleets with the default times, one worker for ${LEASES_PER_WORKER} leases: every stream has a new checkpoint in each interval of 5 s, which is 12 requests a minute.`,
      "KCL's way is computed: a lease is renewed by a write every 3.3 s, and each worker scans the table every 20 s.",
    ],
  };
}
