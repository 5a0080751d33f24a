import { KinesisClient, PutRecordsCommand } from '@aws-sdk/client-kinesis';
import { encodedRecord } from '../../src/result/build.ts';
import { putRecords } from '../../src/result/put-records.ts';
import type { ResultRecord } from '../../src/result/record.ts';
import { type Answer, awsError, serve } from '../support/http-server.ts';
import { localClient } from '../support/services.ts';

async function withDataStream<T>(answer: Answer, use: (kinesis: KinesisClient) => Promise<T>) {
  const server = await serve(() => answer);
  const kinesis = new KinesisClient(localClient(server.url));
  try {
    return { result: await use(kinesis), requests: server.requests };
  } finally {
    kinesis.destroy();
    await server.close();
  }
}

const { signal: never } = new AbortController();

/** With an output of each length that base64 ends in its own way for; without one; with what JSON and UTF-8 write longer. */
const records = ['', 'a', 'ab', 'abc', null, 'äöü'].map((output, index) => {
  const record = {
    id: `id ${index}`,
    streamName: `camera "${index}" ü`,
    sageMakerOutput: '',
    errorMessage: '"sageMakerOutput":"" ü\n',
  };
  return { record, output: output === null ? null : Buffer.from(output) };
});
const encoded = records.map(({ record, output }) => encodedRecord(record as ResultRecord, output));

test("the request is the SDK's own, and each record its JSON", async () => {
  const answer = { body: '{"FailedRecordCount":0,"Records":[]}' };
  const { requests } = await withDataStream(answer, async (kinesis) => {
    await putRecords(kinesis, 'results', encoded, never);
    const Records = records.map(({ record, output }) => {
      const sageMakerOutput = output?.toString('base64') ?? '';
      return {
        Data: Buffer.from(JSON.stringify({ ...record, sageMakerOutput })),
        PartitionKey: record.streamName,
      };
    });
    expect(encoded.map(({ dataBytes }) => dataBytes)).toEqual(Records.map(({ Data }) => Data.length));
    await kinesis.send(new PutRecordsCommand({ StreamName: 'results', Records }));
  });
  const [ours, theirs] = requests;
  expect(JSON.parse(String(ours?.body))).toEqual(JSON.parse(String(theirs?.body)));
  expect(ours?.headers).toMatchObject({
    'content-length': String(ours?.body.length),
    'content-type': theirs?.headers['content-type'],
    'x-amz-target': theirs?.headers['x-amz-target'],
  });
});

describe('the answer', () => {
  const put = (answer: Answer) =>
    withDataStream(answer, (kinesis) => putRecords(kinesis, 'results', encoded, never));

  test('tells what has become of each record', async () => {
    const Records = [{ SequenceNumber: '1', ShardId: 's' }, { ErrorCode: 'InternalFailure' }];
    const { result } = await put({ body: JSON.stringify({ FailedRecordCount: 1, Records }) });
    expect(result).toEqual(Records);
  });

  test("is the service's error, by its name", async () => {
    await expect(put(awsError('LimitExceededException'))).rejects.toMatchObject({
      name: 'LimitExceededException',
    });
  });

  test.each<[string, Answer]>([
    ['no JSON', { body: '<html>' }],
    ['cut off', { body: '{"Records":[', trouble: 'cut' }],
  ])('is an error if it is %s', async (_name, answer) => {
    await expect(put(answer)).rejects.toThrow();
  });
});
