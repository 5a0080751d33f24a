import { errorMessage, errorName } from '../core/errors.ts';
import type { FailedInference, Inference } from '../inference/inference.ts';
import type { FragmentMetadata } from '../matroska/fragment.ts';
import type { Frame } from '../matroska/frame.ts';
import type { SampledFrame } from '../stream/sampled-frame.ts';
import type { ResultRecord } from './record.ts';

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
    schemaVersion: 1,
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

/**
 * A record as it waits for the data stream; its data is put together in the request's body. Thousands may wait: a text of
 * the fields beside the output, which is there anyhow, takes the garbage collector less time than a buffer of both.
 */
export interface EncodedRecord {
  /** Of the result. */
  readonly id: string;
  /** The partition key. */
  readonly streamName: string;
  /** Of the data, bytes. */
  readonly dataBytes: number;
  /** The record without its output. */
  readonly json: string;
  /** Stands in the record as base64; null if there is none. */
  readonly output: Buffer | null;
}

export function encodedRecord(record: ResultRecord, output: Buffer | null = null): EncodedRecord {
  const { id, streamName } = record;
  const json = JSON.stringify(record);
  const dataBytes = Buffer.byteLength(json) + base64Length(output?.length ?? 0);
  return { id, streamName, dataBytes, json, output };
}

/** Writes the record's data, UTF-8, to the beginning of `target`, which has room for it. */
export function writeData({ dataBytes, json, output }: EncodedRecord, target: Buffer): void {
  const isAscii = dataBytes === json.length + base64Length(output?.length ?? 0);
  // The same bytes, and copied as they are.
  const encoding = isAscii ? 'latin1' : 'utf8';
  if (output === null) {
    target.write(json, encoding);
    return;
  }
  const at = json.indexOf(NO_OUTPUT) + NO_OUTPUT.length - 1;
  let position = target.write(json.slice(0, at), encoding);
  position += target.write(output.toString('base64'), position, 'latin1');
  target.write(json.slice(at), position, encoding);
}

/** What a record counts in the data stream, bytes: its data and its partition key. */
export function recordBytes({ dataBytes, streamName }: EncodedRecord): number {
  return dataBytes + Buffer.byteLength(streamName);
}

/** Of so many bytes as text. */
export function base64Length(bytes: number): number {
  return Math.ceil(bytes / 3) * 4;
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
