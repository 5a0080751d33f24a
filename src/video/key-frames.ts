import { MatroskaDemuxer, type MatroskaEvent, type Tracks } from '../matroska/demuxer.ts';
import type { FragmentMetadata } from '../matroska/fragment.ts';
import type { Frame } from '../matroska/frame.ts';
import type { Track } from '../matroska/tracks.ts';
import { type CodecParameters, codecParameters } from './codec.ts';
import type { MediaFile } from './media-file.ts';
import { videoTrack } from './sampler.ts';

/** An I-frame of a recorded video. */
export interface KeyFrame {
  /** Null where the video is not from GetMedia. */
  readonly fragmentNumber: string | null;
  /** Ordinal of the frame in its track within its fragment (of Matroska: its Cluster); else within the file. */
  readonly frameIndex: number;
  /** Milliseconds on the video's own clock, which may be the wall clock. */
  readonly timestampMillis: number;
  readonly codec: CodecParameters;
  readonly payload: Buffer;
}

/**
 * The I-frames of Matroska bytes, by the same demuxer as a live stream's.
 *
 * @throws {MatroskaError} where the bytes are corrupt; what was yielded before stands
 * @throws {KvsInferenceError} UNSUPPORTED_CODEC
 * @returns whether the input was cut
 */
export async function* matroskaKeyFrames(
  chunks: AsyncIterable<Buffer>,
): AsyncGenerator<KeyFrame, boolean, undefined> {
  const demuxer = new MatroskaDemuxer();
  let open: { fragment: FragmentMetadata; track: Track | null; tracks: Tracks } | null = null;
  let codec: CodecParameters | null = null;
  const keyFrame = (event: MatroskaEvent): KeyFrame | null => {
    if (event.type === 'fragmentStart') {
      if (event.tracks !== open?.tracks) codec = null;
      open = { ...event, track: videoTrack(event.tracks) };
    }
    if (event.type !== 'frame' || open === null || !isKeyFrameOf(event.frame, open.track)) return null;
    codec ??= codecParameters(open.track as Track);
    const { index: frameIndex, timestampMillis, payload } = event.frame;
    // A view would keep the whole chunk alive for as long as the frame waits.
    return {
      fragmentNumber: open.fragment.fragmentNumber,
      frameIndex,
      timestampMillis,
      codec,
      payload: Buffer.from(payload),
    };
  };
  for await (const chunk of chunks) {
    for (const event of demuxer.demux(chunk)) {
      const frame = keyFrame(event);
      if (frame !== null) yield frame;
    }
  }
  const end = demuxer.end();
  let next = end.next();
  while (!next.done) next = end.next();
  return next.value;
}

/** The I-frames of any other file, by FFmpeg's demuxers. */
export async function* mediaFileKeyFrames(file: MediaFile): AsyncGenerator<KeyFrame, boolean, undefined> {
  const { codecId, extradata } = file.parameters;
  const codec: CodecParameters = { codecId, extradata };
  let frameIndex = 0;
  for await (const { ptsMillis, dtsMillis, keyFrame, data } of file.packets()) {
    const timestampMillis = ptsMillis ?? dtsMillis ?? 0;
    if (keyFrame) yield { fragmentNumber: null, frameIndex, timestampMillis, codec, payload: data };
    frameIndex += 1;
  }
  return false;
}

function isKeyFrameOf(frame: Frame, track: Track | null): boolean {
  return frame.keyFrame && frame.trackNumber === track?.trackNumber;
}
