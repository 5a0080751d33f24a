import { AVCOL_SPC_RGB } from 'node-av/constants';
import type { Frame } from 'node-av/lib';
import { MediaFile } from '../../video/media-file.ts';
import { ContinuousTime } from './continuous-time.ts';
import { decodedFrames } from './decode.ts';
import { type EncoderOptions, H264Encoder } from './h264-encoder.ts';
import { Scaler, toEven } from './scaler.ts';
import type { CameraTrack, EncodedFrame } from './video-source.ts';

const MAX_WIDTH = 1280;
const MAX_HEIGHT = 720;
/** A picture that is shown for longer is encoded again, so that there is a key frame each second. */
const MAX_PICTURE_MILLIS = 1000;

/** How a file is turned into H.264: the same at each pass. */
export interface Transcoding {
  readonly track: CameraTrack;
  readonly encoder: EncoderOptions;
}

/**
 * Decodes the first frame of a file to see that it can be done, and into what.
 *
 * @throws {UsageError}
 */
export async function planTranscoding(path: string): Promise<Transcoding> {
  const file = await MediaFile.open(path);
  try {
    for await (const frame of decodedFrames(file)) {
      const encoder = encoderOptions(frame, file.frameRate);
      const trial = await H264Encoder.open(encoder);
      trial.close();
      return { track: trial.track, encoder };
    }
  } finally {
    await file.close();
  }
  throw new Error('decodedFrames ends without a frame only by throwing');
}

function encoderOptions(frame: Frame, frameRate: number): EncoderOptions {
  const { width, height, colorSpace } = frame;
  const factor = Math.min(1, MAX_WIDTH / width, MAX_HEIGHT / height);
  return {
    width: toEven(width * factor),
    height: toEven(height * factor),
    frameRate: Math.min(Math.max(frameRate, 1), 120),
    ...(colorSpace === AVCOL_SPC_RGB ? {} : { colorSpace }),
  };
}

/**
 * Encodes a file once from beginning to end.
 *
 * @param maxPackets where to stop; 1 makes a still picture of it, shown for a second
 */
export async function* transcode(
  path: string,
  options: EncoderOptions,
  maxPackets?: number,
): AsyncGenerator<EncodedFrame, void, undefined> {
  const file = await MediaFile.open(path);
  try {
    yield* encodedFrames(file, options, maxPackets);
  } finally {
    await file.close();
  }
}

async function* encodedFrames(
  file: MediaFile,
  options: EncoderOptions,
  maxPackets: number | undefined,
): AsyncGenerator<EncodedFrame, void, undefined> {
  const encoder = await H264Encoder.open(options);
  const scaler = new Scaler(options);
  const time = new ContinuousTime();
  let lastMillis = -1;
  let endMillis = 0;
  try {
    for await (const frame of decodedFrames(file, maxPackets)) {
      const durationMillis = maxPackets === 1 ? MAX_PICTURE_MILLIS : file.frameMillis(frame.duration);
      const timeMillis = time.next(file.millis(frame.bestEffortTimestamp), durationMillis);
      if (timeMillis <= lastMillis) continue;
      yield* repeatUntil(timeMillis);
      await scaler.scale(frame);
      yield await encoder.encode(scaler.frame, timeMillis, durationMillis);
      lastMillis = timeMillis;
      endMillis = timeMillis + durationMillis;
    }
    yield* repeatUntil(endMillis);
  } finally {
    scaler.close();
    encoder.close();
  }

  /** Encodes the last picture again, each second, up to about a second before the next. */
  async function* repeatUntil(nextMillis: number): AsyncGenerator<EncodedFrame, void, undefined> {
    const untilMillis = nextMillis - MAX_PICTURE_MILLIS / 2;
    for (let repeat = lastMillis + MAX_PICTURE_MILLIS; repeat < untilMillis; repeat += MAX_PICTURE_MILLIS) {
      yield await encoder.encode(scaler.frame, repeat, 0);
    }
  }
}
