import { type Answer, awsError } from '../support/http-server.ts';
import { type Aws, json, startAws, TABLE } from './aws.ts';

let aws: Aws;

beforeEach(async () => {
  aws = await startAws();
});

afterEach(() => aws.close());

test.each<[string, string, Answer, string, string]>([
  [
    'that is missing',
    'DescribeTable',
    awsError('ResourceNotFoundException'),
    'warning',
    'the worker creates it',
  ],
  [
    'that is none',
    'DescribeTable',
    json({ Table: { ...TABLE, KeySchema: [] } }),
    'error',
    'has the key (none)',
  ],
  [
    'that is not ready',
    'DescribeTable',
    json({ Table: { ...TABLE, TableStatus: 'CREATING' } }),
    'warning',
    'CREATING',
  ],
  [
    'of another owner',
    'GetItem',
    json({ Item: { applicationName: { S: 'other' } } }),
    'error',
    'of the application "other"',
  ],
  ['that takes a write', 'PutItem', json({}), 'error', 'although its condition cannot be met'],
])('a table %s', async (_name, operation, given, result, detail) => {
  aws.answer(operation, given);
  expect(await aws.troubles()).toMatchObject([
    { check: operation, result, detail: expect.stringContaining(detail), statement: null },
  ]);
});

test('a table that the worker may not create is missing', async () => {
  aws.putConfig({ createLeaseTable: false, leaseTable: 'mine' });
  aws.answer('DescribeTable', awsError('ResourceNotFoundException'));
  expect(await aws.troubles()).toMatchObject([
    { target: 'mine', result: 'error', detail: 'there is no such table' },
  ]);
});
