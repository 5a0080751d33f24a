import { KinesisClient } from '@aws-sdk/client-kinesis';
import { systemClock } from '../../src/core/clock.ts';
import { ResultPublisher } from '../../src/result/publisher.ts';
import type { ResultRecord } from '../../src/result/record.ts';
import { type Answer, awsError, type ReceivedRequest, serve } from '../support/http-server.ts';
import { HastyClock, localClient, recorded } from '../support/services.ts';

const { signal } = new AbortController();
const record = (id: string, bytes = 10): ResultRecord =>
  ({ id, streamName: `stream-${id}`, sageMakerOutput: 'x'.repeat(bytes) }) as ResultRecord;

interface PutRecords {
  StreamName: string;
  Records: Array<{ Data: string; PartitionKey: string }>;
}

const parse = ({ body }: ReceivedRequest) => JSON.parse(body.toString()) as PutRecords;
const ids = (request: ReceivedRequest) =>
  parse(request).Records.map(
    ({ Data }) => (JSON.parse(Buffer.from(Data, 'base64').toString()) as ResultRecord).id,
  );

const answer = (codes: Array<string | null>): Answer => ({
  headers: { 'content-type': 'application/x-amz-json-1.1' },
  body: JSON.stringify({
    FailedRecordCount: codes.filter(Boolean).length,
    Records: codes.map((code) =>
      code === null ? { SequenceNumber: '1', ShardId: 's' } : { ErrorCode: code },
    ),
  }),
});

async function withPublisher(
  respond: (request: ReceivedRequest, count: number) => Answer | Promise<Answer>,
  use: (
    publisher: ResultPublisher,
    requests: ReceivedRequest[],
    observed: ReturnType<typeof recorded>,
  ) => Promise<void>,
) {
  const server = await serve(respond);
  const kinesis = new KinesisClient(localClient(server.url));
  const clock = new HastyClock();
  const observed = recorded(clock);
  try {
    await use(
      new ResultPublisher({ kinesis, streamName: 'results', clock, ...observed }),
      server.requests,
      observed,
    );
  } finally {
    kinesis.destroy();
    await server.close();
  }
}

const accept = (request: ReceivedRequest) => answer(parse(request).Records.map(() => null));

test('results of one turn share a request, keyed by stream', async () => {
  await withPublisher(accept, async (publisher, requests) => {
    await Promise.all(['a', 'b', 'c'].map((id) => publisher.publish(record(id), signal)));
    expect(requests).toHaveLength(1);
    expect(requests.map(parse)).toMatchObject([
      { StreamName: 'results', Records: [{ PartitionKey: 'stream-a' }, { PartitionKey: 'stream-b' }, {}] },
    ]);
  });
});

test('what arrives during a request is the next batch', async () => {
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  await withPublisher(
    async (request, count) => {
      if (count === 1) await held;
      return accept(request);
    },
    async (publisher, requests) => {
      const first = publisher.publish(record('1'), signal);
      await systemClock.sleep(20);
      const later = ['2', '3', '4'].map((id) => publisher.publish(record(id), signal));
      release();
      await Promise.all([first, ...later]);
      expect(requests.map(ids)).toEqual([['1'], ['2', '3', '4']]);
    },
  );
});

test('batches hold to the limits of PutRecords', async () => {
  await withPublisher(accept, async (publisher, requests) => {
    const many = Array.from({ length: 501 }, (_, index) => publisher.publish(record(String(index)), signal));
    await Promise.all(many);
    expect(requests.map((request) => ids(request).length)).toEqual([500, 1]);
    const large = Array.from({ length: 7 }, (_, index) =>
      publisher.publish(record(`L${index}`, 1_000_000), signal),
    );
    await Promise.all(large);
    expect(requests.slice(2).map((request) => ids(request).length)).toEqual([5, 2]);
  });
});

test('records that are refused are put again, alone', async () => {
  const respond = (request: ReceivedRequest, count: number) =>
    count === 1 ? answer([null, 'ProvisionedThroughputExceededException', null]) : accept(request);
  await withPublisher(respond, async (publisher, requests, { total, lines }) => {
    await Promise.all(['a', 'b', 'c'].map((id) => publisher.publish(record(id), signal)));
    expect(requests.map(ids)).toEqual([['a', 'b', 'c'], ['b']]);
    expect(total('PublishRetries', 'stream-b')).toBe(1);
    expect(lines).toContainEqual(
      expect.objectContaining({ errors: { ProvisionedThroughputExceededException: 1 }, ids: ['b'] }),
    );
  });
});

test.each([
  ['throttling', awsError('LimitExceededException')],
  ['a server error', awsError('InternalFailure', 500)],
  ['a reset connection', { trouble: 'reset' as const }],
  ['a data stream that is not there yet', awsError('ResourceNotFoundException')],
])('%s: everything is put again, nothing is lost', async (_name, trouble) => {
  const respond = (request: ReceivedRequest, count: number) => (count <= 2 ? trouble : accept(request));
  await withPublisher(respond, async (publisher, requests) => {
    await Promise.all(['a', 'b'].map((id) => publisher.publish(record(id), signal)));
    expect(requests.map(ids)).toEqual([
      ['a', 'b'],
      ['a', 'b'],
      ['a', 'b'],
    ]);
  });
});

test('a result that no record holds is refused before it blocks the others', async () => {
  await withPublisher(accept, async (publisher, requests) => {
    await expect(publisher.publish(record('big', 2 ** 20), signal)).rejects.toMatchObject({
      code: 'RESULT_TOO_LARGE',
    });
    expect(requests).toHaveLength(0);
  });
});

test('giving up ends the waiting, and what was given up is not put', async () => {
  const controller = new AbortController();
  const respond = (request: ReceivedRequest, count: number) => {
    if (count === 1) controller.abort();
    return count === 1 ? awsError('InternalFailure', 500) : accept(request);
  };
  await withPublisher(respond, async (publisher, requests) => {
    await expect(publisher.publish(record('a'), controller.signal)).rejects.toMatchObject({
      name: 'AbortError',
    });
    await publisher.publish(record('b'), signal);
    expect(requests.map(ids)).toEqual([['a'], ['b']]);
  });
});
