import { ElementId } from '../../matroska/elements.ts';
import { EBML_HEADER, element, simpleBlock, tagsElement, unknownSizeHeader } from '../matroska-writer.ts';
import type { CameraTrack, SourceFrame } from './video-source.ts';

/*
 * What a camera sends (https://docs.aws.amazon.com/kinesisvideostreams/latest/dg/API_dataplane_PutMedia.html), with
 * Segment and Cluster of unknown size:
 *
 *   Body    = EBML Segment(Info Tracks Cluster*)
 *   Cluster = Timestamp SimpleBlock*
 */

const TRACK_NUMBER = 1;
const VIDEO_TRACK_TYPE = 1;
const NANOSECONDS_PER_MILLISECOND = 1_000_000;
const APPLICATION = 'kvs-inference camera';

/** Everything before the first Cluster. @param segmentUuid 16 bytes */
export function streamHeader(track: CameraTrack, segmentUuid: Buffer): Buffer {
  return Buffer.concat([
    EBML_HEADER,
    unknownSizeHeader(ElementId.Segment),
    element(ElementId.Info, [
      element(0x73a4, segmentUuid), // SegmentUUID
      element(ElementId.TimestampScale, NANOSECONDS_PER_MILLISECOND),
      element(0x4d80, APPLICATION), // MuxingApp
      element(0x5741, APPLICATION), // WritingApp
    ]),
    element(ElementId.Tracks, [
      element(ElementId.TrackEntry, [
        element(ElementId.TrackNumber, TRACK_NUMBER),
        element(0x73c5, TRACK_NUMBER), // TrackUID
        element(ElementId.TrackType, VIDEO_TRACK_TYPE),
        element(ElementId.CodecID, track.codecId),
        ...(track.codecPrivate === null ? [] : [element(ElementId.CodecPrivate, track.codecPrivate)]),
        element(ElementId.Video, [
          element(ElementId.PixelWidth, track.pixelWidth),
          element(ElementId.PixelHeight, track.pixelHeight),
        ]),
      ]),
    ]),
  ]);
}

/** The start of a fragment. @param timecodeMillis a whole number, milliseconds since the Unix epoch */
export function clusterStart(timecodeMillis: number): Buffer {
  return Buffer.concat([unknownSizeHeader(ElementId.Cluster), element(ElementId.Timestamp, timecodeMillis)]);
}

export function frameBlock({ offsetMillis, keyFrame, payload }: SourceFrame): Buffer {
  return simpleBlock({ trackNumber: TRACK_NUMBER, timecode: Math.round(offsetMillis), keyFrame, payload });
}

/** Tells the service that the open fragment is complete although no other follows. */
export const END_OF_FRAGMENT = tagsElement({ AWS_KINESISVIDEO_END_OF_FRAGMENT: '' });
