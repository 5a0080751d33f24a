import { ADAPTATION } from '../../src/inference/concurrency-limit.ts';
import {
  atLeast,
  atMost,
  type BenchCase,
  type CaseOptions,
  type CaseResult,
  type Table,
} from '../harness/bench-case.ts';
import { inChild } from '../harness/child.ts';
import type { Options, Run, Shares } from './client.ts';
import { CAPACITY } from './model.ts';

const SETTLING_MILLIS = 30_000;
const FACTORS = [0.5, 0.7, 0.8, 0.9, 0.95];
const STEPS = [0.125, 0.25, 0.5, 1];
const POOLS = [20, 100];

/** A model that takes so many milliseconds. */
interface Service {
  readonly millis: number;
  /** How long is measured. */
  readonly measuredMillis: number;
  /** How many runs go side by side on two cores. */
  readonly together: number;
}

const SERVICES: readonly Service[] = [
  { millis: 20, measuredMillis: 10_000, together: 1 },
  { millis: 200, measuredMillis: 60_000, together: 5 },
  { millis: 2000, measuredMillis: 180_000, together: 20 },
];

/**
 * With different factors and steps of the concurrency limit: the shipped queue, control and SageMaker client, over HTTP on
 * loopback, with frames always waiting. Measured at the server, after a while, as shares; it takes 17 minutes.
 */
export const adaptiveConcurrency: BenchCase = {
  name: 'adaptive-concurrency',
  description: `an endpoint that takes ${CAPACITY} calls at a time and throttles the rest; beside a client that knows`,
  isLong: true,
  run: measure,
};

async function measure(options: CaseOptions): Promise<CaseResult> {
  const services = options.quick ? [{ millis: 20, measuredMillis: 500, together: 1 }] : SERVICES;
  const tables: Table[] = [];
  const shipped: Shares[] = [];
  for (const service of services) {
    const runs = options.quick ? [perfect(service), shippedRun(service)] : runsFor(service);
    const shares = await measureAll(runs, service, options);
    tables.push(tableOf(service, runs, shares));
    const index = runs.findIndex((run) => run.pool === POOLS[0] && run.adaptation === ADAPTATION);
    const [used, all] = [shares[index], shares[0]];
    if (used === undefined || all === undefined) throw new Error('the shipped adaptation was not measured');
    shipped.push({ ...used, capacityUsed: used.capacityUsed / all.capacityUsed });
  }
  return {
    tables,
    targets: [
      atLeast(
        0.9,
        'of what one uses that knows, where it is least',
        Math.min(...shipped.map(({ capacityUsed }) => capacityUsed)),
      ),
      atMost(
        0.05,
        'of the calls throttled, where they are most',
        Math.max(...shipped.map(({ throttled }) => throttled)),
      ),
    ],
    notes: [
      `"Used" is the part of its capacity that the endpoint was busy, and "throttled" the part of the calls, from the ${SETTLING_MILLIS / 1000}th second on; the first line is a client that is told the capacity.`,
    ],
  };
}

async function measureAll(runs: readonly Run[], service: Service, options: CaseOptions): Promise<Shares[]> {
  const shares: Shares[] = [];
  for (let first = 0; first < runs.length; first += service.together) {
    options.signal.throwIfAborted();
    options.progress(`${service.millis} ms, ${first} of ${runs.length} runs`);
    const childOptions: Options = {
      runs: runs.slice(first, first + service.together),
      settlingMillis: options.quick ? 500 : SETTLING_MILLIS,
      measuredMillis: service.measuredMillis,
    };
    shares.push(...(await inChild<Shares[]>('adaptive-concurrency', childOptions, options)));
  }
  return shares;
}

function runsFor(service: Service): Run[] {
  const { factor, step } = ADAPTATION;
  const withPool = (pool: number) =>
    FACTORS.map((other) => ({
      serviceMillis: service.millis,
      pool,
      adaptation: other === factor ? ADAPTATION : { factor: other, step },
    }));
  const steps = STEPS.filter((other) => other !== step).map((other) => ({
    ...shippedRun(service),
    adaptation: { factor, step: other },
  }));
  return [perfect(service), ...POOLS.flatMap(withPool), ...steps];
}

function shippedRun({ millis }: Service): Run {
  return { serviceMillis: millis, pool: POOLS[0] ?? CAPACITY, adaptation: ADAPTATION };
}

/** What a client reaches that knows the capacity. */
function perfect({ millis }: Service): Run {
  return { serviceMillis: millis, pool: CAPACITY, adaptation: ADAPTATION };
}

function tableOf({ millis }: Service, runs: readonly Run[], shares: readonly Shares[]): Table {
  return {
    caption: `an endpoint that takes ${millis} ms`,
    columns: [
      { title: 'pool' },
      { title: 'factor' },
      { title: 'step', digits: 3 },
      { title: 'used', digits: 3 },
      { title: 'throttled', digits: 3 },
      { title: 'throttled before', digits: 0 },
    ],
    rows: runs.map(({ pool, adaptation }, index) => {
      const { capacityUsed = null, throttled = null, throttledBefore = null } = shares[index] ?? {};
      return [String(pool), adaptation.factor, adaptation.step, capacityUsed, throttled, throttledBefore];
    }),
  };
}
