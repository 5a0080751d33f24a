import { setTimeout as delay } from 'node:timers/promises';
import type { ResultRecord } from '../../src/result/record.ts';
import { type Answer, serve } from '../support/http-server.ts';
import { DETECTION } from '../support/local-services.ts';
import {
  type Application,
  type Local,
  startLocal,
  until,
  untilReached,
  type WorkerUnderTest,
} from './local.ts';

/** Each application reads its own, as a stream has no more than three readers at once. */
const STREAMS = {
  slow: ['slow-front', 'slow-back'],
  hang: ['hang-front', 'hang-back'],
  restart: ['restart-front', 'restart-back'],
} as const;
type Name = keyof typeof STREAMS;
const NAMES = Object.keys(STREAMS) as Name[];
const CONFIG = {
  inferenceInterval: 1,
  failoverTimeInMilli: 2000,
  checkpointIntervalInMilli: 300,
  metricsIntervalInMilli: 300,
};
/** Of the slow endpoint, which is asked about one frame at a time: far fewer than there are. */
const SLOW_MILLIS = 700;
const TIMEOUT_MILLIS = 2000;
const TROUBLE_MILLIS = 9000;
/** Longer than the greatest age of a frame, 5 s. */
const DOWN_MILLIS = 8000;
const LIMIT_MILLIS = 120_000;

let local: Local;
/** What there is: every I-frame. */
let all: ResultRecord[];
const outcomes = new Map<string, Outcome>();
const endpoints: Array<{ close(): Promise<void> }> = [];

interface Outcome {
  /** One after the other; the last one ended by itself. */
  readonly workers: readonly WorkerUnderTest[];
  readonly exitCode: number | null;
  readonly results: readonly ResultRecord[];
}

/** An application with an endpoint of its own, whose answers can change. */
interface LiveRun {
  readonly name: Name;
  readonly application: Application;
  readonly workers: WorkerUnderTest[];
  answer: () => Answer | Promise<Answer>;
  start(): WorkerUnderTest;
}

beforeAll(async () => {
  local = await startLocal({ streams: Object.values(STREAMS).flat() });
  const reference = await local.addApplication('reference', CONFIG);
  const referenceWorker = reference.startWorker();
  const runs = await Promise.all([
    startLive('slow', { sageMakerTaskThreadPoolSize: 1 }),
    startLive('hang', {
      sageMakerTaskThreadPoolSize: 2,
      sageMakerTaskTimeoutInMilli: TIMEOUT_MILLIS,
      // Enough to grow too old, before younger ones take their places.
      maxWaitingFramesPerStream: 20,
    }),
    startLive('restart', {}),
  ]);
  const [slow, hang, restart] = runs;
  await Promise.all([beSlow(slow), hangForAWhile(hang), beDownForAWhile(restart)]);

  await local.cluster.stopCameras();
  // The last fragments are stored.
  await delay(1000);
  const ends = await untilRead(reference);
  await referenceWorker.kill('SIGTERM');
  all = await reference.results();
  for (const { name, application, workers } of runs) {
    const names: readonly string[] = STREAMS[name];
    await untilReached(application, new Map([...ends].filter(([stream]) => names.includes(stream))));
    const exitCode = (await workers.at(-1)?.kill('SIGTERM')) ?? null;
    outcomes.set(name, { workers, exitCode, results: await application.results() });
  }
}, LIMIT_MILLIS);

afterAll(async () => {
  await local.close();
  for (const { close } of endpoints) await close();
});

async function startLive(name: Name, config: Record<string, unknown>): Promise<LiveRun> {
  const endpoint = await serve(() => run.answer());
  endpoints.push(endpoint);
  const application = await local.addApplication(name, {
    ...CONFIG,
    mode: 'live',
    streamNames: STREAMS[name],
    ...config,
  });
  const run: LiveRun = {
    name,
    application,
    workers: [],
    answer: () => DETECTION,
    start() {
      const worker = application.startWorker({ AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME: endpoint.url });
      run.workers.push(worker);
      return worker;
    },
  };
  run.start();
  return run;
}

async function beSlow(run: LiveRun): Promise<void> {
  run.answer = async () => {
    await delay(SLOW_MILLIS);
    return DETECTION;
  };
  const [worker] = run.workers;
  await until('frames are dropped', () => (worker?.counted('FramesDropped') ?? 0) > 20);
}

async function hangForAWhile(run: LiveRun): Promise<void> {
  const [worker] = run.workers;
  const published = () => worker?.counted('ResultsPublished') ?? 0;
  await until('results', () => published() > 5);
  run.answer = () => ({ trouble: 'hang' });
  await delay(TROUBLE_MILLIS);
  run.answer = () => DETECTION;
  const before = published();
  await until('results again', () => published() > before + 5);
}

async function beDownForAWhile(run: LiveRun): Promise<void> {
  const [worker] = run.workers;
  await until('results', () => (worker?.counted('ResultsPublished') ?? 0) > 5);
  // Those of the first seconds, when it catches up, share a line every ten seconds.
  const isNamed = () => givenUp(run.workers).length === worker?.counted('FramesDropped');
  await until('the log names what was dropped', isNamed);
  // Without one everything is read, as the streams are read from their earliest fragment.
  const leases = async () => [...(await run.application.leases()).values()];
  await until('checkpoints', async () => (await leases()).every(({ checkpoint }) => checkpoint !== null));
  await worker?.kill('SIGKILL');
  await delay(DOWN_MILLIS);
  const next = run.start();
  await until('results again', () => next.counted('ResultsPublished') > 5);
}

/** Until an application makes no more progress. @returns its leases */
async function untilRead({ leases }: Application) {
  const checkpoints = async () =>
    JSON.stringify([...(await leases()).values()].map((lease) => lease.checkpoint));
  let last = '';
  await until('everything is read', async () => {
    const now = await checkpoints();
    const isSame = now === last;
    last = now;
    await delay(1500);
    return isSame;
  });
  return await leases();
}

function outcomeOf(name: Name): Outcome {
  const outcome = outcomes.get(name);
  if (outcome === undefined) throw new Error(`${name} was not run`);
  return outcome;
}

/** Ids that the log names as dropped or failed. */
function givenUp(workers: readonly WorkerUnderTest[]): string[] {
  const dropped = workers.flatMap(({ said }) => said('frames dropped'));
  const failed = workers.flatMap(({ said }) => said('frame failed'));
  return [...dropped.flatMap(({ ids }) => ids as string[]), ...failed.map(({ id }) => String(id))];
}

/** Whether the fragment lies in a span that the log says was skipped. */
function isSkipped(
  { streamName, fragmentNumber }: ResultRecord,
  workers: readonly WorkerUnderTest[],
): boolean {
  const number = BigInt(fragmentNumber);
  return workers
    .flatMap(({ said }) => said('skipped to stay fresh') as unknown as SkipLine[])
    .filter((line) => line.streamName === streamName)
    .some(
      ({ before, after }) => BigInt(before.fragmentNumber) < number && number < BigInt(after.fragmentNumber),
    );
}

interface SkipLine {
  readonly streamName: string;
  readonly before: { readonly fragmentNumber: string };
  readonly after: { readonly fragmentNumber: string };
  readonly spanMillis: number;
}

describe.each(NAMES)('%s', (name) => {
  test('whatever is missing was dropped, or lies in a span that was skipped: the log names it', () => {
    const { workers, exitCode, results } = outcomeOf(name);
    expect([exitCode, exitCode === 0 ? '' : workers.at(-1)?.failure()]).toEqual([0, '']);
    const published = new Set(results.map(({ id }) => id));
    const named = new Set(givenUp(workers));
    const streams: readonly string[] = STREAMS[name];
    const missing = all.filter(({ id, streamName }) => streams.includes(streamName) && !published.has(id));
    expect(missing.length).toBeGreaterThan(10);
    expect(missing.filter((frame) => !named.has(frame.id) && !isSkipped(frame, workers))).toEqual([]);
  });

  test('the metrics agree with the log', () => {
    const { workers } = outcomeOf(name);
    const worker = workers.at(-1) as WorkerUnderTest;
    const [sampled, published, failed, dropped] = (
      ['FramesSampled', 'ResultsPublished', 'FramesFailed', 'FramesDropped'] as const
    ).map((metric) => worker.counted(metric));
    expect(sampled).toBe((published ?? 0) + (failed ?? 0) + (dropped ?? 0));
    expect((failed ?? 0) + (dropped ?? 0)).toBe(givenUp([worker]).length);
    expect(worker.counted('Skips')).toBe(worker.said('skipped to stay fresh').length);
    expect(worker.counted('Gaps')).toBe(0);
  });
});

test('slow: no more than two frames of a stream wait', () => {
  const { workers } = outcomeOf('slow');
  const depths = workers.flatMap(({ observed }) => observed('QueueDepth'));
  // Beside them are those in their slots, and those whose results are being published.
  expect(Math.max(...depths)).toBeLessThanOrEqual(2 * STREAMS.slow.length + 8);
});

test('hang: the endpoint is said to be down, and frames to be too old', () => {
  const [worker] = outcomeOf('hang').workers;
  expect(worker?.said('endpoint is down').length).toBeGreaterThan(0);
  expect(worker?.said('older than maxFrameAgeInMilli').length).toBeGreaterThan(0);
});

test('restart: one span of each stream is skipped', () => {
  const skips = outcomeOf('restart').workers.at(-1)?.said('skipped to stay fresh') as unknown as SkipLine[];
  expect(skips.map(({ streamName }) => streamName).sort()).toEqual([...STREAMS.restart].sort());
});
