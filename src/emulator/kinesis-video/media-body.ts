import { ElementId } from '../../matroska/elements.ts';
import { EBML_HEADER, tagsElement, unknownSizeHeader } from '../matroska-writer.ts';
import type { StoredFragment } from './fragment-log.ts';

/*
 * What GetMedia sends (https://docs.aws.amazon.com/kinesisvideostreams/latest/dg/API_dataplane_GetMedia.html), as
 * captures of the service have it:
 *
 *   Body     = Document*
 *   Document = EBML Segment(… Tracks … Tags(FRAGMENT_NUMBER SERVER_TIMESTAMP PRODUCER_TIMESTAMP)
 *                Cluster … Tags(MILLIS_BEHIND_NOW CONTINUATION_TOKEN))
 *            | EBML Segment(Tags(ERROR_CODE ERROR_ID))
 *
 * All but the service's own Tags are the producer's bytes, only the Segment always has an unknown size.
 */

/** Width of the sizes in the service's own Tags, bytes. */
const TAG_SIZE_BYTES = 4;
/** The largest piece that is written at once, bytes. */
const PIECE_BYTES = 64 * 1024;

/** A fragment in pieces. @param now milliseconds since the Unix epoch, asked for when the last piece is due */
export function* fragmentPieces(fragment: StoredFragment, now: () => number): Generator<Buffer> {
  yield Buffer.concat([fragment.header, leadingTags(fragment)]);
  const { content } = fragment;
  for (let start = 0; start < content.length; start += PIECE_BYTES) {
    yield content.subarray(start, start + PIECE_BYTES);
  }
  yield trailingTags(fragment, now());
}

/** The in-stream error 4000: the fragment to read on from is not kept. */
export function fragmentNotFound(): Buffer {
  const tags = {
    AWS_KINESISVIDEO_ERROR_CODE: 'FRAGMENT_NOT_FOUND',
    AWS_KINESISVIDEO_ERROR_ID: '4000',
  };
  return Buffer.concat([
    EBML_HEADER,
    unknownSizeHeader(ElementId.Segment),
    tagsElement(tags, TAG_SIZE_BYTES),
  ]);
}

function leadingTags({ fragmentNumber, serverTimestampMillis, producerTimestampMillis }: StoredFragment) {
  const tags = {
    AWS_KINESISVIDEO_FRAGMENT_NUMBER: fragmentNumber,
    AWS_KINESISVIDEO_SERVER_TIMESTAMP: seconds(serverTimestampMillis),
    AWS_KINESISVIDEO_PRODUCER_TIMESTAMP: seconds(producerTimestampMillis),
  };
  return tagsElement(tags, TAG_SIZE_BYTES);
}

function trailingTags({ fragmentNumber, serverTimestampMillis }: StoredFragment, now: number) {
  const tags = {
    AWS_KINESISVIDEO_MILLIS_BEHIND_NOW: String(Math.max(0, Math.round(now - serverTimestampMillis))),
    AWS_KINESISVIDEO_CONTINUATION_TOKEN: fragmentNumber,
  };
  return tagsElement(tags, TAG_SIZE_BYTES);
}

/** 1511852109126 → `1511852109.126`. */
function seconds(millis: number): string {
  return (millis / 1000).toFixed(3);
}
