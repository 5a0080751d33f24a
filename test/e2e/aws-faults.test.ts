import { setTimeout as delay } from 'node:timers/promises';
import type { MetricName } from '../../src/core/metric-names.ts';
import { startHttpProxy } from '../chaos/proxy.ts';
import { serve } from '../support/http-server.ts';
import { Random } from '../support/random.ts';
import { FAULT_CASES, type FaultCase, type Line } from './faulty-services.ts';
import {
  type Application,
  idsOf,
  type Local,
  resultsUpTo,
  startLocal,
  until,
  untilDone,
  untilReached,
  type WorkerUnderTest,
} from './local.ts';

/** How long a fault lasts, unless it takes longer until it shows. */
const FAULT_MILLIS = 8000;
/** Of each step of a run, as all runs start at once. */
const LIMIT_MILLIS = 60_000;
const TEST_LIMIT_MILLIS = 180_000;
const CONFIG = {
  inferenceInterval: 2,
  checkpointIntervalInMilli: 500,
  metricsIntervalInMilli: 500,
};
const LOSSES: readonly MetricName[] = ['FramesFailed', 'FramesDropped', 'Gaps', 'Skips'];
const TROUBLE: readonly MetricName[] = [
  'EndpointPauses',
  'ReaderStalls',
  'ReaderBlocks',
  'LeasesLost',
  'ConfigErrors',
];

/** Each application reads streams of its own, as a stream has no more than three readers at once. */
const streamsOf = (name: string, { streams = 1 }: FaultCase) =>
  Array.from({ length: streams }, (_, index) => `${name}-${index + 1}`);
const CASES = Object.entries(FAULT_CASES);
const STREAMS = CASES.flatMap(([name, faultCase]) => streamsOf(name, faultCase));

let local: Local;
/** Reads all of them, and nothing happens to it. */
let reference: Application;
let referenceWorker: WorkerUnderTest;
/** All faults, side by side. */
const runs = new Map<string, ReturnType<typeof run>>();
let withoutParameter: Promise<WorkerUnderTest>;
let withLateParameter: Promise<WorkerUnderTest>;

beforeAll(async () => {
  local = await startLocal({ streams: STREAMS });
  reference = await local.addApplication('reference', CONFIG);
  referenceWorker = reference.startWorker();
  for (const [name, faultCase] of CASES) runs.set(name, run(name, faultCase));
  withoutParameter = startWithoutParameter();
  withLateParameter = startWithLateParameter();
  // Each is awaited by its own test.
  for (const work of [...runs.values(), withoutParameter, withLateParameter]) work.catch(() => undefined);
}, LIMIT_MILLIS);

afterAll(async () => {
  await Promise.allSettled(runs.values());
  await local.close();
}, TEST_LIMIT_MILLIS);

/** Runs a worker whose service works, goes wrong for a while, and works again. */
async function run(name: string, faultCase: FaultCase) {
  const { variable, start, config, change, says, saysLater = [], faultMillis = FAULT_MILLIS } = faultCase;
  const service = await start(local.env[variable] ?? '');
  try {
    const application = await local.addApplication(name, {
      ...CONFIG,
      ...config,
      streamNames: streamsOf(name, faultCase),
    });
    const worker = application.startWorker({ [variable]: service.url });
    await until(`results of ${name}`, () => worker.counted('ResultsPublished') > 3, LIMIT_MILLIS);

    await service.strike();
    if (change !== undefined) await local.putParameter(name, { ...application.config, ...change });
    await delay(faultMillis);
    await until(`${name} says what is wrong`, () => hasSaid(worker, says));
    await service.heal();
    await untilDone(application, Date.now(), LIMIT_MILLIS);
    await until(`${name} says that it is over`, () => hasSaid(worker, saysLater));

    const exitCode = await worker.kill('SIGTERM');
    const ends = await application.leases();
    await untilReached(reference, ends);
    const referenceResults = await resultsUpTo(reference, ends);
    return { worker, exitCode, results: await resultsUpTo(application, ends), referenceResults };
  } finally {
    await service.close();
  }
}

function hasSaid(worker: WorkerUnderTest, lines: readonly Line[]): boolean {
  return lines.every(([message, fields]) =>
    worker.said(message).some((line) => expect.objectContaining(fields).asymmetricMatch(line)),
  );
}

async function startWithoutParameter(): Promise<WorkerUnderTest> {
  const ssm = await serve(() => ({}));
  await ssm.close();
  const worker = local.startWorker({ CONFIG_PARAMETER: '/team/missing', AWS_ENDPOINT_URL_SSM: ssm.url });
  await worker.ended;
  return worker;
}

async function startWithLateParameter(): Promise<WorkerUnderTest> {
  const target = local.env['AWS_ENDPOINT_URL_SSM'] ?? '';
  const ssm = await startHttpProxy({ target, random: new Random(1) });
  try {
    ssm.harm('failed', 1);
    const { startWorker } = await local.addApplication('late', { ...CONFIG, streamNames: ['none'] });
    const worker = startWorker({ AWS_ENDPOINT_URL_SSM: ssm.url });
    await until('it tries again', () => worker.said('trying again').length > 0, LIMIT_MILLIS);
    ssm.heal();
    await until('it has started', () => worker.said('worker started').length > 0, LIMIT_MILLIS);
    await worker.kill('SIGTERM');
    return worker;
  } finally {
    await ssm.close();
  }
}

test.each(CASES)(
  '%s: the worker says so, stays up, and loses nothing',
  async (name, { metrics }) => {
    const outcome = await runs.get(name);
    if (outcome === undefined) throw new Error('not run');
    const { worker, exitCode, results, referenceResults } = outcome;
    expect([exitCode, exitCode === 0 ? '' : worker.failure()]).toEqual([0, '']);
    expect(idsOf(results)).toEqual(idsOf(referenceResults));
    expect(results.length).toBeGreaterThan(10);
    expect(results.filter(({ error }) => error !== undefined)).toEqual([]);
    expect(metrics.filter((metric) => worker.counted(metric) === 0)).toEqual([]);
    expect(LOSSES.filter((metric) => worker.counted(metric) > 0)).toEqual([]);
  },
  TEST_LIMIT_MILLIS,
);

test(
  'while no endpoint is there the newest result grows older, as the metrics say',
  async () => {
    const { worker } = (await runs.get('sagemaker-gone')) ?? {};
    const lines = worker?.lines ?? [];
    const end = lines.findLastIndex(({ msg }) => String(msg).includes('endpoint is back after'));
    expect(lines[end]).toMatchObject({ downMillis: expect.any(Number) });
    const ages = lines
      .slice(0, end)
      .flatMap((line) => (line['NewestResultAge'] as number[] | undefined) ?? []);
    expect(ages.at(-1)).toBeGreaterThan(Number(lines[end]?.['downMillis']) / 2);
  },
  TEST_LIMIT_MILLIS,
);

test('an endpoint that throttles is not taken for one that is down', async () => {
  const { worker } = (await runs.get('sagemaker-throttled')) ?? {};
  expect(worker?.said('endpoint is down')).toEqual([]);
});

test(
  'a parameter that cannot be read at the start: tried again, then named, exit 1',
  async () => {
    const worker = await withoutParameter;
    expect(await worker.ended).toBe(1);
    expect(worker.said('ssm:/team/missing cannot be read: ECONNREFUSED').length).toBeGreaterThan(3);
    expect(worker.failure()).toContain('ssm:/team/missing cannot be read: ECONNREFUSED');
  },
  TEST_LIMIT_MILLIS,
);

test(
  'a parameter that can be read late: the worker starts',
  async () => {
    const worker = await withLateParameter;
    expect(await worker.ended).toBe(0);
    expect(worker.said('ssm:late cannot be read').length).toBeGreaterThan(0);
  },
  TEST_LIMIT_MILLIS,
);

test(
  'nobody else is affected',
  async () => {
    await Promise.allSettled(runs.values());
    expect(await referenceWorker.kill('SIGTERM')).toBe(0);
    expect([...LOSSES, ...TROUBLE].filter((metric) => referenceWorker.counted(metric) > 0)).toEqual([]);
  },
  TEST_LIMIT_MILLIS,
);
