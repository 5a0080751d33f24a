import { SageMakerRuntimeClient } from '@aws-sdk/client-sagemaker-runtime';
import { AV_CODEC_ID_H264 } from 'node-av/constants';
import { type Config, resolve } from '../../src/config/resolve.ts';
import { configKeys } from '../../src/config/schema.ts';
import { KvsInferenceError } from '../../src/core/errors.ts';
import { ByteBudget } from '../../src/inference/byte-budget.ts';
import type { FailedInference, Inference } from '../../src/inference/inference.ts';
import { InferencePipeline } from '../../src/inference/pipeline.ts';
import { type FrameEnd, frameId, type SampledFrame, type Tenure } from '../../src/stream/sampled-frame.ts';
import { PicturePool } from '../../src/video/picture-pool.ts';
import { type Answer, type ReceivedRequest, serve } from '../support/http-server.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { makeVideo } from '../support/media.ts';
import { localClient, recorded } from '../support/services.ts';
import { openTenure } from '../support/tenure.ts';

const { signal: never } = new AbortController();
export const DETECTION: Answer = {
  headers: { 'content-type': 'application/json' },
  body: '{"prediction":[[0,0.9,0.1,0.1,0.5,0.5]]}',
};
/** When the frames' fragment reached the service, by the clock of the test. */
const FRAGMENT_MILLIS = 1_700_000_000_000;
export const FRAME_MILLIS = 40;
/** From the producer's timestamp of a frame to the service's. */
export const PRODUCER_MILLIS = 500;

const video = await makeVideo({ codec: 'h264', width: 64, height: 48, frames: 1 });
export const codec = { codecId: AV_CODEC_ID_H264, extradata: video.codecPrivate };
const keyFrame = video.frames[0]?.payload ?? Buffer.alloc(0);

const ENDPOINT = { name: 'detector', acceptContentType: 'image/jpeg', inferenceInterval: 1 } as const;

/** What a frame is besides its index, and what it is told. */
type FrameOptions = Pick<
  SampledFrame,
  'streamName' | 'endpoint' | 'tenure' | 'payload' | 'settle' | 'abandon'
> &
  Partial<Pick<SampledFrame, 'codec'>>;

function sampledFrame(index: number, options: FrameOptions): SampledFrame {
  const offsetMillis = index * FRAME_MILLIS;
  return {
    id: frameId(options.streamName, '7', index),
    fragment: {
      fragmentNumber: '7',
      serverTimestampMillis: FRAGMENT_MILLIS,
      producerTimestampMillis: FRAGMENT_MILLIS - PRODUCER_MILLIS,
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
    codec: () => codec,
    ...options,
  };
}

/** Rejects, as the publisher does, when the tenure is over. */
function endOf({ over }: Tenure): Promise<never> {
  return new Promise((_resolve, reject) => {
    over.addEventListener('abort', () => reject(new KvsInferenceError('TENURE_OVER', 'over')));
  });
}

export interface Options {
  /** Keys of the configuration, over the defaults. */
  config?: Record<string, unknown>;
  /** Bytes that the queues may hold. */
  queueBytes?: number;
  /** Of the endpoint; a detection by default. */
  answer?: (request: ReceivedRequest, count: number) => Answer | Promise<Answer>;
  /** Runs before the result counts as published; ends with the tenure. */
  publish?: (index: number) => Promise<void>;
}

/** A configuration with small queues. */
export function configOf(keys: Record<string, unknown> = {}): Config {
  const kit = { streamNames: ['front'], sageMakerEndpoint: 'detector', kdsStreamName: 'results' };
  const small = { sageMakerTaskQueueSize: 10, sageMakerTaskThreadPoolSize: 2 };
  const slots = { sageMakerTaskThreadPoolName: 'Slot-%d', sageMakerTaskTimeoutInMilli: 60_000 };
  return resolve(configKeys.parse({ ...kit, ...small, ...slots, ...keys }));
}

export type Run = Awaited<ReturnType<typeof start>>;

/** A pipeline before an endpoint that is real but for its model. */
async function start({ config = {}, queueBytes = 1e9, answer = () => DETECTION, publish }: Options) {
  const server = await serve(answer);
  const client = new SageMakerRuntimeClient(localClient(server.url));
  const clock = new ManualClock(FRAGMENT_MILLIS);
  const observed = recorded(clock);
  /** Of the frames that are given none. */
  const own = openTenure();
  /** What became of the frames, by their index: `published 0`, `settled 0`, `abandoned 0`. */
  const events: string[] = [];
  /** How those that were settled ended, by their index. */
  const ends = new Map<number, FrameEnd>();
  const outcomes: Array<Inference | FailedInference> = [];
  const pictures = new PicturePool(2);
  let current = configOf(config);
  const pipeline = new InferencePipeline({
    config: () => current,
    budget: new ByteBudget(queueBytes),
    client,
    pictures,
    room: async () => undefined,
    write: async ({ frame: { index }, tenure }, outcome) => {
      if (publish !== undefined) await Promise.race([publish(index), endOf(tenure)]);
      outcomes.push(outcome);
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
    ends,
    outcomes,
    /** Applies other keys. */
    configure: (keys: Record<string, unknown>) => {
      current = configOf(keys);
      pipeline.configure();
    },
    requests: server.requests,
    /** Resolves when the frame is in the queue. */
    submit: (index: number, options: Partial<FrameOptions> = {}) =>
      pipeline.submit(
        sampledFrame(index, {
          streamName: 'front',
          endpoint: current.endpoints[0] ?? ENDPOINT,
          payload: keyFrame,
          tenure: own.tenure,
          settle: (end) => {
            ends.set(index, end);
            events.push(`settled ${index}`);
          },
          abandon: () => events.push(`abandoned ${index}`),
          ...options,
        }),
        never,
      ),
    settled: () => events.filter((event) => event.startsWith('settled')),
    end: async () => {
      own.end();
      await pipeline.close();
      client.destroy();
      await server.close();
    },
  };
}

export async function withPipeline(options: Options, use: (run: Run) => Promise<void>): Promise<void> {
  const run = await start(options);
  try {
    await use(run);
  } finally {
    await run.end();
  }
}

export const errorLines = ({ lines }: Run) => lines.filter(({ level }) => level === 'error');
