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

/** As JSON has it; within a text the quotation marks would be escaped. */
const NO_OUTPUT = '"sageMakerOutput":""';

/** A record as it is put into the data stream. */
export interface EncodedRecord {
  /** Of the result. */
  readonly id: string;
  /** The partition key. */
  readonly streamName: string;
  /** JSON. Thousands may wait: outside of the heap they are nothing to the garbage collector. */
  readonly data: Buffer;
}

/**
 * @param json of the record, without output
 * @param output base64, which JSON has as it is
 */
export function encodedRecord({ id, streamName }: ResultRecord, json: string, output = ''): EncodedRecord {
  if (output === '') return { id, streamName, data: Buffer.from(json) };
  const at = json.indexOf(NO_OUTPUT) + NO_OUTPUT.length - 1;
  const data = Buffer.allocUnsafe(Buffer.byteLength(json) + output.length);
  let position = data.write(json.slice(0, at));
  position += data.write(output, position, 'latin1');
  data.write(json.slice(at), position);
  return { id, streamName, data };
}

/** What a record counts in the data stream, bytes: its data and its partition key. */
export function recordBytes(dataBytes: number, { streamName }: Pick<ResultRecord, 'streamName'>): number {
  return dataBytes + Buffer.byteLength(streamName);
}

/** Of these bytes as text. */
export function base64Length({ length }: Buffer): number {
  return Math.ceil(length / 3) * 4;
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
