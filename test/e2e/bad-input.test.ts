import { awsError } from '../support/http-server.ts';
import { type Local, startLocal, until } from './local.ts';

let local: Local;
let isEndpointThere = true;

beforeAll(async () => {
  local = await startLocal({
    streams: ['front'],
    config: { startPosition: 'EARLIEST', inferenceInterval: 1, metricsIntervalInMilli: 500 },
    endpoint: () =>
      isEndpointThere
        ? { headers: { 'content-type': 'application/json' }, body: '{"prediction":[]}' }
        : awsError('ValidationError'),
  });
});

afterAll(async () => {
  await local.close();
});

beforeEach(() => {
  isEndpointThere = true;
});

const BASE = {
  streamNames: ['front'],
  sageMakerEndpoint: 'local-detector',
  kdsStreamName: 'kvs-inference-results',
  startPosition: 'EARLIEST',
  inferenceInterval: 1,
  metricsIntervalInMilli: 500,
};

/** Starts a worker of its own table with this configuration. */
async function startWorker(name: string, config: Record<string, unknown>) {
  await local.putParameter(name, { ...BASE, ...config });
  return local.startWorker({ CONFIG_PARAMETER: name });
}

test.each([
  ['no CONFIG_PARAMETER', '', 'CONFIG_PARAMETER is not set'],
  ['a parameter that is not there', '/team/nowhere', 'ssm:/team/nowhere: there is no such parameter'],
])('%s: said, exit 2', async (_name, parameter, message) => {
  const worker = local.startWorker({ CONFIG_PARAMETER: parameter });
  expect(await worker.ended).toBe(2);
  expect(worker.stderr()).toContain(message);
});

test('a wrong parameter: every problem is listed, exit 2', async () => {
  const worker = await startWorker('wrong', { inferenceInterval: 0, kdsStreamName: 7, speed: 'fast' });
  expect(await worker.ended).toBe(2);
  expect(worker.stderr()).toContain('ssm:wrong: 3 problems');
  expect(worker.stderr()).toContain('inferenceInterval: 0, expected at least 1');
  expect(worker.stderr()).toContain('kdsStreamName: 7, expected a string');
  expect(worker.stderr()).toContain('speed: "fast", expected no such key');
});

test('a stream that does not exist is named once and looked for again, and the others go on', async () => {
  const worker = await startWorker('missing-stream', {
    streamNames: ['front', 'nowhere'],
    leaseSyncIntervalInMilli: 1000,
  });
  const lines = (level: string) =>
    worker.lines.filter((line) => line['stream'] === 'nowhere' && line['level'] === level);
  await until('results of the other', async () => (await local.results()).length > 2);
  expect(lines('warn')).toHaveLength(1);
  local.cluster.createStream('nowhere');
  await until('its lease', async () => (await local.leases('missing-stream')).has('nowhere'));
  expect(lines('info')).toHaveLength(1);
  expect(lines('warn')).toHaveLength(1);
  expect(await worker.kill('SIGTERM')).toBe(0);
}, 60_000);

test('an endpoint that does not exist: one line, not one a frame, and every frame is counted and named', async () => {
  isEndpointThere = false;
  const worker = await startWorker('missing-endpoint', { sageMakerEndpoint: 'gone' });
  await until('ten frames have failed', () => worker.counted('FramesFailed') >= 10);
  const errors = () => worker.lines.filter((line) => line['level'] === 'error');
  expect(errors()).toMatchObject([{ error: 'ValidationError', endpoint: 'gone', id: expect.any(String) }]);
  expect(await worker.kill('SIGTERM')).toBe(0);
  expect(worker.counted('FramesFailed')).toBe(worker.counted('FramesSampled'));
  // What had no line yet has one at the end.
  const named = errors().flatMap(({ id, failed }) => failed ?? [id]);
  expect(named).toHaveLength(worker.counted('FramesFailed'));
}, 60_000);

test('a data stream that is not there yet: nothing is lost, reading waits', async () => {
  const worker = await startWorker('missing-data-stream', {
    kdsStreamName: 'late',
    sageMakerTaskQueueSize: 3,
  });
  await until('a warning', () =>
    worker.lines.some(
      ({ errors }) => (errors as Record<string, number> | undefined)?.['ResourceNotFoundException'],
    ),
  );
  expect((await local.leases('missing-data-stream')).get('front')?.checkpoint).toBeNull();
  await local.createDataStream('late');
  await until('results', async () => (await local.results('late')).length > 6);
  const results = await local.results('late');
  const first = [...new Set(results.map(({ fragmentNumber }) => fragmentNumber))].sort()[0];
  const [oldest] = await local
    .results()
    .then((all) => all.map(({ fragmentNumber }) => fragmentNumber).sort());
  expect(first).toBe(oldest);
  expect(await worker.kill('SIGTERM')).toBe(0);
}, 60_000);
