import { createServer } from 'node:http';
import { eventually } from '../support/eventually.ts';
import { type Answer, awsError } from '../support/http-server.ts';
import { listenOnLoopback } from '../support/loopback.ts';
import { type Aws, arnOf, json, startAws } from './aws.ts';

let aws: Aws;

beforeEach(async () => {
  aws = await startAws();
});

afterEach(() => aws.close());

test.each<[string, string, Answer, string, string]>([
  [
    'missing',
    'DescribeStream',
    awsError('ResourceNotFoundException', 404),
    'error',
    'there is no such stream',
  ],
  ['going', 'DescribeStream', stream({ Status: 'DELETING' }), 'error', 'it is being deleted'],
  ['coming', 'DescribeStream', stream({ Status: 'CREATING' }), 'warning', 'when it is ACTIVE'],
  ['no retention', 'DescribeStream', stream({ DataRetentionInHours: 0 }), 'warning', 'data retention 0'],
  ['three readers', 'GetMedia', awsError('ConnectionLimitExceededException'), 'warning', 'three readers'],
])('a stream: %s', async (_name, operation, given, result, detail) => {
  aws.answer(operation, given);
  expect(await aws.troubles()).toMatchObject([
    { check: operation, target: 'front', result, detail: expect.stringContaining(detail), statement: null },
  ]);
});

test('a stream that is being updated is read, and one that is coming is not yet', async () => {
  aws.answer('DescribeStream', stream({ Status: 'UPDATING' }));
  expect(await aws.troubles()).toEqual([]);
  expect(aws.requests('GetMedia')).toHaveLength(1);
  aws.answer('DescribeStream', stream({ Status: 'CREATING' }));
  expect(await aws.troubles()).toHaveLength(1);
  expect(aws.requests('GetDataEndpoint')).toHaveLength(1);
});

function stream(fields: object): Answer {
  const StreamInfo = { StreamARN: arnOf('front'), Status: 'ACTIVE', DataRetentionInHours: 24, ...fields };
  return json({ StreamInfo });
}

test('what is not lossless needs no retention', async () => {
  aws.putConfig({ mode: 'live' });
  aws.answer('DescribeStream', stream({ DataRetentionInHours: 0 }));
  expect(await aws.troubles()).toEqual([]);
});

test('media is let go of at once', async () => {
  let opened = 0;
  let open = 0;
  const server = createServer((_request, response) => {
    opened += 1;
    open += 1;
    response.once('close', () => {
      open -= 1;
    });
    response.write('a body without end');
  });
  const { url, close } = await listenOnLoopback(server);
  aws.answer('GetDataEndpoint', json({ DataEndpoint: url }));
  expect(await aws.troubles()).toEqual([]);
  await eventually(() => open === 0);
  expect(opened).toBe(1);
  await close();
});
