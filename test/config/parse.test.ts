import { readFileSync } from 'node:fs';
import { configJsonSchema, recordJsonSchema } from '../../src/cli/config.ts';
import { applicationName, leaseTableName } from '../../src/config/load.ts';
import { configError, parseConfig } from '../../src/config/parse.ts';
import { configKeys } from '../../src/config/schema.ts';
import { UsageError } from '../../src/core/errors.ts';

const file = (name: string) => readFileSync(new URL(`../../config/${name}`, import.meta.url), 'utf8');

test('a KIT parameter works unchanged', () => {
  const kit = {
    streamNames: ['front', 'back', ''],
    tagFilters: [{ key: 'Location', values: ['Front', 'Parking'] }],
    sageMakerEndpoint: 'my-endpoint',
    endPointAcceptContentType: 'image/png',
    kdsStreamName: 'my-results',
    inferenceInterval: 3,
    sageMakerTaskQueueSize: 100,
    sageMakerTaskThreadPoolSize: 7,
    sageMakerTaskTimeoutInMilli: 1000,
    sageMakerTaskThreadPoolName: 'Pool-%d',
  };
  expect(parseConfig(JSON.stringify(kit)).config).toMatchObject({ ...kit, streamNames: ['front', 'back'] });
});

test("what is left out has KIT's defaults", () => {
  const { config } = parseConfig('{"streamNames":["a"],"sageMakerEndpoint":"e","kdsStreamName":"k"}');
  expect(config).toMatchObject({
    tagFilters: [],
    endPointAcceptContentType: 'image/jpeg',
    inferenceInterval: 6,
    sageMakerTaskQueueSize: 5000,
    sageMakerTaskThreadPoolSize: 20,
    sageMakerTaskTimeoutInMilli: 20000,
    sageMakerTaskThreadPoolName: 'SageMakerThreadPool-%d',
    startPosition: 'NOW',
  });
});

test('every problem is found at once: key, value, what is expected', () => {
  const { problems } = parseConfig(
    JSON.stringify({
      streamNames: ['ok', 'not ok'],
      tagFilters: [{ values: ['x'] }],
      sageMakerEndpoint: 'my_endpoint',
      endPointAcceptContentType: 'image/webp',
      inferenceInterval: 0,
      sageMakerTaskQueueSize: 1.5,
      sageMakerTaskThreadPoolSize: '20',
      InferenceInterval: 6,
      speed: 'fast',
      mode: 'fast',
    }),
  );
  expect(problems).toEqual(
    expect.arrayContaining([
      {
        key: 'streamNames[1]',
        value: '"not ok"',
        expected: 'a Kinesis video stream name (1 to 256 of a-z A-Z 0-9 _ . -) or its ARN',
      },
      { key: 'tagFilters[0].key', value: '(missing)', expected: 'a string' },
      { key: 'sageMakerEndpoint', value: '"my_endpoint"', expected: expect.stringContaining('1 to 63') },
      {
        key: 'endPointAcceptContentType',
        value: '"image/webp"',
        expected: 'one of "image/jpeg", "image/png", "image/bmp", "image/gif", "application/x-image"',
      },
      { key: 'kdsStreamName', value: '(missing)', expected: 'a string' },
      { key: 'mode', value: '"fast"', expected: 'one of "lossless", "live"' },
      { key: 'inferenceInterval', value: '0', expected: 'at least 1' },
      { key: 'sageMakerTaskQueueSize', value: '1.5', expected: 'a whole number' },
      { key: 'sageMakerTaskThreadPoolSize', value: '"20"', expected: 'a number' },
      { key: 'InferenceInterval', value: '6', expected: 'no such key: is "inferenceInterval" meant?' },
      { key: 'speed', value: '"fast"', expected: 'no such key' },
    ]),
  );
  expect(problems).toHaveLength(11);
});

test.each([
  ['no JSON', '{streamNames', '(whole)'],
  ['no object', '[]', '(whole)'],
  ['nothing to read', '{"streamNames":[""],"sageMakerEndpoint":"e","kdsStreamName":"k"}', 'streamNames'],
  [
    'metrics that come more rarely than the alarms look',
    '{"streamNames":["a"],"sageMakerEndpoint":"e","kdsStreamName":"k","metricsIntervalInMilli":120001}',
    'metricsIntervalInMilli',
  ],
])('%s', (_name, text, key) => {
  const { config, problems } = parseConfig(text);
  expect(config).toBeNull();
  expect(problems.map((problem) => problem.key)).toEqual([key]);
});

test('an error lists the problems, one a line', () => {
  const error = configError('ssm:app', parseConfig('{}').problems);
  expect(error).toBeInstanceOf(UsageError);
  expect(error.message.split('\n')).toEqual([
    'ssm:app: 3 problems in the configuration',
    '  kdsStreamName: (missing), expected a string',
    '  streamNames: (missing), expected at least one stream name, or tagFilters',
    '  sageMakerEndpoint: (missing), expected the name of a SageMaker endpoint',
  ]);
});

test("the lease table is the last segment of the parameter's name", () => {
  expect(applicationName('/team/my-app')).toBe('my-app');
  expect(leaseTableName({}, 'my-app')).toBe('my-app');
  expect(leaseTableName({ leaseTable: 'leases' }, 'x')).toBe('leases');
  expect(() => leaseTableName({}, '/team/x')).toThrow(
    'leaseTable is needed, as "x" is no name for a DynamoDB table',
  );
});

test('the published schemas are those of the code', () => {
  expect(file('kvs-inference.schema.json')).toBe(`${configJsonSchema()}\n`);
  expect(file('result-record.schema.json')).toBe(`${recordJsonSchema()}\n`);
});

test('the default configuration is one, and holds every default', () => {
  const parsed = parseConfig(file('default.json'));
  const given = JSON.parse(file('default.json')) as Record<string, unknown>;
  expect(given['$schema']).toBe('./kvs-inference.schema.json');
  const { $schema: _, ...values } = given;
  expect(parsed.config).toMatchObject(values);
  // What is not in the file has no default that could stand there.
  const withoutDefault = Object.keys(configKeys.shape).filter((key) => !(key in given));
  for (const key of withoutDefault)
    expect([key, configKeys.shape[key as 'mode'].safeParse(undefined).data]).toEqual([key, undefined]);
});
