import { KvsInferenceError } from '../../core/errors.ts';

/*
 * What PutMedia answers while the request goes on
 * (https://docs.aws.amazon.com/kinesisvideostreams/latest/dg/API_dataplane_PutMedia.html):
 * one JSON object a line, in the order BUFFERING, RECEIVED, PERSISTED for every fragment.
 */

/** The `ErrorId` of each `ErrorCode` that this service gives. */
const ERROR_IDS = {
  MAX_FRAGMENT_SIZE_REACHED: 4001,
  MAX_FRAGMENT_DURATION_REACHED: 4002,
  FRAGMENT_TIMECODE_LESSER_THAN_PREVIOUS: 4004,
  INVALID_MKV_DATA: 4006,
  STREAM_NOT_ACTIVE: 4008,
  FRAGMENT_METADATA_LIMIT_REACHED: 4009,
  TRACK_NUMBER_MISMATCH: 4010,
  FRAMES_MISSING_FOR_TRACK: 4011,
  MORE_THAN_ALLOWED_TRACKS_FOUND: 4012,
} as const;

export type AckErrorCode = keyof typeof ERROR_IDS;

/** Why the service gives up on a PutMedia connection. */
export class AckError extends KvsInferenceError {
  override readonly name = 'AckError';
  declare readonly code: AckErrorCode;
}

/** The fragment that an acknowledgement is about. */
export interface AckedFragment {
  readonly fragmentNumber: string;
  /** Of the Cluster, as the producer sent it, milliseconds. */
  readonly timecodeMillis: number;
}

export function ackLine(eventType: 'BUFFERING' | 'RECEIVED' | 'PERSISTED', fragment: AckedFragment): string {
  return line({ EventType: eventType, ...fields(fragment) });
}

/** @param fragment that was open; none before the first and between two */
export function errorAckLine({ code }: AckError, fragment: AckedFragment | null): string {
  const about = fragment === null ? {} : fields(fragment);
  return line({ EventType: 'ERROR', ...about, ErrorCode: code, ErrorId: ERROR_IDS[code] });
}

function fields({ fragmentNumber, timecodeMillis }: AckedFragment) {
  return { FragmentTimecode: timecodeMillis, FragmentNumber: fragmentNumber };
}

function line(ack: Readonly<Record<string, string | number>>): string {
  return `${JSON.stringify(ack)}\n`;
}
