import { askHealth } from '../support/ask-health.ts';
import { awsError, serve } from '../support/http-server.ts';
import { freePort } from '../support/loopback.ts';
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
}, 60_000);

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
async function startWorker(
  name: string,
  config: Record<string, unknown>,
  variables: Record<string, string> = {},
) {
  await local.putParameter(name, { ...BASE, ...config });
  return local.startWorker({ CONFIG_PARAMETER: name, ...variables });
}

test.each<[string, string, string, Record<string, string>?]>([
  ['no CONFIG_PARAMETER', '', 'CONFIG_PARAMETER is not set'],
  ['a parameter that is not there', '/team/nowhere', 'ssm:/team/nowhere: there is no such parameter'],
  [
    'a port that is none',
    'any',
    'HEALTH_PORT is "80a", expected a port from 1 to 65535',
    { HEALTH_PORT: '80a' },
  ],
  [
    'no region',
    'any',
    'no AWS region: AWS_REGION is not set',
    { AWS_REGION: '', AWS_CONFIG_FILE: '/nowhere' },
  ],
  // Where nothing is to be logged, this is all the same.
  ['a log level that is silent', '', 'CONFIG_PARAMETER is not set', { LOG_LEVEL: 'silent' }],
])('%s: one line of the log says so, exit 2', async (_name, parameter, message, variables = {}) => {
  const worker = local.startWorker({ CONFIG_PARAMETER: parameter, ...variables });
  expect(await worker.ended).toBe(2);
  expect(worker.lines).toEqual([
    expect.objectContaining({ level: 'fatal', msg: expect.stringContaining(message) }),
  ]);
});

test('a parameter that may not be read: the line names the role and the statement that it lacks, exit 1', async () => {
  const arn = 'arn:aws:ssm:us-east-1:123456789012:parameter/team/app';
  const message = `User: arn:aws:sts::123456789012:assumed-role/task-role/7f is not authorized to perform: ssm:GetParameter on resource: ${arn} because no identity-based policy allows the ssm:GetParameter action`;
  const ssm = await serve(() => awsError('AccessDeniedException', 400, { message, Message: message }));
  const worker = local.startWorker({ CONFIG_PARAMETER: '/team/app', AWS_ENDPOINT_URL_SSM: ssm.url });
  expect(await worker.ended).toBe(1);
  await ssm.close();
  expect(worker.lines).toEqual([
    expect.objectContaining({
      level: 'fatal',
      msg: expect.stringMatching(
        /\/team\/app cannot be read.*add the statement to the policy of the task role task-role/,
      ),
      statement: { Effect: 'Allow', Action: 'ssm:GetParameter', Resource: arn },
    }),
  ]);
});

test('a wrong parameter: every problem is listed, exit 2', async () => {
  const worker = await startWorker('wrong', { inferenceInterval: 0, kdsStreamName: 7, speed: 'fast' });
  expect(await worker.ended).toBe(2);
  const problems = [
    'inferenceInterval: 0, expected at least 1',
    'kdsStreamName: 7, expected a string',
    'speed: "fast", expected no such key',
  ];
  expect(worker.lines).toMatchObject([{ level: 'fatal', problems: [{}, {}, {}] }]);
  expect(worker.failure()).toContain('ssm:wrong: 3 problems');
  expect(problems.filter((problem) => !worker.failure().includes(problem))).toEqual([]);
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
  await local.kinesisVideo.createStream({ StreamName: 'nowhere', DataRetentionInHours: 0 });
  await until('its lease', async () => (await local.leases('missing-stream')).has('nowhere'));
  await until('what is said of its retention', () => worker.said('update-data-retention').length > 0);
  expect(lines('info')).toHaveLength(1);
  expect(lines('warn')).toHaveLength(1);
  expect(worker.said('update-data-retention')).toMatchObject([
    { level: 'warn', streamName: 'nowhere', dataRetentionInHours: 0 },
  ]);
  expect(await worker.kill('SIGTERM')).toBe(0);
}, 60_000);

test('video that may not be read: said once a minute for each action, with the statement that is lacking', async () => {
  const startedAt = Date.now();
  const kinesisVideo = await serve(() => awsError('NotAuthorizedException', 401));
  const variables = { AWS_ENDPOINT_URL_KINESIS_VIDEO: kinesisVideo.url };
  const worker = await startWorker('not-permitted', {}, variables);
  const said = (operation: string) => worker.said(`kinesisvideo:${operation} is not allowed`);
  await until('both', () => said('DescribeStream').length > 0 && said('GetDataEndpoint').length > 0);
  expect(await worker.kill('SIGTERM')).toBe(0);
  await kinesisVideo.close();
  // Without DescribeStream it can do, and says what it does.
  for (const [operation, level] of [
    ['DescribeStream', 'warn'],
    ['GetDataEndpoint', 'error'],
  ] as const) {
    const Resource = 'arn:aws:kinesisvideo:us-east-1:*:stream/front/*';
    const statement = { Effect: 'Allow', Action: `kinesisvideo:${operation}`, Resource };
    expect(said(operation)[0]).toMatchObject({ level, statement });
    expect(said(operation).length).toBeLessThanOrEqual(1 + (Date.now() - startedAt) / 60_000);
  }
}, 60_000);

test('an endpoint that does not exist: one line, not one a frame, and every frame is counted and named', async () => {
  isEndpointThere = false;
  const HEALTH_PORT = String(await freePort());
  const worker = await startWorker('missing-endpoint', { sageMakerEndpoint: 'gone' }, { HEALTH_PORT });
  await until('ten frames have failed', () => worker.counted('FramesFailed') >= 10);
  // Its loops run: a new worker in its place would do no better.
  expect(await askHealth({ HEALTH_PORT })).toEqual({ code: 0, output: 'healthy\n' });
  const errors = () => worker.lines.filter((line) => line['level'] === 'error');
  expect(errors()).toMatchObject([{ error: 'ValidationError', endpoint: 'gone', id: expect.any(String) }]);
  expect(await worker.kill('SIGTERM')).toBe(0);
  expect(await askHealth({ HEALTH_PORT })).toEqual({
    code: 1,
    output: expect.stringMatching(
      /^kvs-inference: unhealthy: the worker cannot be asked at .*ECONNREFUSED.*\n$/,
    ),
  });
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
