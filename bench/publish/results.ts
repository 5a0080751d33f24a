import { resultRecord } from '../../src/result/build.ts';
import { frameId, type SampledFrame } from '../../src/stream/sampled-frame.ts';
import { inference, sampledFrame } from '../../test/result/frames.ts';
import { openTenure } from '../../test/support/tenure.ts';

export const STREAMS = 200;
/** Of each stream. */
const TENURES = Array.from({ length: STREAMS }, () => openTenure().tenure);

/** Twenty objects, as a built-in object detection algorithm answers them: 1.5 KB. */
export const OUTCOME = inference(
  JSON.stringify({
    prediction: Array.from({ length: 20 }, (_, index) => [
      index,
      0.9123456716537476 - index / 100,
      0.123456789123 + index / 50,
      0.234567891234,
      0.345678912345,
      0.456789123456,
    ]),
  }),
);

/** @param index of all frames; the streams come in turn */
export function frameOf(index: number): SampledFrame {
  const stream = index % STREAMS;
  const streamName = `camera-${stream}`;
  const frame = sampledFrame(Math.floor(index / STREAMS), TENURES[stream]);
  return { ...frame, streamName, id: frameId(streamName, frame.fragment.fragmentNumber, frame.frame.index) };
}

/** What the shipped writer puts into the data stream for it. */
export function recordOf(frame: SampledFrame) {
  const sageMakerOutput = OUTCOME.answer.body.toString('base64');
  return {
    Data: Buffer.from(JSON.stringify({ ...resultRecord(frame, OUTCOME), sageMakerOutput })),
    PartitionKey: frame.streamName,
  };
}
