import { KinesisVideoClient } from '@aws-sdk/client-kinesis-video';
import { KinesisVideoMediaClient } from '@aws-sdk/client-kinesis-video-media';
import { Closers } from '../../src/core/closers.ts';
import { type KinesisVideoEmulator, startKinesisVideo } from '../../src/emulator/kinesis-video/server.ts';
import { type Checkpoint, CheckpointTracker } from '../../src/lease/checkpoint.ts';
import { StreamConsumer } from '../../src/stream/consumer.ts';
import { GetMediaSource } from '../../src/stream/media.ts';
import type { SampledFrame } from '../../src/stream/sampled-frame.ts';
import { StreamAges } from '../../src/stream/stream-ages.ts';
import { produce } from '../emulator/kinesis-video/producer.ts';
import { getMedia, post } from '../emulator/kinesis-video/reader.ts';
import { eventually } from '../support/eventually.ts';
import { serve } from '../support/http-server.ts';
import { everyNth, startSampling } from '../support/sampling.ts';
import { localClient, recorded } from '../support/services.ts';
import { lasting } from '../support/tenure.ts';
import { FastClock } from './fast-clock.ts';
import { type Fault, startFaultyFront } from './faulty-front.ts';

/*
 * The consumer reads the emulator over sockets, with the service's own limits and the default time-out; only that
 * everybody's time passes fifty times as fast.
 */

const SPEED = 50;
const READ_STALL_TIMEOUT_MILLIS = 30_000;
const PAYLOAD = Buffer.alloc(1000, 'x');
/** Inside the frame of the first fragment. */
const IN_FIRST_FRAGMENT = 900;

let clock: FastClock;
let emulator: KinesisVideoEmulator;
let closers: Closers;

beforeEach(async () => {
  clock = new FastClock(SPEED);
  closers = new Closers();
  emulator = closers.add(await startKinesisVideo({ clock, retention: { fragments: 3 } }));
  emulator.createStream('door');
});

afterEach(() => closers.close());

async function store(count: number): Promise<string[]> {
  const timecodes = Array.from({ length: count }, (_, index) => 1000 * index);
  return produce(emulator.url, 'door', timecodes, PAYLOAD);
}

const idsOf = (fragmentNumbers: readonly string[]) => fragmentNumbers.map((number) => `door/${number}/0`);

/** Calls that the data endpoint passes on with the given faults; those after them, without. */
async function makeFaults(...faults: Fault[]) {
  const front = await startFaultyFront(emulator.url, (call) => faults[call - 1] ?? { type: 'none' });
  closers.add(front);
  emulator.dataEndpoint = front.url;
  return front;
}

/** Reads the stream from its earliest fragment, or after the checkpoint, until the test is over. */
function startReading({
  checkpoint = null,
  streamArn = null,
  controlPlane = emulator.url,
  maxFrameAgeMillis = 0,
  submit = async () => undefined,
}: {
  checkpoint?: Checkpoint | null;
  streamArn?: string | null;
  controlPlane?: string;
  maxFrameAgeMillis?: number;
  submit?: (frame: SampledFrame, signal: AbortSignal) => Promise<void>;
} = {}) {
  const observed = recorded(clock);
  const { sampling } = startSampling({
    streamName: 'door',
    wanted: () => everyNth(1),
    clock,
    ...observed,
  });
  const kinesisVideo = new KinesisVideoClient(localClient(controlPlane));
  const mediaClient = (endpoint: string) => new KinesisVideoMediaClient(localClient(endpoint));
  const source = new GetMediaSource({ kinesisVideo, mediaClient });
  const tracker = new CheckpointTracker(checkpoint);
  const ids: string[] = [];
  const consumer = new StreamConsumer({
    streamName: 'door',
    streamArn,
    start: { type: 'EARLIEST' },
    startPosition: () => ({ type: 'EARLIEST' }),
    tracker,
    tenure: lasting,
    sampling,
    ages: new StreamAges({ streamName: 'door', start: { type: 'EARLIEST' }, tracker, clock, ...observed }),
    settings: () => ({ readStallTimeoutMillis: READ_STALL_TIMEOUT_MILLIS, maxFrameAgeMillis }),
    source,
    submit: async (frame, signal) => {
      await submit(frame, signal);
      ids.push(frame.id);
      frame.settle('PUBLISHED');
    },
    clock,
    ...observed,
  });
  const stop = new AbortController();
  const reading = consumer.run(stop.signal);
  const close = async () => {
    stop.abort();
    await reading;
    source.close();
    kinesisVideo.destroy();
  };
  closers.defer(close);
  return { ids, tracker, close, ...observed };
}

/** Messages and errors of the lines at this level. */
const linesAt = (level: string, lines: ReadonlyArray<Record<string, unknown>>) =>
  lines.filter((line) => line['level'] === level && line['_aws'] === undefined);

test('a stream is read on through the ends of its bodies, as often as its camera pauses', async () => {
  const { ids, lines, total } = startReading();
  const stored: string[] = [];
  for (let pause = 1; pause <= 3; pause += 1) {
    stored.push(...(await store(1)));
    await eventually(() => total('Reconnects', 'door') >= 2 * pause && ids.length === pause);
  }
  expect(ids).toEqual(idsOf(stored));
  expect([...linesAt('warn', lines), ...linesAt('error', lines)]).toEqual([]);
  expect(linesAt('info', lines)).toHaveLength(1);
});

test.each<[string, Fault]>([
  ['gives no headers', { type: 'noAnswer' }],
  ['gives no bytes', { type: 'silence', afterBytes: 0 }],
  ['falls silent in a fragment', { type: 'silence', afterBytes: IN_FIRST_FRAGMENT }],
  ['trickles', { type: 'trickle', afterBytes: IN_FIRST_FRAGMENT }],
])('a connection that %s is replaced, and closed', async (_name, fault) => {
  const front = await makeFaults(fault);
  const stored = await store(3);
  const { ids, lines, total } = startReading();
  await eventually(() => total('ReaderStalls', 'door') === 1);
  expect(front.faults()).toBe(1);
  await eventually(() => front.connections() === 0 && emulator.connections('door').getMedia === 0);
  await eventually(() => ids.length === 3);
  expect(ids).toEqual(idsOf(stored));
  expect(linesAt('warn', lines)).toEqual([
    expect.objectContaining({ error: fault.type === 'trickle' ? 'NO_FRAGMENT' : 'SILENT' }),
  ]);
  expect(total('Gaps', 'door')).toBe(0);
});

test('GetDataEndpoint, too, is asked again when it does not answer', async () => {
  const answer = { body: JSON.stringify({ DataEndpoint: emulator.url }) };
  const control = closers.add(await serve((_request, count) => (count === 1 ? { trouble: 'hang' } : answer)));
  const stored = await store(1);
  const { ids, total } = startReading({ controlPlane: control.url });
  await eventually(() => ids.length === 1);
  expect(ids).toEqual(idsOf(stored));
  expect(total('ReaderStalls', 'door')).toBe(1);
});

test.each<[string, Fault]>([
  ['before its headers', { type: 'reset', afterBytes: 0 }],
  ['in a fragment', { type: 'reset', afterBytes: IN_FIRST_FRAGMENT }],
  ['in a later fragment', { type: 'reset', afterBytes: 3 * IN_FIRST_FRAGMENT }],
])('after a connection that is cut %s the endpoint is asked for again', async (_name, fault) => {
  const front = await makeFaults(fault);
  const stored = await store(3);
  const { ids, total } = startReading();
  await eventually(() => front.calls() === 1);
  emulator.dataEndpoint = emulator.url;

  await eventually(() => ids.length === 3);
  expect(ids).toEqual(idsOf(stored));
  expect(front.calls()).toBe(1);
  expect(total('Gaps', 'door')).toBe(0);
});

test('a body that ends cleanly in a fragment is read on', async () => {
  await makeFaults(
    { type: 'cleanEnd', afterBytes: IN_FIRST_FRAGMENT },
    { type: 'cleanEnd', afterBytes: 3000 },
  );
  const stored = await store(3);
  const { ids, total } = startReading();
  await eventually(() => total('FragmentsReceived', 'door') === 3);
  expect(ids).toEqual(idsOf(stored));
});

test('a server that is gone for a while is waited for', async () => {
  const front = await makeFaults();
  const stored = await store(2);
  await front.close();
  const { ids, lines } = startReading();
  await eventually(() => linesAt('warn', lines).length >= 2);
  emulator.dataEndpoint = emulator.url;
  await eventually(() => ids.length === 2);
  expect(ids).toEqual(idsOf(stored));
});

test('a checkpoint that has aged out goes on with what is left; one line names what is missing', async () => {
  await store(1);
  const [known] = emulator.fragments('door');
  const checkpoint = {
    fragmentNumber: known?.fragmentNumber ?? '',
    serverTimestampMillis: known?.serverTimestampMillis ?? 0,
    iFrameCounter: 1,
  };
  await store(5);
  const left = emulator.fragments('door');
  const { ids, lines, total } = startReading({ checkpoint });
  await eventually(() => ids.length === 3);
  expect(ids).toEqual(idsOf(left.map(({ fragmentNumber }) => fragmentNumber)));
  expect(total('Gaps', 'door')).toBe(1);
  const { fragmentNumber, serverTimestampMillis } = left[0] as (typeof left)[number];
  expect(linesAt('error', lines)).toEqual([
    expect.objectContaining({
      before: {
        fragmentNumber: checkpoint.fragmentNumber,
        serverTimestampMillis: checkpoint.serverTimestampMillis,
      },
      after: { fragmentNumber, serverTimestampMillis },
      spanMillis: serverTimestampMillis - checkpoint.serverTimestampMillis,
    }),
  ]);
});

test('a stream whose connections others have is read as soon as one is free', async () => {
  // Bodies that do not end by themselves.
  emulator = closers.add(await startKinesisVideo({ clock, getMedia: { idleMillis: 3_600_000 } }));
  emulator.createStream('door');
  const stored = await store(2);
  const others = await Promise.all(
    [1, 2, 3].map(() => getMedia(emulator.url, 'door', { StartSelectorType: 'NOW' })),
  );
  const { ids, lines } = startReading();
  await eventually(() => linesAt('warn', lines).length > 0);
  for (const other of others) other.destroy();
  await eventually(() => ids.length === 2);
  expect(ids).toEqual(idsOf(stored));
  expect(linesAt('warn', lines)[0]).toMatchObject({ error: 'ConnectionLimitExceededException' });
  expect(linesAt('error', lines)).toEqual([]);
});

test('a reader that a full queue blocks closes its connection, and goes on when there is room', async () => {
  // Bodies that do not end by themselves.
  emulator = closers.add(await startKinesisVideo({ clock, getMedia: { idleMillis: 3_600_000 } }));
  emulator.createStream('door');
  const stored = await store(3);
  let enter = () => {};
  const room = new Promise<void>((resolve) => {
    enter = resolve;
  });
  const attempts: string[] = [];
  const { ids, lines, total } = startReading({
    submit: async ({ id }) => {
      attempts.push(id);
      await room;
    },
  });
  await eventually(() => emulator.connections('door').getMedia === 1);
  await eventually(() => total('ReaderBlocks', 'door') === 1);
  await eventually(() => emulator.connections('door').getMedia === 0);
  // However long that takes, it is one frame that waits, and no other connection is opened.
  await clock.sleep(2.5 * READ_STALL_TIMEOUT_MILLIS, new AbortController().signal);
  expect([attempts.length, ids.length, total('ReaderBlocks', 'door')]).toEqual([1, 0, 1]);

  enter();
  await eventually(() => total('FragmentsReceived', 'door') === 3);
  expect(ids).toEqual(idsOf(stored));
  expect(attempts).toEqual(ids);
  expect(total('ReaderStalls', 'door')).toBe(0);
  expect([...linesAt('warn', lines), ...linesAt('error', lines)]).toEqual([]);
});

test.each<[string, Fault]>([
  ['its headers', { type: 'noAnswer' }],
  ['its first byte', { type: 'silence', afterBytes: 0 }],
  ['the rest of a fragment', { type: 'silence', afterBytes: IN_FIRST_FRAGMENT }],
])('a reader that waits for %s stops when it is told to, and leaves no connection', async (_name, fault) => {
  const front = await makeFaults(fault);
  await store(1);
  const { close, lines } = startReading();
  await eventually(() => front.faults() === 1);
  await close();
  await eventually(() => front.connections() === 0 && emulator.connections('door').getMedia === 0);
  expect([...linesAt('warn', lines), ...linesAt('error', lines)]).toEqual([]);
});

test('a reader whose frame waits for its place stops when it is told to; the frame is not handed on', async () => {
  await store(1);
  let isWaiting = false;
  const { close, ids, tracker } = startReading({
    submit: (_frame, signal) =>
      new Promise((_resolve, reject) => {
        isWaiting = true;
        signal.addEventListener('abort', () => reject(signal.reason), { once: true });
      }),
  });
  await eventually(() => isWaiting);
  await close();
  expect(ids).toEqual([]);
  await tracker.whenIdle();
  await eventually(() => emulator.connections('door').getMedia === 0);
});

test('a stream that was created again under the same name is not mistaken for the old one', async () => {
  const [{ arn = '' } = {}] = emulator.streams();
  const known = await store(1);
  const { ids, lines } = startReading({ streamArn: arn });
  await eventually(() => ids.length === 1);
  (await post(emulator.url, 'deleteStream', { StreamName: 'door' })).resume();
  emulator.createStream('door');
  await store(1);
  await eventually(() => linesAt('warn', lines).length >= 2);
  expect(linesAt('warn', lines)[0]).toMatchObject({ error: 'ResourceNotFoundException' });
  expect(ids).toEqual(idsOf(known));
});
