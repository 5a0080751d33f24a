import { awsError } from '../support/http-server.ts';
import { type Aws, CONFIG, json, startAws } from './aws.ts';

let aws: Aws;

beforeEach(async () => {
  aws = await startAws();
});

afterEach(() => aws.close());

test('a configuration that is not there', async () => {
  aws.answer('GetParameter', awsError('ParameterNotFound'));
  expect(await aws.troubles()).toMatchObject([
    { check: 'GetParameter', detail: 'there is no such parameter' },
  ]);
});

test('a configuration that is wrong: each problem, and nothing else', async () => {
  aws.putConfig({ inferenceInterval: 0, streamNames: 'front' });
  expect(await aws.troubles()).toMatchObject([
    { check: 'GetParameter', detail: '2 problems in the configuration: nothing else is checked' },
    { check: 'configuration', target: 'streamNames', detail: '"front", expected an array' },
    { check: 'configuration', target: 'inferenceInterval', detail: '0, expected at least 1' },
  ]);
  expect(aws.operations()).toEqual(new Set(['GetParameter']));
});

test('a configuration in a file, without a name: what is called after it is left out', async () => {
  const source = { type: 'FILE', path: 'new.json', text: JSON.stringify(CONFIG) } as const;
  expect(await aws.troubles({ source, parameterName: null })).toMatchObject([
    { check: 'PutObject', result: 'warning', remedy: 'name the parameter with --parameter' },
    { check: 'DescribeTable', result: 'warning' },
  ]);
  expect(aws.requests('GetParameter')).toHaveLength(0);
  expect(await aws.troubles({ source })).toEqual([]);
  aws.answers['GetItem'] = () => json({ Item: { applicationName: { S: 'other' } } });
  const text = JSON.stringify({ ...CONFIG, resultBucket: undefined, leaseTable: 'mine' });
  expect(await aws.troubles({ source: { ...source, text }, parameterName: null })).toEqual([]);
});

test('a configuration whose name is none for a table', async () => {
  expect(await aws.troubles({ parameterName: 'a' })).toMatchObject([
    { check: 'DescribeTable', result: 'error', detail: expect.stringContaining('leaseTable is needed') },
  ]);
});
