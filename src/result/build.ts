import type { Inference } from '../inference/pipeline.ts';
import type { Frame } from '../matroska/demuxer.ts';
import type { FragmentMetadata } from '../matroska/fragment.ts';
import type { SampledFrame } from '../stream/sampled-frame.ts';
import { RESULT_SCHEMA_VERSION, type ResultRecord } from './record.ts';

/** Puts together what is published about one frame. Pure. */
export function resultRecord(sampled: SampledFrame, inference: Inference): ResultRecord {
  const { id, streamName, fragment, frame } = sampled;
  const { picture, answer, endpoint } = inference;
  const { producerTimestampMillis: producerMillis } = fragment;
  return {
    streamName,
    fragmentMetaData: fragmentMetaDataText(fragment),
    frameMetaData: frameMetaDataText(frame),
    sageMakerOutput: answer.body.toString('base64'),
    id,
    schemaVersion: RESULT_SCHEMA_VERSION,
    fragmentNumber: fragment.fragmentNumber,
    serverTimestamp: new Date(fragment.serverTimestampMillis).toISOString(),
    producerTimestamp: producerMillis === null ? null : new Date(producerMillis).toISOString(),
    frame: {
      index: frame.index,
      trackNumber: frame.trackNumber,
      offsetMillis: Math.round(frame.offsetMillis),
      width: picture.width,
      height: picture.height,
    },
    endpoint,
    contentType: answer.contentType,
    inferenceMillis: answer.inferenceMillis,
  };
}

/** The Java `toString` of KIT's FragmentMetadata, byte for byte: users parse it with regular expressions. */
export function fragmentMetaDataText(fragment: FragmentMetadata): string {
  const { fragmentNumber, serverTimestampMillis, producerTimestampMillis } = fragment;
  return (
    `FragmentMetadata(fragmentNumberString=${fragmentNumber}, serverSideTimestampMillis=${serverTimestampMillis}, ` +
    `producerSideTimestampMillis=${producerTimestampMillis}, fragmentNumber=${fragmentNumber}, success=true, ` +
    'errorId=0, errorCode=null, millisBehindNow=OptionalLong.empty, continuationToken=Optional.empty)'
  );
}

/** The Java `toString` of KIT's Frame. */
export function frameMetaDataText(frame: Omit<Frame, 'payload'>): string {
  return (
    `Frame(trackNumber=${frame.trackNumber}, timeCode=${frame.timecode}, keyFrame=${frame.keyFrame}, ` +
    `invisible=${frame.invisible}, discardable=${frame.discardable}, lacing=${frame.lacing})`
  );
}
