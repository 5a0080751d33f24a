import { clusterStart, frameBlock, streamHeader } from '../../src/emulator/camera/matroska-stream.ts';
import type { CameraTrack, SourceFrame } from '../../src/emulator/camera/video-source.ts';
import { fragmentPieces } from '../../src/emulator/kinesis-video/media-body.ts';
import { padH264, type Video } from '../../test/support/media.ts';

const SEGMENT_UUID = Buffer.alloc(16, 1);
/** As long as the service's. */
const FIRST_FRAGMENT_NUMBER = 91343852333181432392682062607743920146264094720n;
const FIRST_MILLIS = Date.UTC(2026, 0, 1);
const FRAGMENT_MILLIS = 1000;

export function trackOf({ codecId, codecPrivate, width, height }: Video): CameraTrack {
  return { codecId, codecPrivate, pixelWidth: width, pixelHeight: height };
}

export function framesOf({ frames }: Video): SourceFrame[] {
  return frames.map(({ payload, keyFrame, timeMillis }) => ({ payload, keyFrame, offsetMillis: timeMillis }));
}

/** The same frames, each of so many bytes: with filler data, or, where it is too large for that, nothing but that. */
export function ofFrameBytes(frames: readonly SourceFrame[], bytes: number): SourceFrame[] {
  const nothing = Buffer.alloc(0);
  return frames.map((frame) => ({
    ...frame,
    payload: padH264(frame.payload.length + FILLER_HEADER_BYTES <= bytes ? frame.payload : nothing, bytes),
  }));
}

/** Length, NAL unit header and trailing bits. */
const FILLER_HEADER_BYTES = 6;

/** What GetMedia sends of a stream whose every fragment has these frames: at least so many bytes, whole fragments. */
export function* getMediaBody(
  track: CameraTrack,
  frames: readonly SourceFrame[],
  minBytes: number,
): Generator<Buffer, void, undefined> {
  const header = streamHeader(track, SEGMENT_UUID);
  let bytes = 0;
  for (let index = 0; bytes < minBytes; index += 1) {
    const millis = FIRST_MILLIS + index * FRAGMENT_MILLIS;
    const times = {
      serverTimestampMillis: millis,
      serverEndMillis: millis + FRAGMENT_MILLIS,
      producerTimestampMillis: millis,
      producerEndMillis: millis + FRAGMENT_MILLIS,
      timecodeMillis: millis,
    };
    const content = Buffer.concat([clusterStart(millis), ...frames.map(frameBlock)]);
    const fragmentNumber = String(FIRST_FRAGMENT_NUMBER + BigInt(index));
    for (const piece of fragmentPieces({ ...times, fragmentNumber, header, content }, () => millis)) {
      bytes += piece.length;
      yield piece;
    }
  }
}
