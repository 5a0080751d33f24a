import { setTimeout as delay } from 'node:timers/promises';
import type { SamplingPlan } from '../../src/lease/sampling.ts';
import { type Answer, serve } from '../support/http-server.ts';
import { DETECTION } from '../support/local-services.ts';
import { RecordedPlans } from './expected-ids.ts';
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

/** Each application reads its own, as a stream has no more than three readers at once. */
const STREAMS = {
  steps: ['steps-front', 'steps-back', 'steps-side'],
  killed: ['killed-front', 'killed-back'],
  two: ['two-front', 'two-back'],
} as const;
const CONFIG = {
  inferenceInterval: 1,
  checkpointIntervalInMilli: 300,
  metricsIntervalInMilli: 200,
  configRefreshIntervalInMilli: 1000,
};
const HANG_MILLIS = 8000;
const STEP_LIMIT_MILLIS = 60_000;
const TEST_LIMIT_MILLIS = 180_000;

let local: Local;
/** Samples every I-frame of all streams. */
let reference: Application;
const closers: Array<() => Promise<void>> = [];

beforeAll(async () => {
  local = await startLocal({ streams: Object.values(STREAMS).flat() });
  reference = await local.addApplication('reference', CONFIG);
  reference.startWorker();
}, STEP_LIMIT_MILLIS);

afterAll(async () => {
  await local.close();
  for (const close of closers) await close();
});

/** Endpoints behind one URL, whose answers can change. */
async function startEndpoints() {
  const calls = { underWay: 0, most: 0 };
  const endpoints = {
    answer: async (_name: string): Promise<Answer> => DETECTION,
    calls,
    /** How often each was asked. */
    asked: (name: string) => server.requests.filter(({ path }) => nameIn(path) === name).length,
    variables: {} as Record<string, string>,
  };
  const nameIn = (path: string) => path.split('/')[2] ?? '';
  const server = await serve(async ({ path }) => {
    calls.underWay += 1;
    calls.most = Math.max(calls.most, calls.underWay);
    try {
      return await endpoints.answer(nameIn(path));
    } finally {
      calls.underWay -= 1;
    }
  });
  closers.push(server.close);
  endpoints.variables = { AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME: server.url };
  return endpoints;
}

/** Until the leases say that each of these streams is sampled by such a plan; keeps what they say. */
async function untilPlanned(
  application: Application,
  plans: RecordedPlans,
  streamNames: readonly string[],
  isWanted: (plan: SamplingPlan) => boolean,
) {
  const isPlanned = async () => {
    const leases = await application.leases();
    plans.add(leases);
    return streamNames.every((name) => {
      const plan = leases.get(name)?.sampling.at(-1)?.plan;
      return plan !== undefined && isWanted(plan);
    });
  };
  await until('the plan is in the leases', isPlanned, STEP_LIMIT_MILLIS);
}

const hasInterval = (interval: number) => (plan: SamplingPlan) =>
  plan.endpoints.every(({ inferenceInterval }) => inferenceInterval === interval);
const goesTo =
  (...names: string[]) =>
  (plan: SamplingPlan) =>
    plan.endpoints.map(({ name }) => name).join() === names.join();

async function untilMoreResults(worker: WorkerUnderTest) {
  const before = worker.counted('ResultsPublished');
  await until('more results', () => worker.counted('ResultsPublished') > before + 5, STEP_LIMIT_MILLIS);
}

/** Ends the worker, and compares what was published with what the leases said of what was to be sampled. */
async function endAndCompare(application: Application, worker: WorkerUnderTest, plans: RecordedPlans) {
  await untilMoreResults(worker);
  const exitCode = await worker.kill('SIGTERM');
  expect([exitCode, exitCode === 0 ? '' : worker.failure()]).toEqual([0, '']);
  const ends = await application.leases();
  plans.add(ends);
  await untilReached(reference, ends);
  const results = await resultsUpTo(application, ends);
  expect(idsOf(results)).toEqual(plans.expectedIds(await resultsUpTo(reference, ends)));
  expect(results.filter(({ error }) => error !== undefined)).toEqual([]);
  return results;
}

test.concurrent(
  'everything can be changed while it runs, and nothing is lost',
  async () => {
    const [front, back, side] = STREAMS.steps;
    const plans = new RecordedPlans();
    const endpoints = await startEndpoints();
    let callMillis = 100;
    endpoints.answer = async () => {
      await delay(callMillis);
      return DETECTION;
    };
    const application = await local.addApplication('steps', { ...CONFIG, streamNames: [front, back] });
    const worker = application.startWorker(endpoints.variables);
    let parameter = application.config;
    const change = async (keys: Record<string, unknown>, ...lines: string[]) => {
      parameter = { ...parameter, ...keys };
      await local.putParameter('steps', parameter);
      for (const line of lines) await until(line, () => worker.said(line).length > 0);
    };
    const planned = (streamNames: readonly string[], isWanted: (plan: SamplingPlan) => boolean) =>
      untilPlanned(application, plans, streamNames, isWanted);
    await planned([front, back], hasInterval(1));
    await untilMoreResults(worker);

    await change({ inferenceInterval: 2 }, 'configuration changed: inferenceInterval: 1 → 2');
    await planned([front, back], hasInterval(2));
    await untilMoreResults(worker);

    callMillis = 800;
    await change(
      { sageMakerTaskThreadPoolSize: 1, sageMakerTaskQueueSize: 2 },
      'configuration changed: sageMakerTaskThreadPoolSize: 20 → 1',
      'configuration changed: sageMakerTaskQueueSize: 5000 → 2',
    );
    await until('those under way are done', () => endpoints.calls.underWay <= 1);
    endpoints.calls.most = 0;
    const linesBefore = worker.lines.length;
    const depths = () =>
      worker.lines.slice(linesBefore).flatMap(({ QueueDepth }) => (QueueDepth as number[] | undefined) ?? []);
    await until(
      'the queue has been full for a while',
      () => depths().filter((depth) => depth === 2).length > 10,
    );
    // What was inside before has gone by then.
    expect(Math.max(...depths().slice(depths().indexOf(2)))).toBe(2);
    expect(endpoints.calls.most).toBe(1);
    callMillis = 100;
    await change({ sageMakerTaskThreadPoolSize: 20, sageMakerTaskQueueSize: 5000 });

    await change(
      { streamNames: [front, side] },
      `configuration changed: streamNames: ["${front}","${back}"] → ["${front}","${side}"]`,
    );
    await planned([side], hasInterval(2));
    // The reference goes on.
    const readersOfBack = () => local.cluster.connections(back).getMedia;
    await until(
      'the stream is let go',
      () => readersOfBack() <= 1 && worker.said('lease retired').length > 0,
    );

    const two = [{ name: 'local-detector' }, { name: 'cars', inferenceInterval: 3 }];
    await change({ sageMakerEndpoint: undefined, endpoints: two }, 'configuration changed: endpoints');
    await planned([front, side], goesTo('local-detector', 'cars'));
    await until('the new endpoint is asked', () => endpoints.asked('cars') > 3);
    await change({ sageMakerEndpoint: 'local-detector', endpoints: undefined });
    await planned([front, side], goesTo('local-detector'));

    await change({ mode: 'live' }, 'configuration changed: mode: (default) → "live"');
    await untilMoreResults(worker);
    await change({ mode: 'lossless' }, 'configuration changed: mode: "live" → "lossless"');

    const good = parameter;
    await change(
      { inferenceInterval: 0, sageMakerTaskThreadPoolSize: 3, colour: 'red' },
      'configuration refused',
    );
    expect(worker.said('configuration refused')).toMatchObject([
      { problems: [{ key: 'inferenceInterval' }, { key: 'colour' }] },
    ]);
    await untilMoreResults(worker);
    parameter = good;
    await change({ colour: undefined }, 'configuration is right again');
    expect(worker.said('configuration changed: sageMakerTaskThreadPoolSize: 20 → 3')).toEqual([]);
    expect(worker.counted('ConfigErrors')).toBeGreaterThan(0);

    const results = await endAndCompare(application, worker, plans);
    expect(new Set(results.map(({ endpoint }) => endpoint))).toEqual(new Set(['local-detector', 'cars']));
    expect(worker.counted('FramesDropped') + worker.counted('FramesFailed') + worker.counted('Gaps')).toBe(0);
  },
  TEST_LIMIT_MILLIS,
);

test.concurrent(
  'killed right after a change: what is read again is sampled as it was',
  async () => {
    const plans = new RecordedPlans();
    const application = await local.addApplication('killed', {
      ...CONFIG,
      streamNames: STREAMS.killed,
      failoverTimeInMilli: 1000,
    });
    let worker = application.startWorker();
    await untilPlanned(application, plans, STREAMS.killed, hasInterval(1));
    for (const [inferenceInterval, line] of [
      [2, 'configuration changed: inferenceInterval'],
      [3, 'sampled by another plan from this fragment on'],
      [1, 'sampled by another plan from this fragment on'],
    ] as const) {
      await untilMoreResults(worker);
      await local.putParameter('killed', { ...application.config, inferenceInterval });
      await until(line, () => worker.said(line).length > 0, STEP_LIMIT_MILLIS);
      await delay(Math.random() * 500);
      await worker.kill('SIGKILL');
      worker = application.startWorker();
      await untilPlanned(application, plans, STREAMS.killed, hasInterval(inferenceInterval));
    }
    await endAndCompare(application, worker, plans);
    for (const name of STREAMS.killed) expect(plans.periods(name)).toHaveLength(4);
  },
  TEST_LIMIT_MILLIS,
);

test.concurrent(
  'two endpoints: one that hangs paces the streams that feed it, and no others',
  async () => {
    const [front, back] = STREAMS.two;
    const plans = new RecordedPlans();
    const endpoints = await startEndpoints();
    const application = await local.addApplication('two', {
      ...CONFIG,
      sageMakerEndpoint: undefined,
      endpoints: [{ name: 'people' }, { name: 'cars', inferenceInterval: 2, streams: [back] }],
      streamNames: STREAMS.two,
      sageMakerTaskQueueSize: 4,
      sageMakerTaskTimeoutInMilli: 3000,
    });
    const worker = application.startWorker(endpoints.variables);
    await untilPlanned(application, plans, [front], goesTo('people'));
    await untilPlanned(application, plans, [back], goesTo('people', 'cars'));
    await until(
      'both are asked',
      () => endpoints.asked('people') > 5 && endpoints.asked('cars') > 5,
      STEP_LIMIT_MILLIS,
    );

    endpoints.answer = async (name) => (name === 'cars' ? { trouble: 'hang' } : DETECTION);
    const since = Date.now();
    const doneUpTo = async (name: string) =>
      (await application.leases()).get(name)?.checkpoint?.serverTimestampMillis ?? 0;
    await until(
      'the other stream goes on',
      async () => (await doneUpTo(front)) > since + HANG_MILLIS,
      STEP_LIMIT_MILLIS,
    );
    expect(await doneUpTo(back)).toBeLessThan(since);
    // The healthy endpoint gets no more of the stream than the queue before the other one lets through.
    const ahead = (await application.results()).filter(
      ({ streamName, serverTimestamp }) =>
        streamName === back && Date.parse(serverTimestamp) > since + HANG_MILLIS / 2,
    );
    expect(ahead).toEqual([]);
    await until('it is said to be down', () => worker.said('endpoint is down').length > 0);
    expect(worker.said('endpoint is down')).toMatchObject([{ endpoint: 'cars' }]);

    endpoints.answer = async () => DETECTION;
    await untilDone(application, Date.now(), STEP_LIMIT_MILLIS);
    const results = await endAndCompare(application, worker, plans);
    const idsOfCars = results.filter(({ endpoint }) => endpoint === 'cars').map(({ id }) => id);
    expect(idsOfCars.length).toBeGreaterThan(10);
    expect(idsOfCars.filter((id) => !(id.startsWith(`${back}/`) && id.endsWith('/cars')))).toEqual([]);
    expect(worker.counted('FramesFailed')).toBe(0);
  },
  TEST_LIMIT_MILLIS,
);
