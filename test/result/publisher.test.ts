import { getEventListeners } from 'node:events';
import { KinesisClient } from '@aws-sdk/client-kinesis';
import { type Clock, systemClock } from '../../src/core/clock.ts';
import { type EncodedRecord, encodedRecord } from '../../src/result/build.ts';
import { ResultPublisher } from '../../src/result/publisher.ts';
import type { ResultRecord } from '../../src/result/record.ts';
import { eventually } from '../support/eventually.ts';
import { newGate } from '../support/gate.ts';
import { type Answer, awsError, type ReceivedRequest, serve } from '../support/http-server.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { Random } from '../support/random.ts';
import { localClient, recorded } from '../support/services.ts';
import { lasting, openTenure } from '../support/tenure.ts';
import { HastyWait } from './hasty-wait.ts';

const record = (id: string, bytes = 10): EncodedRecord => {
  const fields = { id, streamName: `stream-${id}`, sageMakerOutput: 'x'.repeat(bytes) };
  return encodedRecord(fields as ResultRecord);
};

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
  config = { kdsStreamName: 'results', maxRecordBytes: 2 ** 20 },
) {
  const server = await serve(respond);
  const kinesis = new KinesisClient(localClient(server.url));
  const observed = recorded(clock);
  // Of each wait: all of it where time is told, half of it where it passes by itself.
  const jitter = clock instanceof ManualClock ? 1 : 0.5;
  try {
    await use(
      new ResultPublisher({ kinesis, config: () => config, clock, random: () => jitter, ...observed }),
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
    await Promise.all(['a', 'b', 'c'].map((id) => publisher.publish(record(id), lasting)));
    expect(requests).toHaveLength(1);
    expect(requests.map(parse)).toMatchObject([
      { StreamName: 'results', Records: [{ PartitionKey: 'stream-a' }, { PartitionKey: 'stream-b' }, {}] },
    ]);
  });
});

test('what arrives during a request is the next batch', async () => {
  const gate = newGate();
  await withPublisher(
    async (request, count) => {
      if (count === 1) await gate.opened;
      return accept(request);
    },
    async (publisher, requests) => {
      const first = publisher.publish(record('1'), lasting);
      await systemClock.sleep(20);
      const later = ['2', '3', '4'].map((id) => publisher.publish(record(id), lasting));
      gate.open();
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
    // They are under way side by side.
    expect(
      requests
        .slice(2)
        .map((request) => ids(request).length)
        .sort(),
    ).toEqual([2, 5]);
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

/** The requests that have been received so far. */
const batches = (requests: ReceivedRequest[]) => requests.map(ids);
const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('while requests are under way', () => {
  test('a record waits for others at most 200 ms', async () => {
    const clock = new ManualClock();
    const gate = newGate();
    const respond = async (request: ReceivedRequest, count: number) => {
      if (count === 1) await gate.opened;
      return accept(request);
    };
    await withPublisher(
      respond,
      async (publisher, requests) => {
        const first = publisher.publish(record('1'), lasting);
        await eventually(() => requests.length === 1);
        const second = publisher.publish(record('2'), lasting);
        clock.advance(199);
        const third = publisher.publish(record('3'), lasting);
        await turn();
        expect(batches(requests)).toEqual([['1']]);
        clock.advance(1);
        await Promise.all([second, third]);
        expect(batches(requests)).toEqual([['1'], ['2', '3']]);
        gate.open();
        await first;
      },
      clock,
    );
  });

  test('a full batch does not wait at all, four requests are the most', async () => {
    const gate = newGate();
    const respond = async (request: ReceivedRequest) => {
      await gate.opened;
      return accept(request);
    };
    const publishMany = (publisher: ResultPublisher) =>
      Promise.all(Array.from({ length: 500 }, (_, index) => publisher.publish(record(`${index}`), lasting)));
    await withPublisher(
      respond,
      async (publisher, requests) => {
        const published: Promise<unknown>[] = [];
        for (let count = 1; count <= 5; count += 1) {
          published.push(publishMany(publisher));
          await eventually(() => requests.length === Math.min(count, 4));
        }
        await turn();
        expect(requests).toHaveLength(4);
        gate.open();
        await Promise.all(published);
        expect(batches(requests).map((batch) => batch.length)).toEqual([500, 500, 500, 500, 500]);
      },
      new ManualClock(),
    );
  });
});

test('a refused partition key slows down by itself, twice as long each time, and not for ever', async () => {
  const clock = new ManualClock();
  const throttled = 'ProvisionedThroughputExceededException';
  const isHot = ({ PartitionKey }: { PartitionKey: string }) => PartitionKey === 'stream-hot';
  let isOver = false;
  const respond = (request: ReceivedRequest) =>
    answer(parse(request).Records.map((entry) => (isHot(entry) && !isOver ? throttled : null)));
  await withPublisher(
    respond,
    async (publisher, requests, { total }) => {
      const hot = publisher.publish({ ...record('h1'), streamName: 'stream-hot' }, lasting);
      await eventually(() => total('PublishRetries', 'stream-hot') === 1);
      // Joins what waits, while others go at once.
      const later = publisher.publish({ ...record('h2'), streamName: 'stream-hot' }, lasting);
      await publisher.publish(record('cold'), lasting);
      expect(batches(requests)).toEqual([['h1'], ['cold']]);

      for (const [index, millis] of [500, 1000, 2000, 4000, 8000, 10_000, 10_000].entries()) {
        await clock.pass(millis - 1);
        expect(requests).toHaveLength(2 + index);
        isOver = index === 6;
        clock.advance(1);
        await eventually(() => requests.length === 3 + index);
        if (!isOver) await eventually(() => total('PublishRetries', 'stream-hot') === 3 + 2 * index);
      }
      await Promise.all([hot, later]);
      expect(batches(requests).slice(2)).toEqual(Array(7).fill(['h1', 'h2']));

      // As if nothing had been.
      isOver = false;
      const again = publisher.publish({ ...record('h3'), streamName: 'stream-hot' }, lasting);
      await eventually(() => total('PublishRetries', 'stream-hot') === 14);
      isOver = true;
      clock.advance(500);
      await again;
    },
    clock,
  );
});

test('a partition key of which some records are accepted is slowed down no further', async () => {
  const clock = new ManualClock();
  const throttled = 'ProvisionedThroughputExceededException';
  /** A shard that takes one record a request. */
  const respond = (request: ReceivedRequest) =>
    answer(parse(request).Records.map((_, index) => (index === 0 ? null : throttled)));
  await withPublisher(
    respond,
    async (publisher, requests, { total }) => {
      const records = ['1', '2', '3', '4'].map((id) => ({ ...record(id), streamName: 'hot' }));
      const published = Promise.all(records.map((one) => publisher.publish(one, lasting)));
      for (const retries of [3, 5, 6]) {
        await eventually(() => total('PublishRetries', 'hot') === retries);
        clock.advance(500);
      }
      await published;
      expect(batches(requests)).toEqual([['1', '2', '3', '4'], ['2', '3', '4'], ['3', '4'], ['4']]);
    },
    clock,
  );
});

test('a result that no record holds is refused before it blocks the others', async () => {
  const config = { kdsStreamName: 'results', maxRecordBytes: 200 };
  const publish = async (publisher: ResultPublisher) => {
    const overhead = record('big', 0).dataBytes + 'stream-big'.length;
    await publisher.publish(record('big', 200 - overhead), lasting);
    await publisher.publish(record('big', 201 - overhead), lasting);
  };
  await withPublisher(
    accept,
    async (publisher, requests) => {
      await expect(publish(publisher)).rejects.toMatchObject({
        code: 'RESULT_TOO_LARGE',
        message: 'result of 201 bytes, a record of the data stream holds 200',
      });
      expect(requests).toHaveLength(1);
    },
    undefined,
    config,
  );
});

test('a record that is larger than a batch goes alone', async () => {
  const config = { kdsStreamName: 'results', maxRecordBytes: 10 * 2 ** 20 };
  await withPublisher(
    accept,
    async (publisher, requests) => {
      const sizes = [10, 6 * 2 ** 20, 10];
      await Promise.all(sizes.map((bytes, index) => publisher.publish(record(`${index}`, bytes), lasting)));
      expect(batches(requests).sort()).toEqual([['0'], ['1'], ['2']]);
    },
    undefined,
    config,
  );
});

describe('a record that makes the data stream refuse the whole request', () => {
  const refuse = (isBad: (id: string) => boolean) => (request: ReceivedRequest) =>
    ids(request).some(isBad) ? awsError('ValidationException') : accept(request);

  test('is found, and given up; the others are published', async () => {
    await withPublisher(
      refuse((id) => id === '37'),
      async (publisher, requests) => {
        const all = Array.from({ length: 100 }, (_, index) => publisher.publish(record(`${index}`), lasting));
        const [bad] = all.splice(37, 1);
        await expect(bad).rejects.toMatchObject({ code: 'RESULT_REFUSED' });
        await Promise.all(all);
        // Halved until it is alone, and asked for once more.
        expect(requests.length).toBeLessThan(25);
      },
    );
  });

  test('waits as long as the data stream takes nothing at all', async () => {
    let isBad = (_id: string) => true;
    await withPublisher(
      refuse((id) => isBad(id)),
      async (publisher, requests) => {
        const bad = publisher.publish(record('bad'), lasting);
        await eventually(() => requests.length > 3);
        isBad = (id) => id === 'bad';
        await publisher.publish(record('good'), lasting);
        await expect(bad).rejects.toMatchObject({ code: 'RESULT_REFUSED' });
      },
    );
  });
});

test('records that wait when the data stream changes go to the new one', async () => {
  const config = { kdsStreamName: 'gone', maxRecordBytes: 2 ** 20 };
  const respond = (request: ReceivedRequest) =>
    parse(request).StreamName === 'gone' ? awsError('ResourceNotFoundException') : accept(request);
  await withPublisher(
    respond,
    async (publisher, requests) => {
      const published = publisher.publish(record('a'), lasting);
      await eventually(() => requests.length > 2);
      config.kdsStreamName = 'results';
      await published;
      expect(requests.map(parse).at(-1)).toMatchObject({ StreamName: 'results', Records: [{}] });
    },
    undefined,
    config,
  );
});

test('retries are told at once, then every 10 s', async () => {
  const clock = new ManualClock();
  let isOver = false;
  const respond = (request: ReceivedRequest) => (isOver ? accept(request) : awsError('InternalFailure', 500));
  await withPublisher(
    respond,
    async (publisher, _requests, { lines, total }) => {
      const published = publisher.publish(record('a'), lasting);
      for (let retries = 1; retries <= 7; retries += 1) {
        await eventually(() => total('PublishRetries', 'stream-a') === retries);
        // The 7th is at 12,600 ms.
        isOver = retries === 7;
        clock.advance(Math.min(10_000, 200 * 2 ** (retries - 1)));
      }
      await published;
      expect(lines.filter((line) => 'dataStream' in line)).toMatchObject([
        { dataStream: 'results', requests: 1, records: 1, errors: { InternalFailure: 1 }, ids: ['a'] },
        { dataStream: 'results', requests: 6, records: 1 },
      ]);
    },
    clock,
  );
});

test('nothing is lost, whatever goes wrong', async () => {
  const random = new Random(7);
  const received = new Set<string>();
  const respond = (request: ReceivedRequest): Answer => {
    const records = ids(request);
    if (random.chance(0.1)) return awsError('LimitExceededException');
    if (random.chance(0.05)) return { trouble: 'reset' };
    if (random.chance(0.05)) return { body: '{}' };
    const codes = records.map(() => (random.chance(0.2) ? 'InternalFailure' : null));
    for (const [index, id] of records.entries()) if (codes[index] === null) received.add(id);
    // Accepted, but nobody hears of it.
    return random.chance(0.05) ? { trouble: 'reset' } : answer(codes);
  };
  await withPublisher(respond, async (publisher) => {
    const published: Promise<void>[] = [];
    for (let index = 0; index < 300; index += 1) {
      const streamName = `stream-${random.integer(0, 9)}`;
      published.push(publisher.publish({ ...record(`${index}`), streamName }, lasting));
      if (random.chance(0.2)) await turn();
    }
    await Promise.all(published);
    expect(received.size).toBe(300);
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
        await turn();
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
