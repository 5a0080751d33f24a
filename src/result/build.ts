import { errorMessage, errorName } from '../core/errors.ts';
import type { FailedInference, Inference } from '../inference/inference.ts';
import type { FragmentMetadata } from '../matroska/fragment.ts';
import type { Frame } from '../matroska/frame.ts';
import type { SampledFrame } from '../stream/sampled-frame.ts';
import { RESULT_SCHEMA_VERSION, type ResultRecord } from './record.ts';

/** Characters: a model's error can quote its whole log. */
const MAX_ERROR_MESSAGE = 1000;

/**
 * Puts together what is published about one frame, all but the output: whether the record holds that is not known yet.
 * Pure.
 */
export function resultRecord(sampled: SampledFrame, outcome: Inference | FailedInference): ResultRecord {
  const { id, streamName, fragment, frame, endpoint } = sampled;
  const { producerTimestampMillis: producerMillis } = fragment;
  const { picture } = outcome;
  const failure = 'error' in outcome ? outcome : null;
  const answer = 'answer' in outcome ? outcome.answer : null;
  return {
    streamName,
    fragmentMetaData: fragmentMetaDataText(fragment),
    frameMetaData: frameMetaDataText(frame),
    sageMakerOutput: '',
    id,
    schemaVersion: RESULT_SCHEMA_VERSION,
    fragmentNumber: fragment.fragmentNumber,
    serverTimestamp: new Date(fragment.serverTimestampMillis).toISOString(),
    producerTimestamp: producerMillis === null ? null : new Date(producerMillis).toISOString(),
    frame: {
      index: frame.index,
      trackNumber: frame.trackNumber,
      offsetMillis: Math.round(frame.offsetMillis),
      width: picture?.width ?? null,
      height: picture?.height ?? null,
    },
    endpoint: endpoint.name,
    contentType: answer?.contentType ?? null,
    inferenceMillis: answer?.inferenceMillis ?? null,
    ...(picture?.reduced ? { picture: picture.reduced } : {}),
    ...(failure === null ? {} : failureFields(failure)),
  };
}

function failureFields({ error, attempts }: FailedInference): Partial<ResultRecord> {
  return {
    error: errorName(error),
    errorMessage: errorMessage(error).slice(0, MAX_ERROR_MESSAGE),
    attempts,
  };
}

/** What a record counts in the data stream, bytes: its data and its partition key. */
export function recordBytes(data: Buffer, { streamName }: Pick<ResultRecord, 'streamName'>): number {
  return data.length + Buffer.byteLength(streamName);
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
