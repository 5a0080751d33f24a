import { errorName, httpStatusOf, KvsInferenceError } from '../core/errors.ts';
import type { CloseReason } from './connection-watchdog.ts';

/** The code of a fragment that is no longer stored. */
const FRAGMENT_NOT_FOUND = '4000';
/** A connection that gave nothing until its time was up. */
const STALLS: ReadonlySet<string> = new Set<CloseReason>(['SILENT', 'NO_FRAGMENT']);

/**
 * An error that the service reports inside the body; its code is the service's
 * (https://docs.aws.amazon.com/kinesisvideostreams/latest/dg/API_dataplane_GetMedia.html).
 */
export class InStreamError extends KvsInferenceError {}

/** Whether the service no longer has what was asked for. */
export function isGone(error: unknown): boolean {
  return error instanceof InStreamError && error.code === FRAGMENT_NOT_FOUND;
}

/** Whether the service has answered, only not with media. */
export function isAnswer(error: unknown): boolean {
  return error instanceof InStreamError || httpStatusOf(error) !== undefined;
}

/**
 * Whether the stream may have had video meanwhile. A connection that breaks once is replaced within seconds; what is
 * gone is read elsewhere at once, first from a time on and then from where a new stream starts.
 */
export function mayHideVideo(error: unknown, consecutiveFailures: number): boolean {
  if (isGone(error)) return consecutiveFailures > 2;
  return consecutiveFailures > 1 || STALLS.has(errorName(error));
}
