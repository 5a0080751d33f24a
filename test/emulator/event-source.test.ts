import { fileURLToPath } from 'node:url';
import {
  CreateStreamCommand,
  KinesisClient,
  PutRecordsCommand,
  waitUntilStreamExists,
} from '@aws-sdk/client-kinesis';
import type { KinesisStreamBatchResponse, KinesisStreamEvent } from 'aws-lambda';
import type { Clock } from '../../src/core/clock.ts';
import { EventSource } from '../../src/emulator/event-source.ts';
import { type ServiceProcess, startServiceProcess } from '../../src/emulator/service-process.ts';
import { kinesisEvent } from '../lambda/events.ts';
import { eventually } from '../support/eventually.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { localClient, recorded } from '../support/services.ts';

const NUMBERS = Array.from({ length: 250 }, (_, index) => String(index));
const SIX = ['0', '1', '2', '3', '4', '5'];

let kinesis: ServiceProcess;
let client: KinesisClient;

/** Built by scripts/test.mjs before the tests run. */
const script = fileURLToPath(new URL('../../dist/kinesis.js', import.meta.url));

beforeAll(async () => {
  kinesis = await startServiceProcess({ script });
  client = new KinesisClient(localClient(kinesis.url));
  await Promise.all([createDataStream('two-shards', 2), createDataStream('six'), createDataStream('empty')]);
  await publish('two-shards', NUMBERS);
  await publish('six', SIX);
});

afterAll(async () => {
  client.destroy();
  await kinesis.close();
});

async function createDataStream(StreamName: string, ShardCount = 1): Promise<void> {
  await client.send(new CreateStreamCommand({ StreamName, ShardCount }));
  await waitUntilStreamExists({ client, maxWaitTime: 10, minDelay: 0.1, maxDelay: 0.1 }, { StreamName });
}

/** Records that hold these texts, keyed by their last digit. */
async function publish(StreamName: string, texts: readonly string[]): Promise<void> {
  const Records = texts.map((text) => ({ Data: Buffer.from(text), PartitionKey: `key-${text.slice(-1)}` }));
  await client.send(new PutRecordsCommand({ StreamName, Records }));
}

const textsOf = ({ Records }: KinesisStreamEvent) =>
  Records.map(({ kinesis: { data } }) => Buffer.from(data, 'base64').toString());

/** What Lambda is told: the sequence number of the record that holds the text, if it is there. */
function failAt(event: KinesisStreamEvent, text: string): KinesisStreamBatchResponse {
  const record = event.Records[textsOf(event).indexOf(text)];
  return {
    batchItemFailures: record === undefined ? [] : [{ itemIdentifier: record.kinesis.sequenceNumber }],
  };
}

/** Time passes when the test says so; it sees who waits for how long. */
class WatchedClock extends ManualClock {
  readonly sleeps: number[] = [];

  override sleep(millis: number, signal?: AbortSignal): Promise<void> {
    this.sleeps.push(millis);
    return super.sleep(millis, signal);
  }
}

type Handler = (event: KinesisStreamEvent) => KinesisStreamBatchResponse;

/** An event source on the data stream, and what it hands to the handler. */
function eventSource(dataStream: string, handler: Handler, clock: Clock = new ManualClock()) {
  const events: KinesisStreamEvent[] = [];
  const batches: Array<{ succeeded: number; discarded: number }> = [];
  const { log, lines } = recorded(clock);
  const source = new EventSource({
    kinesis: client,
    dataStream,
    handler: async (event) => {
      events.push(event);
      return handler(event);
    },
    onBatch: (batch) => batches.push(batch),
    clock,
    log,
  });
  return { source, events, batches, lines };
}

const succeed: Handler = () => ({ batchItemFailures: [] });
/** A signal that has aborted: one poll. */
const once = AbortSignal.abort();

test('hands every record over once, in the order of its shard, at most a hundred at a time', async () => {
  const { source, events, batches } = eventSource('two-shards', succeed);
  await source.run(once);

  for (const shardId of ['shardId-000000000000', 'shardId-000000000001']) {
    const ofShard = events.filter(({ Records }) => Records[0]?.eventID.startsWith(shardId));
    const seen = ofShard.flatMap(textsOf).map(Number);
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));
  }
  expect(Math.max(...events.map(({ Records }) => Records.length))).toBe(100);
  expect(events.flatMap(textsOf).toSorted()).toEqual(NUMBERS.toSorted());
  expect(batches).toEqual(events.map(({ Records }) => ({ succeeded: Records.length, discarded: 0 })));
});

test('shapes events as Lambda does', async () => {
  const { source, events } = eventSource('six', succeed);
  await source.run(once);
  const [record] = events.flatMap(({ Records }) => Records);
  const sequenceNumber = record?.kinesis.sequenceNumber;
  expect(sequenceNumber).toMatch(/^\d{56}$/);
  expect(record).toEqual({
    ...kinesisEvent('').Records[0],
    kinesis: {
      kinesisSchemaVersion: '1.0',
      partitionKey: 'key-0',
      sequenceNumber,
      data: Buffer.from('0').toString('base64'),
      approximateArrivalTimestamp: expect.any(Number),
    },
    eventID: `shardId-000000000000:${sequenceNumber}`,
    invokeIdentityArn: expect.stringMatching(/^arn:aws:iam::\d{12}:role\//),
    awsRegion: 'us-east-1',
    eventSourceARN: expect.stringMatching(/^arn:aws:kinesis:us-east-1:\d{12}:stream\//),
  });
  // Seconds, not milliseconds.
  expect(record?.kinesis.approximateArrivalTimestamp).toBeCloseTo(Date.now() / 1000, -2);
});

test('hands over again from the record that failed', async () => {
  const failing = ['2', '5'];
  const { source, events, batches } = eventSource('six', (event) => failAt(event, failing.shift() ?? ''));
  await source.run(once);
  expect(events.map(textsOf)).toEqual([SIX, SIX.slice(2), ['5']]);
  expect(batches.map(({ succeeded }) => succeeded)).toEqual([2, 3, 1]);
  expect(batches.map(({ discarded }) => discarded)).toEqual([0, 0, 0]);
});

test('discards a record that fails twice more, says so, and goes on behind it', async () => {
  const { source, events, batches, lines } = eventSource('six', (event) => failAt(event, '0'));
  await source.run(once);
  expect(events.map(textsOf)).toEqual([SIX, SIX, SIX, SIX.slice(1)]);
  expect(batches.filter(({ succeeded, discarded }) => succeeded + discarded > 0)).toEqual([
    { succeeded: 0, discarded: 1 },
    { succeeded: 5, discarded: 0 },
  ]);
  expect(lines).toEqual([
    expect.objectContaining({
      level: 'error',
      shardId: 'shardId-000000000000',
      sequenceNumber: events[0]?.Records[0]?.kinesis.sequenceNumber,
    }),
  ]);
});

test('hands the whole batch over again when the handler throws', async () => {
  const { source, events, batches, lines } = eventSource('six', (event) => {
    if (events.length > 1) return succeed(event);
    throw new Error('out of memory');
  });
  await source.run(once);
  expect(events.map(textsOf)).toEqual([SIX, SIX]);
  expect(batches.at(-1)).toEqual({ succeeded: 6, discarded: 0 });
  expect(lines).toEqual([
    expect.objectContaining({ level: 'warn', msg: expect.stringContaining('out of memory') }),
  ]);
});

test('takes the lowest of several failed records, and an unknown one for the whole batch', async () => {
  const answers: Array<(event: KinesisStreamEvent) => KinesisStreamBatchResponse> = [
    (event) => ({
      batchItemFailures: ['3', '1'].flatMap((text) => failAt(event, text).batchItemFailures),
    }),
    () => ({ batchItemFailures: [{ itemIdentifier: '' }] }),
  ];
  const { source, events } = eventSource('six', (event) => (answers.shift() ?? succeed)(event));
  await source.run(once);
  expect(events.map(textsOf)).toEqual([SIX, SIX.slice(1), SIX.slice(1)]);
});

test('reads on until it is told to end, and then what was published before', async () => {
  const clock = new WatchedClock();
  const stop = new AbortController();
  const { source, events } = eventSource('empty', succeed, clock);
  const polled = async (times: number) => await eventually(() => clock.sleeps.length === times);
  const running = source.run(stop.signal);

  await polled(1);
  await publish('empty', ['a']);
  clock.advance(250);
  await polled(2);
  expect(events.map(textsOf)).toEqual([['a']]);

  await publish('empty', ['b']);
  stop.abort();
  await running;
  expect(events.map(textsOf)).toEqual([['a'], ['b']]);
  expect(clock.sleeps).toEqual([250, 250]);
});

test('asks less and less often for a data stream that is not there, until it is', async () => {
  const clock = new WatchedClock();
  const stop = new AbortController();
  const { source, events, lines } = eventSource('late', succeed, clock);
  const running = source.run(stop.signal);
  for (const [index, millis] of [500, 1000, 2000, 2000].entries()) {
    await eventually(() => clock.sleeps.length === index + 1);
    expect(clock.sleeps[index]).toBe(millis);
    if (index < 3) clock.advance(millis);
  }
  expect(lines).toHaveLength(4);
  expect(lines[0]).toMatchObject({
    level: 'warn',
    error: 'ResourceNotFoundException',
    msg: expect.stringContaining('late'),
  });

  await createDataStream('late');
  await publish('late', ['a']);
  clock.advance(2000);
  await eventually(() => clock.sleeps.length === 5);
  expect(events.map(textsOf)).toEqual([['a']]);
  expect(clock.sleeps.at(-1)).toBe(250);
  stop.abort();
  await running;
});
