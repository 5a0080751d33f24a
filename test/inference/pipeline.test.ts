import { createHash } from 'node:crypto';
import { SageMakerRuntimeClient } from '@aws-sdk/client-sagemaker-runtime';
import { AV_CODEC_ID_H264 } from 'node-av/constants';
import { KvsInferenceError } from '../../src/core/errors.ts';
import { SageMakerEndpoint } from '../../src/inference/endpoint.ts';
import { type Inference, InferencePipeline } from '../../src/inference/pipeline.ts';
import { frameId, type SampledFrame } from '../../src/stream/sampled-frame.ts';
import type { CodecParameters } from '../../src/video/codec.ts';
import { PicturePool } from '../../src/video/picture-pool.ts';
import { eventually } from '../support/eventually.ts';
import { type Answer, awsError, type ReceivedRequest, serve } from '../support/http-server.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { makeVideo } from '../support/media.ts';
import { localClient, recorded } from '../support/services.ts';

const { signal: never } = new AbortController();
const DETECTION: Answer = {
  headers: { 'content-type': 'application/json' },
  body: '{"prediction":[[0,0.9,0.1,0.1,0.5,0.5]]}',
};
/** When the frames' fragment reached the service, by the clock of the test. */
const FRAGMENT_MILLIS = 1_700_000_000_000;
const FRAME_MILLIS = 40;

let codec: CodecParameters;
let keyFrame: Buffer;

beforeAll(async () => {
  const video = await makeVideo({ codec: 'h264', width: 64, height: 48, frames: 1 });
  codec = { codecId: AV_CODEC_ID_H264, extradata: video.codecPrivate, width: 64, height: 48 };
  keyFrame = video.frames[0]?.payload ?? Buffer.alloc(0);
});

function sampledFrame(index: number, payload: Buffer, settle: () => void): SampledFrame {
  const offsetMillis = index * FRAME_MILLIS;
  return {
    id: frameId('front', '7', index),
    streamName: 'front',
    fragment: {
      fragmentNumber: '7',
      serverTimestampMillis: FRAGMENT_MILLIS,
      producerTimestampMillis: null,
    },
    frame: {
      trackNumber: 1,
      index,
      timecode: offsetMillis,
      offsetMillis,
      timestampMillis: offsetMillis,
      keyFrame: true,
      invisible: false,
      discardable: false,
      lacing: 'NO',
      laceIndex: 0,
    },
    codec,
    payload,
    settle,
  };
}

/** Holds up whoever awaits it until it is opened. */
function newGate() {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

/** Rejects with the signal's reason. */
function abortOf(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason));
  });
}

interface Options {
  queueSize?: number;
  poolSize?: number;
  /** Of the endpoint; a detection by default. */
  answer?: (request: ReceivedRequest, count: number) => Answer | Promise<Answer>;
  /** Runs before the result counts as published; given up as the publisher gives up. */
  publish?: (index: number) => Promise<void>;
}

type Run = Awaited<ReturnType<typeof start>>;

/** A pipeline before an endpoint that is real but for its model. */
async function start({ queueSize = 10, poolSize = 2, answer = () => DETECTION, publish }: Options) {
  const server = await serve(answer);
  const client = new SageMakerRuntimeClient(localClient(server.url));
  const clock = new ManualClock(FRAGMENT_MILLIS);
  const observed = recorded(clock);
  /** What became of the frames, by their index: `published 0`, `settled 0`. */
  const events: string[] = [];
  const inferences: Inference[] = [];
  const pipeline = new InferencePipeline({
    queueSize,
    poolSize,
    poolName: 'Slot-%d',
    pictures: new PicturePool('jpeg', 2),
    endpoint: new SageMakerEndpoint({
      client,
      endpointName: 'detector',
      contentType: 'image/jpeg',
      timeoutMillis: 60_000,
      clock,
    }),
    publish: async ({ frame: { index } }, inference, signal) => {
      if (publish !== undefined) await Promise.race([publish(index), abortOf(signal)]);
      inferences.push(inference);
      events.push(`published ${index}`);
    },
    clock,
    ...observed,
  });
  return {
    ...observed,
    pipeline,
    clock,
    events,
    inferences,
    requests: server.requests,
    /** Resolves when the frame is in the queue. */
    submit: (index: number, payload = keyFrame) =>
      pipeline.submit(
        sampledFrame(index, payload, () => events.push(`settled ${index}`)),
        never,
      ),
    settled: () => events.filter((event) => event.startsWith('settled')),
    end: async () => {
      const closed = pipeline.close(1);
      clock.advance(1);
      await closed;
      client.destroy();
      await server.close();
    },
  };
}

async function withPipeline(options: Options, use: (run: Run) => Promise<void>): Promise<void> {
  const run = await start(options);
  try {
    await use(run);
  } finally {
    await run.end();
  }
}

const errorLines = ({ lines }: Run) => lines.filter(({ level }) => level === 'error');

test('a frame is decoded, asked about, published, and only then settled', async () => {
  const gate = newGate();
  await withPipeline({ publish: () => gate.opened }, async (run) => {
    const { pipeline, clock, events, inferences, requests, lines, total } = run;
    await run.submit(1);
    await eventually(() => lines.some(({ msg }) => msg === 'inferred'));
    expect([pipeline.depth, events]).toEqual([1, []]);
    clock.advance(3000);
    gate.open();
    await eventually(() => pipeline.depth === 0);
    expect(events).toEqual(['published 1', 'settled 1']);

    expect(inferences).toMatchObject([
      {
        picture: { width: 64, height: 48, data: requests[0]?.body },
        answer: { body: Buffer.from(String(DETECTION.body)), contentType: 'application/json' },
        endpoint: 'detector',
      },
    ]);
    expect(requests[0]?.body.subarray(0, 2).toString('hex')).toBe('ffd8');
    expect(requests[0]?.headers).toMatchObject({
      'x-amzn-sagemaker-custom-attributes': 'id=front/7/1',
      'x-amzn-sagemaker-inference-id': createHash('sha256').update('front/7/1').digest('hex'),
    });
    expect(
      ['FramesSent', 'FramesSucceeded', 'ResultsPublished', 'FramesFailed'].map((name) =>
        total(name, 'front'),
      ),
    ).toEqual([1, 1, 1, 0]);
    expect(lines).toContainEqual(
      expect.objectContaining({ StreamName: 'front', IngestToProcessLatency: [3000 - FRAME_MILLIS] }),
    );
  });
});

test('every frame is settled once, whatever became of it', async () => {
  const answer = (request: ReceivedRequest) =>
    request.headers['x-amzn-sagemaker-custom-attributes'] === 'id=front/7/2'
      ? awsError('ValidationError')
      : DETECTION;
  const publish = async (index: number) => {
    if (index === 4) throw new KvsInferenceError('RESULT_TOO_LARGE', 'too large');
  };
  await withPipeline({ answer, publish }, async (run) => {
    for (const index of [0, 1, 2, 3, 4, 5]) await run.submit(index);
    await eventually(() => run.pipeline.depth === 0);
    expect(run.settled().toSorted()).toEqual([0, 1, 2, 3, 4, 5].map((index) => `settled ${index}`));
    expect(run.events.filter((event) => event.startsWith('published')).toSorted()).toEqual(
      [0, 1, 3, 5].map((index) => `published ${index}`),
    );
    expect(run.total('FramesFailed', 'front')).toBe(2);
  });
});

test('a failed frame is counted, and logged once', async () => {
  await withPipeline({ answer: () => awsError('ValidationError') }, async (run) => {
    for (const index of [0, 1, 2]) {
      await run.submit(index);
      await eventually(() => run.pipeline.depth === 0);
    }
    const line = { error: 'ValidationError', endpoint: 'detector' };
    expect(errorLines(run)).toMatchObject([{ ...line, frames: 1, ids: ['front/7/0'] }]);
    await run.pipeline.close(1000);
    expect(errorLines(run)).toMatchObject([
      { ...line, frames: 1, ids: ['front/7/0'] },
      { ...line, frames: 2, ids: ['front/7/1', 'front/7/2'] },
    ]);
    expect(run.events).toEqual(['settled 0', 'settled 1', 'settled 2']);
    expect(run.total('FramesFailed', 'front')).toBe(3);
    expect(run.total('FramesSucceeded', 'front')).toBe(0);
  });
});

test('a damaged frame fails alone, and the endpoint is not asked about it', async () => {
  await withPipeline({}, async (run) => {
    await run.submit(0);
    await run.submit(1, Buffer.from('not a frame at all'));
    await run.submit(2);
    await eventually(() => run.pipeline.depth === 0);
    expect(run.events.toSorted()).toEqual([
      'published 0',
      'published 2',
      'settled 0',
      'settled 1',
      'settled 2',
    ]);
    expect(run.requests).toHaveLength(2);
    expect(errorLines(run)).toMatchObject([{ error: 'DECODE_FAILED', frames: 1, ids: ['front/7/1'] }]);
    expect(['FramesSent', 'FramesFailed'].map((name) => run.total(name, 'front'))).toEqual([2, 1]);
  });
});

test('a throttled frame is asked about again, and the lines name frame and slot', async () => {
  const answer = (_request: ReceivedRequest, count: number) =>
    count <= 2 ? awsError('ThrottlingException') : DETECTION;
  await withPipeline({ answer }, async (run) => {
    const retries = () => run.lines.filter(({ level }) => level === 'warn');
    await run.submit(0);
    await run.submit(1);
    await eventually(() => retries().length === 2);
    expect(run.events).toEqual([]);
    const line = { streamName: 'front', fragmentNumber: '7', error: 'ThrottlingException', attempt: 1 };
    expect(retries().toSorted((a, b) => Number(a['frameIndex']) - Number(b['frameIndex']))).toMatchObject([
      { ...line, frameIndex: 0, slot: 'Slot-0' },
      { ...line, frameIndex: 1, slot: 'Slot-1' },
    ]);

    run.clock.advance(10_000);
    await eventually(() => run.pipeline.depth === 0);
    expect(run.events.toSorted()).toEqual(['published 0', 'published 1', 'settled 0', 'settled 1']);
    expect(['InvocationRetries', 'FramesFailed'].map((name) => run.total(name, 'front'))).toEqual([2, 0]);
    const inferenceIds = run.requests.map(({ headers }) => headers['x-amzn-sagemaker-inference-id']);
    expect([inferenceIds.length, new Set(inferenceIds).size]).toEqual([4, 2]);
  });
});

test('no more calls at once than the pool is large, no more frames inside than the queue is', async () => {
  const waiting: Array<() => void> = [];
  const peak = { calls: 0, inside: 0 };
  let depth = () => 0;
  const answer = () =>
    new Promise<Answer>((resolve) => {
      waiting.push(() => resolve(DETECTION));
      peak.calls = Math.max(peak.calls, waiting.length);
      peak.inside = Math.max(peak.inside, depth());
    });
  await withPipeline({ queueSize: 5, poolSize: 2, answer }, async (run) => {
    depth = () => run.pipeline.depth;
    let entered = 0;
    for (let index = 0; index < 12; index += 1) {
      void run.submit(index).then(() => {
        entered += 1;
      });
    }
    for (let answered = 0; answered < 12; answered += 1) {
      await eventually(() => waiting.length === Math.min(2, 12 - answered));
      await eventually(() => entered === Math.min(12, 5 + answered));
      waiting.shift()?.();
    }
    await eventually(() => run.pipeline.depth === 0);
    expect(run.settled()).toHaveLength(12);
    expect(peak).toEqual({ calls: 2, inside: 5 });
  });
});

test('a result that waits to be published holds a place in the queue, and no slot', async () => {
  const gate = newGate();
  let peak = 0;
  let depth = () => 0;
  const answer = () => {
    peak = Math.max(peak, depth());
    return DETECTION;
  };
  await withPipeline({ queueSize: 4, poolSize: 1, answer, publish: () => gate.opened }, async (run) => {
    depth = () => run.pipeline.depth;
    const submitted = Array.from({ length: 8 }, (_, index) => run.submit(index));
    await eventually(() => run.requests.length === 4);
    expect(run.pipeline.depth).toBe(4);
    gate.open();
    await Promise.all(submitted);
    await eventually(() => run.pipeline.depth === 0);
    expect([run.settled().length, peak]).toEqual([8, 4]);
  });
});

describe('close', () => {
  test('drops the frames that wait, unsettled, and waits for those in flight', async () => {
    const gate = newGate();
    const answer = () => gate.opened.then(() => DETECTION);
    await withPipeline({ poolSize: 2, answer }, async (run) => {
      for (const index of [0, 1, 2, 3]) await run.submit(index);
      await eventually(() => run.requests.length === 2);
      const closed = run.pipeline.close(5000).then(() => run.events.push('closed'));
      expect(run.pipeline.depth).toBe(2);
      run.clock.advance(4999);
      gate.open();
      await closed;
      expect(run.events.at(-1)).toBe('closed');
      expect(run.settled().toSorted()).toEqual(['settled 0', 'settled 1']);
      expect(run.requests).toHaveLength(2);
      expect(run.total('FramesFailed', 'front')).toBe(0);
    });
  });

  const asked = ({ requests }: Run) => requests.length === 1;
  const isRetrying = ({ lines }: Run) => lines.some(({ level }) => level === 'warn');
  const hasInferred = ({ lines }: Run) => lines.some(({ msg }) => msg === 'inferred');

  test.each<[string, Options, (run: Run) => boolean]>([
    ['a call without an answer', { answer: () => ({ trouble: 'hang' }) }, asked],
    ['half an answer', { answer: () => ({ headers: { 'content-length': '1000' }, body: '{' }) }, asked],
    ['waiting to ask again', { answer: () => awsError('ThrottlingException') }, isRetrying],
    ['publishing', { publish: () => newGate().opened }, hasInferred],
  ])('gives up %s when its limit is up, and leaves the frame unsettled', async (_name, options, isThere) => {
    await withPipeline(options, async (run) => {
      await run.submit(0);
      await eventually(() => isThere(run));
      const closed = run.pipeline.close(5000);
      run.clock.advance(5000);
      await closed;
      expect([run.pipeline.depth, run.events, errorLines(run)]).toEqual([0, [], []]);
      expect(run.total('FramesFailed', 'front')).toBe(0);
    });
  });
});
