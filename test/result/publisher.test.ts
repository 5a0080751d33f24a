import { getEventListeners } from 'node:events';
import { KinesisClient } from '@aws-sdk/client-kinesis';
import { type Clock, systemClock } from '../../src/core/clock.ts';
import { ResultPublisher } from '../../src/result/publisher.ts';
import type { ResultRecord } from '../../src/result/record.ts';
import { eventually } from '../support/eventually.ts';
import { type Answer, awsError, type ReceivedRequest, serve } from '../support/http-server.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { HastyClock, localClient, recorded } from '../support/services.ts';
import { lasting, openTenure } from '../support/tenure.ts';

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
  clock: Clock = new HastyWait(),
) {
  const server = await serve(respond);
  const kinesis = new KinesisClient(localClient(server.url));
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

/** Waits between requests take no time; limits are not reached. */
class HastyWait extends HastyClock {
  override async sleep(millis: number, signal?: AbortSignal): Promise<void> {
    if (millis >= 10_000) return await systemClock.sleep(millis, signal);
    return await super.sleep(millis, signal);
  }
}

const accept = (request: ReceivedRequest) => answer(parse(request).Records.map(() => null));

test('results of one turn share a request, keyed by stream', async () => {
  await withPublisher(accept, async (publisher, requests) => {
    await Promise.all(['a', 'b', 'c'].map((id) => publisher.publish(record(id), lasting)));
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
      const first = publisher.publish(record('1'), lasting);
      await systemClock.sleep(20);
      const later = ['2', '3', '4'].map((id) => publisher.publish(record(id), lasting));
      release();
      await Promise.all([first, ...later]);
      expect(requests.map(ids)).toEqual([['1'], ['2', '3', '4']]);
    },
  );
});

test('batches hold to the limits of PutRecords', async () => {
  await withPublisher(accept, async (publisher, requests) => {
    const many = Array.from({ length: 501 }, (_, index) => publisher.publish(record(String(index)), lasting));
    await Promise.all(many);
    expect(requests.map((request) => ids(request).length)).toEqual([500, 1]);
    const large = Array.from({ length: 7 }, (_, index) =>
      publisher.publish(record(`L${index}`, 1_000_000), lasting),
    );
    await Promise.all(large);
    expect(requests.slice(2).map((request) => ids(request).length)).toEqual([5, 2]);
  });
});

test('records that are refused are put again, alone', async () => {
  const respond = (request: ReceivedRequest, count: number) =>
    count === 1 ? answer([null, 'ProvisionedThroughputExceededException', null]) : accept(request);
  await withPublisher(respond, async (publisher, requests, { total, lines }) => {
    await Promise.all(['a', 'b', 'c'].map((id) => publisher.publish(record(id), lasting)));
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
    await Promise.all(['a', 'b'].map((id) => publisher.publish(record(id), lasting)));
    expect(requests.map(ids)).toEqual([
      ['a', 'b'],
      ['a', 'b'],
      ['a', 'b'],
    ]);
  });
});

test('a result that no record holds is refused before it blocks the others', async () => {
  await withPublisher(accept, async (publisher, requests) => {
    await expect(publisher.publish(record('big', 2 ** 20), lasting)).rejects.toMatchObject({
      code: 'RESULT_TOO_LARGE',
    });
    expect(requests).toHaveLength(0);
  });
});

test('a request that hangs is given up after 10 s, and made again', async () => {
  const clock = new ManualClock();
  const respond = (request: ReceivedRequest, count: number): Answer =>
    count === 1 ? { trouble: 'hang' } : accept(request);
  await withPublisher(
    respond,
    async (publisher, requests, { lines, total }) => {
      const published = publisher.publish(record('a'), lasting);
      await eventually(() => requests.length === 1);
      clock.advance(9999);
      expect(lines).toEqual([]);
      clock.advance(1);
      await eventually(() => lines.length === 1);
      expect(lines).toMatchObject([{ errors: { TIMEOUT: 1 }, ids: ['a'] }]);
      clock.advance(200);
      await published;
      expect(requests.map(ids)).toEqual([['a'], ['a']]);
      expect(total('PublishRetries', 'stream-a')).toBe(1);
    },
    clock,
  );
});

describe('a tenure that is over', () => {
  const over = { code: 'TENURE_OVER' };

  test('takes no new record', async () => {
    await withPublisher(accept, async (publisher, requests) => {
      const { tenure, end } = openTenure();
      end();
      await expect(publisher.publish(record('a'), tenure)).rejects.toMatchObject(over);
      await publisher.publish(record('b'), lasting);
      expect(requests.map(ids)).toEqual([['b']]);
    });
  });

  test('takes its record out of the batch that waits', async () => {
    const { tenure, end } = openTenure();
    let waiting: Promise<unknown> | null = null;
    let publisher: ResultPublisher;
    const respond = async (request: ReceivedRequest, count: number) => {
      if (count > 1) return accept(request);
      waiting = Promise.all([
        expect(publisher.publish(record('b'), tenure)).rejects.toMatchObject(over),
        publisher.publish(record('c'), lasting),
      ]);
      end();
      return accept(request);
    };
    await withPublisher(respond, async (given, requests) => {
      publisher = given;
      await publisher.publish(record('a'), lasting);
      await waiting;
      expect(requests.map(ids)).toEqual([['a'], ['c']]);
    });
  });

  test('is asked about when the record is put into a request, before any signal tells', async () => {
    await withPublisher(accept, async (publisher, requests) => {
      const { tenure, invalidate } = openTenure();
      const given = publisher.publish(record('a'), tenure);
      const other = publisher.publish(record('b'), lasting);
      invalidate();
      await expect(given).rejects.toMatchObject(over);
      await other;
      expect(requests.map(ids)).toEqual([['b']]);
    });
  });

  test("does not end the request that carries others' records", async () => {
    const { tenure, end } = openTenure();
    const respond = async (request: ReceivedRequest) => {
      end();
      return accept(request);
    };
    await withPublisher(respond, async (publisher, requests, { lines }) => {
      const given = publisher.publish(record('a'), tenure);
      const other = publisher.publish(record('b'), lasting);
      await expect(given).rejects.toMatchObject(over);
      await other;
      expect(requests.map(ids)).toEqual([['a', 'b']]);
      expect(lines).toEqual([]);
    });
  });

  test('does not shorten the wait before the next request, which carries only the others', async () => {
    const clock = new ManualClock();
    const { tenure, end } = openTenure();
    const respond = (request: ReceivedRequest, count: number) =>
      count === 1 ? awsError('LimitExceededException') : accept(request);
    await withPublisher(
      respond,
      async (publisher, requests, { lines, total }) => {
        const given = publisher.publish(record('a'), tenure);
        const other = publisher.publish(record('b'), lasting);
        await eventually(() => lines.length === 1);
        end();
        await expect(given).rejects.toMatchObject(over);
        await new Promise((resolve) => setImmediate(resolve));
        // Shares a request with what still waits.
        const later = publisher.publish(record('c'), lasting);
        clock.advance(200);
        await Promise.all([other, later]);
        expect(requests.map(ids)).toEqual([
          ['a', 'b'],
          ['b', 'c'],
        ]);
        expect(total('PublishRetries', 'stream-b')).toBe(1);
      },
      clock,
    );
  });

  test.each<[string, Answer]>([
    ['a request', { trouble: 'hang' }],
    ['the wait before the next', awsError('LimitExceededException')],
  ])('ends %s when nobody waits for it any more', async (_name, first) => {
    const { tenure, end } = openTenure();
    const respond = (request: ReceivedRequest, count: number) => (count === 1 ? first : accept(request));
    await withPublisher(
      respond,
      async (publisher, requests, { lines }) => {
        const given = publisher.publish(record('a'), tenure);
        await eventually(() => requests.length === 1 && lines.length === (first.trouble === 'hang' ? 0 : 1));
        end();
        await expect(given).rejects.toMatchObject(over);
        // Time stands still: this one would wait for ever behind a request or a wait that has not ended.
        await publisher.publish(record('b'), lasting);
        expect(requests.map(ids)).toEqual([['a'], ['b']]);
      },
      new ManualClock(),
    );
  });

  test('leaves no listener behind', async () => {
    await withPublisher(accept, async (publisher) => {
      const { tenure } = openTenure();
      await Promise.all(['a', 'b'].map((id) => publisher.publish(record(id), tenure)));
      expect(getEventListeners(tenure.over, 'abort')).toEqual([]);
    });
  });
});
