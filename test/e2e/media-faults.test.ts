import { setTimeout as delay } from 'node:timers/promises';
import type { MetricName } from '../../src/core/metric-names.ts';
import type { Lease } from '../../src/lease/lease.ts';
import type { ResultRecord } from '../../src/result/record.ts';
import { DETECTION } from '../support/local-services.ts';
import { type MediaFront, startMediaFront } from '../support/media-front.ts';
import {
  type Application,
  compareWithReference,
  type Local,
  startLocal,
  until,
  type WorkerUnderTest,
} from './local.ts';
import { CUTS, ERROR_CODES, IN_STREAM_ERRORS, INSERTIONS } from './media-harm.ts';
import {
  CHANGES,
  FAULTS,
  FRAGMENTS_BETWEEN_CHANGES,
  HUGE_BYTES,
  makeRecordings,
  WIDE,
} from './media-streams.ts';
import { peakResidentBytes, TELLS_PEAKS } from './peak-memory.ts';
import { storeVideo } from './stored-video.ts';

const MIB = 1024 * 1024;
const SMALL_QUEUE_BYTES = 64 * MIB;
const LARGE = ['huge', 'wide'];

/** Shown by cameras; all other streams are stored before anything is read. */
const LIVE = ['clean', 'ends'];
/**
 * What a worker may take: the process itself, and for each of two frames of 40 MiB that are under way the bytes as they
 * are gathered, the copy that waits, and FFmpeg's packet. That has been 340 to 390 MiB; the rest is for what is no longer
 * used, which is collected late.
 */
const MAX_RESIDENT_BYTES = 640 * MIB;
const CONFIG = {
  inferenceInterval: 2,
  // More than the emulator's three seconds until a body without news ends; and three times as long must do for a
  // fragment of 40 MiB that is read twice, on a busy machine.
  readStallTimeoutInMilli: 8000,
  checkpointIntervalInMilli: 500,
  metricsIntervalInMilli: 100,
  metricsPerStream: true,
};

let local: Local;
let front: MediaFront;
/** Reads everything through the front. */
let worker: WorkerUnderTest;
/** Reads the largest frames, and has little room for them. */
let smallQueue: WorkerUnderTest;
let results: ResultRecord[];
let smallResults: ResultRecord[];
let leases: Map<string, Lease>;
let comparison: Awaited<ReturnType<typeof compareWithReference>>;
const exitCodes: Array<number | null> = [];
const peaks: Array<number | null> = [];
/** The numbers of the fragments of each stream that has no camera. */
const stored = new Map<string, string[]>();

beforeAll(async () => {
  const recordings = await makeRecordings();
  local = await startLocal({
    streams: LIVE,
    endpoint: async ({ headers }) => {
      // The next one comes while this one is in flight.
      if (String(headers['x-amzn-sagemaker-custom-attributes']).includes('streamName=huge'))
        await delay(1000);
      return DETECTION;
    },
  });
  const kinesisVideo = local.env['AWS_ENDPOINT_URL_KINESIS_VIDEO'] ?? '';
  for (const [name, sessions] of Object.entries(recordings)) {
    local.cluster.createStream(name);
    stored.set(name, await storeVideo(kinesisVideo, name, sessions));
  }
  front = await startMediaFront(kinesisVideo, FAULTS);
  const application = await local.addApplication('faults', {
    ...CONFIG,
    streamNames: [...LIVE, ...stored.keys()],
  });
  const small = await local.addApplication('small-queue', {
    ...CONFIG,
    streamNames: LARGE,
    sageMakerTaskQueueBytes: SMALL_QUEUE_BYTES,
  });
  worker = application.startWorker({ AWS_ENDPOINT_URL_KINESIS_VIDEO: front.url });
  smallQueue = small.startWorker();
  await untilRead(application, [...stored.keys()]);
  await untilRead(small, LARGE);
  await until('four ends', () => front.struck('ends') >= 4);
  const lastFault = Date.parse(String(linesOf('hangs').at(-1)?.['time']));
  await until('a clean stream is read beyond the last fault', async () => {
    const { checkpoint } = (await application.leases()).get('clean') ?? {};
    return (checkpoint?.serverTimestampMillis ?? 0) > lastFault;
  });
  for (const each of [worker, smallQueue]) {
    peaks.push(peakResidentBytes(each.pid));
    exitCodes.push(await each.kill('SIGTERM'));
  }
  leases = await application.leases();
  comparison = await compareWithReference(local, application);
  results = await application.results();
  smallResults = await small.results();
}, 240_000);

afterAll(async () => {
  await front?.close();
  await local?.close();
});

test('the processes stay up, and keep their leases, until they are told to end', () => {
  expect(exitCodes).toEqual([0, 0]);
  for (const { said } of [worker, smallQueue]) expect(said('let go')).toEqual([]);
});

test.each([
  ['cut-1', Object.keys(CUTS).length],
  ['cut-2', Object.keys(CUTS).length],
  ['errors', IN_STREAM_ERRORS.length],
  ['garbage', Object.keys(INSERTIONS).length],
  ['hangs', 2],
  ['huge', 1],
])('every fault was made: %s', (name, count) => {
  expect(front.struck(name)).toBe(count);
});

test.each([...LIVE, 'cut-1', 'cut-2', 'errors', 'garbage', 'hangs', 'changes', 'sound', 'wide', 'huge'])(
  'the ids are those of the undisturbed reference: %s',
  (name) => {
    const ours = comparison.ours.filter((id) => id.startsWith(`${name}/`));
    expect(ours).toEqual(comparison.reference.filter((id) => id.startsWith(`${name}/`)));
    if (name !== 'sound') expect(ours.length).toBeGreaterThan(1);
  },
);

test.each([...LIVE, 'changes', 'sound', 'wide'])('no trouble with %s', (name) => {
  expect(linesOf(name)).toEqual([]);
});

test('the log says what is wrong, and the metrics count it', () => {
  const errorsOf = (name: string) => linesOf(name, 'cannot be read').map(({ error }) => error);
  expect(errorsOf('errors')).toEqual(Object.keys(ERROR_CODES).flatMap((code) => [code, code]));
  expect(errorsOf('hangs')).toEqual(['SILENT', 'SILENT']);
  expect(new Set(errorsOf('garbage'))).toEqual(new Set(['MatroskaError']));
  expect(linesOf('hangs')).toMatchObject(
    Array(2).fill({ msg: expect.stringContaining('no bytes for 8000 ms') }),
  );
  expect(sum('StreamErrors', 'errors')).toBe(IN_STREAM_ERRORS.length);
  expect(sum('ReaderStalls', 'hangs')).toBe(2);
  expect(sum('Reconnects', 'ends')).toBeGreaterThanOrEqual(3);
});

test('codec parameters that change: each picture has its own', () => {
  const sizeOf = new Map(
    (stored.get('changes') ?? []).map((fragmentNumber, index) => [
      fragmentNumber,
      CHANGES[Math.floor(index / FRAGMENTS_BETWEEN_CHANGES)],
    ]),
  );
  const pictures = results.filter(({ streamName }) => streamName === 'changes');
  expect(new Set(pictures.map(({ fragmentNumber }) => fragmentNumber)).size).toBe(sizeOf.size);
  for (const { fragmentNumber, frame, error } of pictures) {
    const { width, height } = sizeOf.get(fragmentNumber) ?? {};
    expect({ error, width: frame.width, height: frame.height }).toEqual({ error: undefined, width, height });
  }
});

test('a stream without video is read to its end, and nothing of it is sampled', () => {
  expect(leases.get('sound')?.checkpoint).toMatchObject({
    fragmentNumber: stored.get('sound')?.at(-1),
    iFrameCounter: 0,
  });
  expect(sum('FragmentsReceived', 'sound')).toBe(stored.get('sound')?.length);
});

test('frames of 4K and of 40 MB, also where the queue has little room', () => {
  const large = (all: ResultRecord[]) => all.filter(({ streamName }) => LARGE.includes(streamName));
  const idsOf = (all: ResultRecord[]) => [...new Set(large(all).map(({ id }) => id))].sort();
  expect(idsOf(results)).toHaveLength(4);
  expect(idsOf(smallResults)).toEqual(idsOf(results));
  for (const { streamName, frame, error } of large([...results, ...smallResults])) {
    const { width, height } = streamName === 'wide' ? WIDE : { width: 64, height: 64 };
    expect({ error, width: frame.width, height: frame.height }).toEqual({ error: undefined, width, height });
  }
  // One of the large frames at a time.
  const queueBytes = smallQueue.observed('QueueBytes');
  expect(Math.max(...queueBytes)).toBeGreaterThanOrEqual(HUGE_BYTES);
  expect(Math.max(...queueBytes)).toBeLessThanOrEqual(SMALL_QUEUE_BYTES);
});

// Linux tells it.
(TELLS_PEAKS ? test : test.skip)('the memory is bounded', () => {
  for (const peak of peaks) expect(peak).toBeLessThan(MAX_RESIDENT_BYTES);
});

/** Until the last fragment of each of these streams is done. */
async function untilRead({ name, leases }: Application, streams: readonly string[]): Promise<void> {
  const isRead = async () => {
    const all = await leases();
    return streams.every(
      (stream) => all.get(stream)?.checkpoint?.fragmentNumber === stored.get(stream)?.at(-1),
    );
  };
  await until(`everything that is stored is done by ${name}`, isRead, 90_000);
}

/** Its warnings and errors. */
function linesOf(streamName: string, message = '') {
  return worker
    .said(message)
    .filter((line) => line['streamName'] === streamName && ['warn', 'error'].includes(String(line['level'])));
}

function sum(metric: MetricName, streamName: string): number {
  const ofStream = worker.lines.filter((line) => line['StreamName'] === streamName);
  return ofStream.reduce((total, line) => total + Number(line[metric] ?? 0), 0);
}
