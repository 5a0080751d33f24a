import type { ResultRecord } from '../result/record.ts';

/** A record of the Kinesis data stream. What AWS KIT's records do not say is null. */
export interface DecodedRecord {
  streamName: string;
  fragmentMetaData: string;
  frameMetaData: string;
  /** The endpoint's response body; empty beside `error` and `sageMakerOutputUri`. */
  sageMakerOutput: Uint8Array;
  /** Where in S3 an output is that was too large for the record. */
  sageMakerOutputUri: string | null;
  /** What the frame has failed with; null if it has not. */
  error: string | null;
  errorMessage: string | null;
  /** Calls of the endpoint for a frame that has failed. */
  attempts: number | null;
  contentType: string | null;
  id: string | null;
  fragmentNumber: string | null;
  frameIndex: number | null;
  endpoint: string | null;
  /** ISO 8601, UTC. */
  producerTimestamp: string | null;
  /** ISO 8601, UTC. */
  serverTimestamp: string | null;
}

type Fields = Readonly<Partial<Record<keyof ResultRecord, unknown>>>;

/**
 * Decodes the `data` of a Kinesis record: base64 of a result record's JSON. The first four fields, which AWS KIT's
 * records have too, must be there; the others are taken if they are of the right type.
 * Throws an Error that says what is wrong.
 */
export function decodeRecord(data: string): DecodedRecord {
  const published = parseFields(decodeBase64(data, 'data').toString());
  const fragmentMetaData = requiredText(published, 'fragmentMetaData');
  const fields: Fields = { ...fieldsOfKit(fragmentMetaData), ...published };
  const { frame } = fields as { frame?: Partial<ResultRecord['frame']> | null };
  return {
    streamName: requiredText(fields, 'streamName'),
    fragmentMetaData,
    frameMetaData: requiredText(fields, 'frameMetaData'),
    sageMakerOutput: decodeBase64(requiredText(fields, 'sageMakerOutput'), 'sageMakerOutput'),
    sageMakerOutputUri: text(fields.sageMakerOutputUri),
    error: text(fields.error),
    errorMessage: text(fields.errorMessage),
    attempts: number(fields.attempts),
    contentType: text(fields.contentType),
    id: text(fields.id),
    fragmentNumber: text(fields.fragmentNumber),
    frameIndex: number(frame?.index),
    endpoint: text(fields.endpoint),
    producerTimestamp: text(fields.producerTimestamp),
    serverTimestamp: text(fields.serverTimestamp),
  };
}

function parseFields(json: string): Fields {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (error) {
    throw new Error(`data is not JSON: ${(error as SyntaxError).message}`);
  }
  if (typeof value !== 'object' || value === null) throw new Error('data is not a JSON object');
  return value;
}

/** Unlike Buffer.from, which skips what is not base64, this refuses it. */
function decodeBase64(base64: string, name: string): Buffer {
  if (base64.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(base64)) {
    throw new Error(`${name} is not base64`);
  }
  return Buffer.from(base64, 'base64');
}

function requiredText(fields: Fields, name: keyof ResultRecord): string {
  const value = fields[name];
  if (typeof value !== 'string') {
    throw new Error(`data is not a result record: ${name} must be text, not ${typeof value}`);
  }
  return value;
}

function text(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

function number(value: unknown): number | null {
  return typeof value === 'number' ? value : null;
}

/** What AWS KIT's text says of the fields that its records lack. */
function fieldsOfKit(fragmentMetaData: string): Fields {
  const digits = (name: string) => new RegExp(`\\b${name}=(\\d+)`).exec(fragmentMetaData)?.[1];
  return {
    fragmentNumber: digits('fragmentNumberString'),
    producerTimestamp: isoTimestamp(digits('producerSideTimestampMillis')),
    serverTimestamp: isoTimestamp(digits('serverSideTimestampMillis')),
  };
}

function isoTimestamp(millis: string | undefined): string | undefined {
  const date = new Date(Number(millis));
  return Number.isNaN(date.getTime()) ? undefined : date.toISOString();
}
