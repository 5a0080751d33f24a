import { AV_PIX_FMT_YUV420P } from 'node-av/constants';
import { avImageCrop, avImageGetBufferSize, Frame } from 'node-av/lib';
import { MediaFile } from '../../video/media-file.ts';
import { decodedFrames } from './decode.ts';
import { H264Encoder } from './h264-encoder.ts';
import { loopFromMemory } from './looping.ts';
import { Scaler, toEven } from './scaler.ts';
import type { EncodedFrame, VideoSource } from './video-source.ts';

/** Pixels, even. */
const WINDOW = { width: 640, height: 360 };
const FRAME_RATE = 15;
/** To the right and back. */
const PERIOD_MILLIS = 12_000;
/** How much of a picture's width is seen at once. */
const VISIBLE_WIDTH = 0.85;

/** A picture in YUV 4:2:0, rows and planes without gaps, scaled so that the window shows a part of it. */
interface Panorama {
  width: number;
  height: number;
  data: Buffer;
}

/**
 * A camera that turns slowly from the left end of a still picture to the right and back, then does so with the
 * next one. Each turn is encoded when it is first watched, and kept in memory.
 *
 * @param paths anything that FFmpeg can decode
 * @throws {UsageError} where a picture cannot be decoded
 */
export async function openPan(paths: readonly string[]): Promise<VideoSource> {
  const panoramas: Panorama[] = [];
  for (const path of paths) panoramas.push(await loadPanorama(path));
  const trial = await openEncoder();
  trial.close();
  return loopFromMemory(trial.track, () => pan(panoramas));
}

function openEncoder(): Promise<H264Encoder> {
  return H264Encoder.open({ ...WINDOW, frameRate: FRAME_RATE });
}

async function loadPanorama(path: string): Promise<Panorama> {
  const file = await MediaFile.open(path);
  let scaler: Scaler | null = null;
  try {
    for await (const frame of decodedFrames(file, 1)) {
      const factor = Math.max(WINDOW.width / VISIBLE_WIDTH / frame.width, WINDOW.height / frame.height);
      const width = toEven(frame.width * factor);
      const height = toEven(frame.height * factor);
      scaler = new Scaler({ width, height });
      await scaler.scale(frame);
      return { width, height, data: scaler.frame.toBuffer() };
    }
  } finally {
    scaler?.close();
    await file.close();
  }
  throw new Error('decodedFrames ends without a frame only by throwing');
}

async function* pan(panoramas: readonly Panorama[]): AsyncGenerator<EncodedFrame, void, undefined> {
  const encoder = await openEncoder();
  const frames = (PERIOD_MILLIS / 1000) * FRAME_RATE;
  const frameMillis = 1000 / FRAME_RATE;
  let index = 0;
  try {
    for (const panorama of panoramas) {
      for (let step = 0; step < frames; step += 1, index += 1) {
        const window = crop(panorama, panPosition(step / frames));
        try {
          yield await encoder.encode(window, index * frameMillis, frameMillis);
        } finally {
          window.free();
        }
      }
    }
  } finally {
    encoder.close();
  }
}

/**
 * Where the window is on its way from the left (0) to the right (1): slow at both ends, as a motor would turn.
 *
 * @param phase of the period, 0 to 1
 */
export function panPosition(phase: number): number {
  return (1 - Math.cos(phase * 2 * Math.PI)) / 2;
}

/** @param position 0 left to 1 right */
function crop({ width, height, data }: Panorama, position: number): Frame {
  const x = Math.round(((width - WINDOW.width) / 2) * position) * 2;
  const y = Math.round((height - WINDOW.height) / 4) * 2;
  const pixels = Buffer.alloc(avImageGetBufferSize(AV_PIX_FMT_YUV420P, WINDOW.width, WINDOW.height, 1));
  avImageCrop(pixels, data, AV_PIX_FMT_YUV420P, width, height, x, y, WINDOW.width, WINDOW.height);
  return Frame.fromVideoBuffer(pixels, { ...WINDOW, format: AV_PIX_FMT_YUV420P });
}
