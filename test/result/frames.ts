import type { Inference } from '../../src/inference/inference.ts';
import { frameId, type SampledFrame, type Tenure } from '../../src/stream/sampled-frame.ts';
import { lasting } from '../support/tenure.ts';

export const FRAGMENT_NUMBER = '91343852333181432392682062607743920146159169392';

/** A frame whose fragment the producer started at 2023-11-16T13:20:21.761Z; the server had it 2,288 ms later. */
export function sampledFrame(index: number, tenure: Tenure = lasting): SampledFrame {
  const offsetMillis = index * 40;
  return {
    id: frameId('front-door', FRAGMENT_NUMBER, index),
    streamName: 'front-door',
    endpoint: { name: 'detector', acceptContentType: 'image/jpeg', inferenceInterval: 1 },
    fragment: {
      fragmentNumber: FRAGMENT_NUMBER,
      serverTimestampMillis: 1700140824049,
      producerTimestampMillis: 1700140821761,
    },
    frame: {
      trackNumber: 1,
      index,
      timecode: offsetMillis,
      offsetMillis,
      timestampMillis: 10_000 + offsetMillis,
      keyFrame: true,
      invisible: false,
      discardable: false,
      lacing: 'NO',
      laceIndex: 0,
    },
    codec: () => {
      throw new Error('nobody decodes it');
    },
    payload: Buffer.alloc(0),
    tenure,
    settle: () => undefined,
    abandon: () => undefined,
  };
}

export function inference(output: string | Buffer): Inference {
  return {
    picture: { width: 640, height: 360, reduced: null },
    answer: { body: Buffer.from(output), contentType: 'application/json', inferenceMillis: 42 },
  };
}
