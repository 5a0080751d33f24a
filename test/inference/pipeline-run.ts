import { SageMakerRuntimeClient } from '@aws-sdk/client-sagemaker-runtime';
import { AV_CODEC_ID_H264 } from 'node-av/constants';
import { KvsInferenceError } from '../../src/core/errors.ts';
import { SageMakerEndpoint } from '../../src/inference/endpoint.ts';
import { type Inference, InferencePipeline } from '../../src/inference/pipeline.ts';
import { frameId, type SampledFrame, type Tenure } from '../../src/stream/sampled-frame.ts';
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

const video = await makeVideo({ codec: 'h264', width: 64, height: 48, frames: 1 });
const codec = { codecId: AV_CODEC_ID_H264, extradata: video.codecPrivate, width: 64, height: 48 };
const keyFrame = video.frames[0]?.payload ?? Buffer.alloc(0);

/** What a frame is besides its index, and what it is told. */
type FrameOptions = Pick<SampledFrame, 'tenure' | 'payload' | 'settle' | 'abandon'>;

function sampledFrame(index: number, options: FrameOptions): SampledFrame {
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
    ...options,
  };
}

/** Holds up whoever awaits it until it is opened. */
export function newGate() {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

/** Rejects, as the publisher does, when the tenure is over. */
function endOf({ over }: Tenure): Promise<never> {
  return new Promise((_resolve, reject) => {
    over.addEventListener('abort', () => reject(new KvsInferenceError('TENURE_OVER', 'over')));
  });
}

export interface Options {
  queueSize?: number;
  poolSize?: number;
  /** Of the endpoint; a detection by default. */
  answer?: (request: ReceivedRequest, count: number) => Answer | Promise<Answer>;
  /** Runs before the result counts as published; ends with the tenure. */
  publish?: (index: number) => Promise<void>;
}

export type Run = Awaited<ReturnType<typeof start>>;

/** A pipeline before an endpoint that is real but for its model. */
async function start({ queueSize = 10, poolSize = 2, answer = () => DETECTION, publish }: Options) {
  const server = await serve(answer);
  const client = new SageMakerRuntimeClient(localClient(server.url));
  const clock = new ManualClock(FRAGMENT_MILLIS);
  const observed = recorded(clock);
  /** Of the frames that are given none. */
  const own = openTenure();
  /** What became of the frames, by their index: `published 0`, `settled 0`, `abandoned 0`. */
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
    publish: async ({ frame: { index }, tenure }, inference) => {
      if (publish !== undefined) await Promise.race([publish(index), endOf(tenure)]);
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
    submit: (index: number, { payload = keyFrame, tenure = own.tenure }: Partial<FrameOptions> = {}) =>
      pipeline.submit(
        sampledFrame(index, {
          payload,
          tenure,
          settle: () => events.push(`settled ${index}`),
          abandon: () => events.push(`abandoned ${index}`),
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
