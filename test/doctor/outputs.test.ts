import { awsError } from '../support/http-server.ts';
import { type Aws, json, startAws } from './aws.ts';

let aws: Aws;

beforeEach(async () => {
  aws = await startAws();
});

afterEach(() => aws.close());

const NO_SUCH_BUCKET = '<Error><Code>NoSuchBucket</Code><Message>The bucket does not exist</Message></Error>';

test('a data stream or bucket that is missing', async () => {
  aws.answer('PutRecords', awsError('ResourceNotFoundException'));
  aws.answer('PutObject', { status: 404, body: NO_SUCH_BUCKET });
  expect(await aws.troubles()).toMatchObject([
    { check: 'PutRecords', result: 'error', detail: 'there is no such data stream' },
    { check: 'PutObject', result: 'error', detail: 'there is no such bucket' },
  ]);
});

test.each([
  ['the request', awsError('InvalidArgumentException')],
  [
    'the record',
    json({ FailedRecordCount: 1, Records: [{ ErrorCode: 'InternalFailure', ErrorMessage: 'no' }] }),
  ],
])('a refusal of %s for anything but its hash key shows nothing', async (_what, given) => {
  aws.answer('PutRecords', given);
  expect(await aws.troubles()).toMatchObject([
    {
      check: 'PutRecords',
      result: 'warning',
      detail: expect.stringMatching(
        /^not seen whether results can be written: .*(Argument|InternalFailure: no)/,
      ),
    },
  ]);
});

test('a data stream that takes the record is permitted, and says so', async () => {
  aws.answer('PutRecords', json({ FailedRecordCount: 0, Records: [{ SequenceNumber: '1', ShardId: 's' }] }));
  expect(await aws.findings()).toContainEqual(
    expect.objectContaining({
      check: 'PutRecords',
      result: 'ok',
      detail: expect.stringContaining('was written'),
    }),
  );
});
