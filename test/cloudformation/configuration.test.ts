import { parseConfig } from '../../src/config/parse.ts';
import { evaluate, type Parameters } from './evaluate.ts';
import { FULL, MINIMAL } from './examples.ts';
import { refusals } from './parameters.ts';
import { statements } from './policies.ts';
import { MAIN_TEMPLATE, readTemplate } from './template.ts';

const template = readTemplate(MAIN_TEMPLATE);

/** The configuration that a stack with these parameters starts with. */
function configured(parameters: Parameters) {
  expect(refusals(template, { ...MINIMAL, ...parameters })).toEqual([]);
  const { resources } = evaluate(template, { ...MINIMAL, ...parameters });
  const { config, problems } = parseConfig(String(resources['Params']?.Properties['Value']));
  expect(problems).toEqual([]);
  return config;
}

function readable(parameters: Parameters) {
  const { resources } = evaluate(template, { ...MINIMAL, ...parameters });
  return statements(resources, 'TaskRole')
    .filter(({ actions }) => actions.includes('kinesisvideo:GetMedia'))
    .flatMap(({ resources: streams }) =>
      streams.map((arn) => arn.replace(/^arn:aws:kinesisvideo:[^:]*:[^:]*:/, '')),
    );
}

describe.each([
  ['one', 'front', ['front']],
  ['one, quoted', '"front"', ['front']],
  ['several', 'front,back', ['front', 'back']],
  ['several, quoted', '"front","back","garage_2.main-a"', ['front', 'back', 'garage_2.main-a']],
  ['with blanks', ' front , back ', ['front', 'back']],
  ['quoted, with blanks', ' "front" , "back" ', ['front', 'back']],
])('stream names: %s', (_what, StreamNames, names) => {
  test('are the ones configured', () => {
    expect(configured({ StreamNames })).toMatchObject({ streamNames: names, tagFilters: [] });
  });

  test('are the ones that the worker may read', () => {
    expect(readable({ StreamNames })).toEqual(names.map((name) => `stream/${name}/*`));
  });
});

/** https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html: of all policies within a role. */
const MAX_POLICY_CHARACTERS = 10_240;
/** Of the advanced tier: https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-advanced-parameters.html */
const MAX_PARAMETER_BYTES = 8192;

test.each([1, 8, 20, 60, 256])('as many stream names as are taken, each of %i characters, fit', (length) => {
  const named = (count: number) => ({
    ...FULL,
    TagFilters: '',
    StreamNames: Array(count).fill('n'.repeat(length)).join(','),
  });
  let count = 1;
  while (refusals(template, named(count + 1)).length === 0) count += 1;
  const { resources } = evaluate(template, named(count));
  const policy = JSON.stringify(statements(resources, 'TaskRole'));
  expect(count).toBeGreaterThanOrEqual(10);
  // The stack's own ARNs are longer than what stands for them here.
  expect(policy.length + 1000).toBeLessThan(MAX_POLICY_CHARACTERS);
  expect(String(resources['Params']?.Properties['Value']).length).toBeLessThan(MAX_PARAMETER_BYTES);
});

describe.each([
  ['one', '{"key":"Location"}', [{ key: 'Location' }]],
  [
    'one with values',
    '{"key":"Location","values":["Front","Parking"]}',
    [{ key: 'Location', values: ['Front', 'Parking'] }],
  ],
  [
    'several',
    '{"key":"Location","values":["Front"]}, {"key":"Site"}',
    [{ key: 'Location', values: ['Front'] }, { key: 'Site' }],
  ],
])('tag filters: %s', (_what, TagFilters, tagFilters) => {
  test.each(['', 'front', '"front"'])('beside the stream names %j', (StreamNames) => {
    const streamNames = StreamNames === '' ? [] : ['front'];
    expect(configured({ StreamNames, TagFilters })).toMatchObject({
      streamNames,
      tagFilters: tagFilters.map((filter) => expect.objectContaining(filter)),
    });
    expect(readable({ StreamNames, TagFilters })).toEqual(['stream/*']);
  });
});

test('by default the worker uses what the stack made, and makes nothing', () => {
  const { resources } = evaluate(template, MINIMAL);
  expect(JSON.parse(String(resources['Params']?.Properties['Value']))).toEqual({
    streamNames: ['front'],
    tagFilters: [],
    sageMakerEndpoint: 'detector',
    endPointAcceptContentType: 'image/jpeg',
    kdsStreamName: 'Kds.Ref',
    inferenceInterval: 6,
    leaseTable: 'LeaseTable.Ref',
    createLeaseTable: false,
    stopTimeoutInMilli: 120_000,
  });
  expect(configured({})).not.toBeNull();
});

test('the time to stop is the one that ECS gives', () => {
  const { resources } = evaluate(template, MINIMAL);
  expect(resources['TaskDefinition']?.Properties['ContainerDefinitions']).toMatchObject([
    { StopTimeout: 120 },
  ]);
  expect(configured({})).toMatchObject({ stopTimeoutInMilli: 120_000 });
});

test('every content type that may be chosen is one that the worker knows', () => {
  for (const type of template.Parameters?.['EndPointAcceptContentType']?.AllowedValues ?? []) {
    expect(configured({ EndPointAcceptContentType: type })).toMatchObject({
      endPointAcceptContentType: type,
    });
  }
});

test('the interval from end to end of its range', () => {
  for (const interval of [1, 6, 1_000_000]) {
    expect(configured({ InferenceInterval: interval })).toMatchObject({ inferenceInterval: interval });
  }
});

test('a bucket for large outputs is configured, and may be written to', () => {
  expect(configured({ ResultBucket: 'my-results' })).toMatchObject({ resultBucket: 'my-results' });
});

test('further configuration is added, and wins', () => {
  const more = '"mode":"live","inferenceInterval":30';
  expect(configured({ MoreConfiguration: more })).toMatchObject({ mode: 'live', inferenceInterval: 30 });
  expect(configured({ MoreConfiguration: more, ResultBucket: 'my-results' })).toMatchObject({ mode: 'live' });
});

test('several endpoints, of which the stack names one', () => {
  const config = configured({ MoreConfiguration: '"endpoints":[{"name":"detector"},{"name":"plates"}]' });
  expect(config?.endpoints.map(({ name }) => name)).toEqual(['detector', 'plates']);
});
