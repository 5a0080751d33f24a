import {
  AV_CODEC_ID_BMP,
  AV_CODEC_ID_GIF,
  AV_CODEC_ID_MJPEG,
  AV_CODEC_ID_PNG,
  AV_PIX_FMT_RGB24,
  AVCHROMA_LOC_UNSPECIFIED,
  AVCOL_RANGE_JPEG,
  AVCOL_SPC_RGB,
  type AVCodecID,
  SWS_ACCURATE_RND,
  SWS_BICUBIC,
  SWS_FULL_CHR_H_INT,
} from 'node-av/constants';
import { Codec, CodecContext, Frame, Packet, SoftwareScaleContext } from 'node-av/lib';
import type { Track } from '../../src/matroska/tracks.ts';
import type { PictureFormat, PictureOptions } from '../../src/video/encoder.ts';
import type { Video } from '../support/media.ts';

export function trackOf({
  codecId,
  codecPrivate,
  width,
  height,
}: Pick<Video, 'codecId' | 'codecPrivate' | 'width' | 'height'>): Track {
  return {
    trackNumber: 1,
    trackType: 'video',
    codecId,
    codecPrivate,
    name: null,
    pixelWidth: width,
    pixelHeight: height,
    samplingFrequency: null,
    channels: null,
    strippedHeader: null,
    unreadable: null,
  };
}

export const firstFrame = (video: Video): Buffer => video.frames[0]?.payload ?? Buffer.alloc(0);

/** Decodes a picture, or the first frame of a video, straight with FFmpeg. */
export async function decode(codecId: AVCodecID, extradata: Buffer | null, data: Buffer): Promise<Frame> {
  const codec = Codec.findDecoder(codecId);
  const context = new CodecContext();
  context.allocContext3(codec);
  if (extradata !== null) context.extraData = extradata;
  await context.open2(codec, null);
  const packet = new Packet();
  packet.alloc();
  packet.data = data;
  const frame = new Frame();
  frame.alloc();
  await context.sendPacket(packet);
  await context.sendPacket(null);
  expect(await context.receiveFrame(frame)).toBe(0);
  packet.free();
  context.freeContext();
  return frame;
}

/** A frame as RGB, by FFmpeg's converter with the flags that the product promises. */
export async function rgb(frame: Frame): Promise<Buffer> {
  const scaler = new SoftwareScaleContext();
  scaler.allocContext();
  scaler.setOption('sws_flags', SWS_BICUBIC | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT);
  const target = new Frame();
  target.alloc();
  Object.assign(target, { width: frame.width, height: frame.height, format: AV_PIX_FMT_RGB24 });
  Object.assign(target, { colorRange: AVCOL_RANGE_JPEG, colorSpace: AVCOL_SPC_RGB });
  target.allocBuffer();
  frame.chromaLocation = AVCHROMA_LOC_UNSPECIFIED;
  expect(await scaler.scaleFrame(target, frame)).toBeGreaterThanOrEqual(0);
  const bytes = target.toBuffer();
  target.free();
  frame.free();
  scaler.freeContext();
  return bytes;
}

/** Peak signal-to-noise ratio, dB. */
export function psnr(a: Buffer, b: Buffer): number {
  expect(a.length).toBe(b.length);
  let sum = 0;
  for (let index = 0; index < a.length; index += 1) sum += ((a[index] ?? 0) - (b[index] ?? 0)) ** 2;
  return sum === 0 ? Number.POSITIVE_INFINITY : 10 * Math.log10((255 * 255 * a.length) / sum);
}

export const PICTURE_CODECS: Record<PictureFormat, AVCodecID> = {
  jpeg: AV_CODEC_ID_MJPEG,
  png: AV_CODEC_ID_PNG,
  bmp: AV_CODEC_ID_BMP,
  gif: AV_CODEC_ID_GIF,
};
export function as(format: PictureFormat, limits: Partial<PictureOptions> = {}): PictureOptions {
  return { format, maxWidth: null, maxHeight: null, quality: 100, maxBytes: null, ...limits };
}
