import { isTime } from './values.ts';

/*
 * The tags that Kinesis Video Streams adds to each fragment, in the order of the wire
 * (https://docs.aws.amazon.com/kinesisvideostreams/latest/dg/API_dataplane_GetMedia.html):
 *
 *   before the Cluster   FRAGMENT_NUMBER SERVER_TIMESTAMP PRODUCER_TIMESTAMP
 *   after the Cluster    MILLIS_BEHIND_NOW CONTINUATION_TOKEN
 *   instead              ERROR_CODE ERROR_ID
 *
 * GetMediaForFragmentList has …_SIDE_TIMESTAMP and EXCEPTION_ERROR_CODE, EXCEPTION_MESSAGE in their place.
 */

const PREFIX = 'AWS_KINESISVIDEO_';
/** By the name in the body, without its prefix: nothing is put together for each fragment. */
const SERVICE_TAGS: ReadonlyMap<string, string> = new Map(
  [
    'FRAGMENT_NUMBER',
    'SERVER_TIMESTAMP',
    'PRODUCER_TIMESTAMP',
    'SERVER_SIDE_TIMESTAMP',
    'PRODUCER_SIDE_TIMESTAMP',
  ]
    .concat(['MILLIS_BEHIND_NOW', 'CONTINUATION_TOKEN', 'ERROR_CODE', 'ERROR_ID'])
    .concat(['EXCEPTION_ERROR_CODE', 'EXCEPTION_MESSAGE'])
    .map((name) => [PREFIX + name, name]),
);

/** As GetMedia's StartSelector takes it. */
const FRAGMENT_NUMBER = /^\d{1,128}$/;

/** What is known of a fragment when its frames start; all null in Matroska that is not from GetMedia. */
export interface FragmentMetadata {
  /** Decimal text of up to 47 digits (about 157 bits): compare with BigInt, never as a number. */
  readonly fragmentNumber: string | null;
  /** Milliseconds since the Unix epoch. */
  readonly serverTimestampMillis: number | null;
  /** Milliseconds since the Unix epoch. */
  readonly producerTimestampMillis: number | null;
}

/** What the tags after a fragment's frames say. Without them the fragment is not complete. */
export interface FragmentTrailer {
  readonly millisBehindNow: number | null;
  readonly continuationToken: string | null;
}

/** An error that the service reports inside the body. */
export interface StreamError {
  /** `4000`, or the exception's name where the service sends names. */
  readonly code: string;
  readonly message: string;
}

/** The service's tags of one Tags element, by `serviceTagName`. */
export type TagValues = ReadonlyMap<string, string>;

/** The tag's name without AWS_KINESISVIDEO_; null for one that is not the service's. */
export function serviceTagName(name: string): string | null {
  return SERVICE_TAGS.get(name) ?? null;
}

/** The fragment that these tags announce; null where they announce none. */
export function readFragmentMetadata(tags: TagValues): FragmentMetadata | null {
  const fragmentNumber = tag(tags, 'FRAGMENT_NUMBER');
  if (fragmentNumber === null || !FRAGMENT_NUMBER.test(fragmentNumber)) return null;
  return {
    fragmentNumber,
    serverTimestampMillis: millisOf(tag(tags, 'SERVER_TIMESTAMP', 'SERVER_SIDE_TIMESTAMP'), 1000),
    producerTimestampMillis: millisOf(tag(tags, 'PRODUCER_TIMESTAMP', 'PRODUCER_SIDE_TIMESTAMP'), 1000),
  };
}

export function readFragmentTrailer(tags: TagValues): FragmentTrailer | null {
  const millisBehindNow = tag(tags, 'MILLIS_BEHIND_NOW');
  const continuationToken = tag(tags, 'CONTINUATION_TOKEN');
  if (millisBehindNow === null && continuationToken === null) return null;
  return { millisBehindNow: millisOf(millisBehindNow, 1), continuationToken };
}

export function readStreamError(tags: TagValues): StreamError | null {
  const values = [tag(tags, 'ERROR_ID'), tag(tags, 'ERROR_CODE'), tag(tags, 'EXCEPTION_ERROR_CODE')];
  const present = values.filter((value) => value !== null && value !== '');
  const message = tag(tags, 'EXCEPTION_MESSAGE');
  if (present.length === 0 && message === null) return null;
  const code = present.find((value) => /^\d+$/.test(value as string)) ?? present[0] ?? 'UNKNOWN';
  const name = present.find((value) => value !== code);
  return { code, message: message ?? ERROR_MESSAGES[code] ?? name ?? 'error reported by the service' };
}

/** The error codes of the GetMedia API page. */
const ERROR_MESSAGES: Readonly<Record<string, string>> = {
  3002: 'error writing to the stream',
  4000: 'requested fragment is not found',
  4500: "access denied for the stream's KMS key",
  4501: "stream's KMS key is disabled",
  4502: "validation error on the stream's KMS key",
  4503: 'KMS key specified in the stream is unavailable',
  4504: 'invalid usage of the KMS key specified in the stream',
  4505: 'invalid state of the KMS key specified in the stream',
  4506: 'unable to find the KMS key specified in the stream',
  5000: 'internal error',
};

function tag(tags: TagValues, ...names: string[]): string | null {
  for (const name of names) {
    const value = tags.get(name);
    if (value !== undefined) return value;
  }
  return null;
}

/** `"1511852109.126"`, of 1000 milliseconds each → 1511852109126; null for what is no time. */
function millisOf(text: string | null, millisPerUnit: number): number | null {
  if (text === null || text.trim() === '') return null;
  const millis = Math.round(Number(text) * millisPerUnit);
  return isTime(millis) ? millis : null;
}
