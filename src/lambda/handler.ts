import type { KinesisStreamBatchResponse, KinesisStreamEvent, KinesisStreamRecord } from 'aws-lambda';
import { errorMessage as messageOf } from '../core/errors.ts';
import { type Environment, readEnvironment } from './environment.ts';
import { type Detection, decodeText, type ParsedOutput, parseOutput } from './outputs.ts';
import { type DecodedRecord, decodeRecord } from './record.ts';

/** The structured line of one result record. What the record does not say is null. */
export interface RecordEntry {
  streamName: string;
  fragmentNumber: string | null;
  frameIndex: number | null;
  id: string | null;
  endpoint: string | null;
  /** ISO 8601, UTC: when the fragment starts by the producer's clock. */
  producerTimestamp: string | null;
  /** ISO 8601, UTC: when Kinesis Video Streams received the fragment. */
  serverTimestamp: string | null;
  /** Milliseconds from `producerTimestamp` until this line was written. */
  producerLatencyMillis: number | null;
  /** Milliseconds from `serverTimestamp` until this line was written. */
  serverLatencyMillis: number | null;
  /** What the frame has failed with: there are no detections then. Null if it has not failed. */
  error: string | null;
  errorMessage: string | null;
  /** Calls of the endpoint for a frame that has failed. */
  attempts: number | null;
  /** Where in S3 an output is that was too large for the record: there are no detections here then. */
  sageMakerOutputUri: string | null;
  /** Null if the record holds no output. */
  outputKind: ParsedOutput['kind'] | null;
  /** How many detections are above the threshold; `detections` holds the first 500 of them. */
  detectionCount: number;
  detections: Detection[];
  belowThreshold: number;
  skippedRows: number;
  /** The endpoint's answer when its format is unknown, else null. */
  rawOutput: RawOutput | null;
  /** AWS KIT's text. */
  fragmentMetaData: string;
  /** AWS KIT's text. */
  frameMetaData: string;
}

export interface RawOutput {
  contentType: string | null;
  /** Size of the whole answer, bytes. */
  bytes: number;
  /** `base64` when the answer is not UTF-8 text. */
  encoding: 'utf8' | 'base64';
  /** The first 2,000 characters. */
  data: string;
}

/** A Kinesis record that holds no result record. */
export interface RecordError {
  sequenceNumber: string;
  /** Shard id and sequence number, joined by ":". */
  eventID: string;
  partitionKey: string;
  message: string;
}

/** Where the parser writes: CloudWatch Logs in the Lambda, the emulator's own sink locally. */
export interface ParserLog {
  /** Once per record, before its text lines. */
  record(entry: RecordEntry): void;
  /** A line for people, without its line break. */
  text(line: string): void;
  error(error: RecordError): void;
}

export interface ParserOptions {
  log: ParserLog;
  /** `CLASS_NAMES` and `CONFIDENCE_THRESHOLD`; see readEnvironment. */
  environment: Environment;
  /** Wall clock, milliseconds since the Unix epoch. */
  now?: () => number;
}

export type ParserHandler = (event: KinesisStreamEvent) => Promise<KinesisStreamBatchResponse>;

const MAXIMUM_DETECTIONS = 500;
const MAXIMUM_RAW_CHARACTERS = 2_000;

/**
 * The parser: logs each result record of a Kinesis event; that a frame has failed is a record like any other, which
 * says so in place of detections. Throws for a bad environment.
 *
 * It stops at the first record it cannot read and reports that one: Lambda delivers it again together with every
 * record after it, so reading on would log those twice. This needs `ReportBatchItemFailures` on the event source
 * mapping, without which Lambda takes the whole batch as done; and bounded retries with an on-failure
 * destination, as the bad record stays bad.
 */
export function createHandler({ log, environment, now = Date.now }: ParserOptions): ParserHandler {
  const { classNames, confidenceThreshold } = readEnvironment(environment);

  function logRecord(record: DecodedRecord): void {
    const hasOutput = record.error === null && record.sageMakerOutputUri === null;
    const output = hasOutput ? parseOutput(record.sageMakerOutput, { classNames }) : null;
    const found = output?.detections ?? [];
    const detections = found.filter(({ confidence }) => confidence > confidenceThreshold);
    log.record(recordEntry(record, output, detections, now()));
    for (const { label, confidence } of detections) {
      log.text(`detected object: ${label}, with confidence: ${confidence}`);
    }
  }

  return async (event) => {
    for (const kinesisRecord of event.Records) {
      const record = decode(kinesisRecord, log);
      if (record === undefined) {
        return { batchItemFailures: [{ itemIdentifier: kinesisRecord.kinesis.sequenceNumber }] };
      }
      logRecord(record);
    }
    return { batchItemFailures: [] };
  };
}

function decode({ eventID, kinesis }: KinesisStreamRecord, log: ParserLog): DecodedRecord | undefined {
  try {
    return decodeRecord(kinesis.data);
  } catch (error) {
    const { sequenceNumber, partitionKey } = kinesis;
    log.error({ sequenceNumber, eventID, partitionKey, message: messageOf(error) });
    return undefined;
  }
}

function recordEntry(
  record: DecodedRecord,
  output: ParsedOutput | null,
  detections: Detection[],
  now: number,
): RecordEntry {
  const { streamName, fragmentNumber, frameIndex, id, endpoint } = record;
  const { producerTimestamp, serverTimestamp, fragmentMetaData, frameMetaData } = record;
  const { error, errorMessage, attempts, sageMakerOutputUri } = record;
  return {
    streamName,
    fragmentNumber,
    frameIndex,
    id,
    endpoint,
    producerTimestamp,
    serverTimestamp,
    producerLatencyMillis: millisSince(producerTimestamp, now),
    serverLatencyMillis: millisSince(serverTimestamp, now),
    error,
    errorMessage,
    attempts,
    sageMakerOutputUri,
    outputKind: output?.kind ?? null,
    detectionCount: detections.length,
    detections: detections.slice(0, MAXIMUM_DETECTIONS),
    belowThreshold: (output?.detections.length ?? 0) - detections.length,
    skippedRows: output?.skippedRows ?? 0,
    rawOutput: output?.kind === 'raw' ? rawOutput(record) : null,
    fragmentMetaData,
    frameMetaData,
  };
}

function millisSince(timestamp: string | null, now: number): number | null {
  const millis = now - Date.parse(timestamp ?? '');
  return Number.isNaN(millis) ? null : millis;
}

function rawOutput({ sageMakerOutput, contentType }: DecodedRecord): RawOutput {
  const text = decodeText(sageMakerOutput);
  const data = text ?? Buffer.from(sageMakerOutput).toString('base64');
  return {
    contentType,
    bytes: sageMakerOutput.length,
    encoding: text === undefined ? 'base64' : 'utf8',
    data: data.slice(0, MAXIMUM_RAW_CHARACTERS),
  };
}
