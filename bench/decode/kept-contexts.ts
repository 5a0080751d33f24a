import {
  AV_CODEC_FLAG_QSCALE,
  AV_CODEC_ID_BMP,
  AV_CODEC_ID_GIF,
  AV_CODEC_ID_MJPEG,
  AV_CODEC_ID_PNG,
  AV_PIX_FMT_BGR24,
  AV_PIX_FMT_GBRP,
  AV_PIX_FMT_RGB8,
  AV_PIX_FMT_RGB24,
  AV_PIX_FMT_YUVJ420P,
  AVCHROMA_LOC_UNSPECIFIED,
  AVCOL_RANGE_JPEG,
  AVCOL_SPC_BT470BG,
  AVCOL_SPC_RGB,
  type AVCodecID,
  type AVColorSpace,
  type AVPixelFormat,
  FF_QP2LAMBDA,
  SWS_ACCURATE_RND,
  SWS_BICUBIC,
  SWS_FULL_CHR_H_INT,
} from 'node-av/constants';
import { Codec, CodecContext, FFmpegError, Frame, Packet, Rational, SoftwareScaleContext } from 'node-av/lib';
import type { PictureFormat } from '../../src/video/encoder.ts';
import type { KeyFrame } from './key-frame.ts';

/*
 * FFmpeg with nothing around it: one context each, opened once and kept for all frames of the one stream there is,
 * each call made in the thread that wants its result.
 */

/** FFmpeg's `-q:v 2`, the product's default. */
const QUANTISER = 2 * FF_QP2LAMBDA;
const BEST_FLAGS = SWS_BICUBIC | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT;

interface Output {
  readonly codecId: AVCodecID;
  readonly pixelFormat: AVPixelFormat;
  readonly colorSpace: AVColorSpace;
  /** The cheapest that give the picture which the product promises. */
  readonly scaleFlags: number;
}

const OUTPUTS: Readonly<Record<PictureFormat, Output>> = {
  // With a decoded frame of JPEG's own colours and size only the range changes: there FFmpeg's default is as good.
  jpeg: {
    codecId: AV_CODEC_ID_MJPEG,
    pixelFormat: AV_PIX_FMT_YUVJ420P,
    colorSpace: AVCOL_SPC_BT470BG,
    scaleFlags: SWS_BICUBIC,
  },
  png: rgb(AV_CODEC_ID_PNG, AV_PIX_FMT_RGB24),
  bmp: rgb(AV_CODEC_ID_BMP, AV_PIX_FMT_BGR24),
  gif: rgb(AV_CODEC_ID_GIF, AV_PIX_FMT_RGB8),
};

function rgb(codecId: AVCodecID, pixelFormat: AVPixelFormat): Output {
  return { codecId, pixelFormat, colorSpace: AVCOL_SPC_RGB, scaleFlags: BEST_FLAGS };
}

/** @returns what decodes the key frame; the frame stands until it is called again */
export function keptDecoder({ parameters, payload }: KeyFrame): () => Frame {
  const codec = Codec.findDecoder(parameters.codecId);
  const context = new CodecContext();
  context.allocContext3(codec);
  context.threadCount = 1;
  context.extraData = parameters.extradata;
  check(context.open2Sync(codec, null), 'open decoder');
  const packet = new Packet();
  packet.alloc();
  packet.data = payload;
  const frame = new Frame();
  frame.alloc();
  return () => {
    frame.unref();
    check(context.sendPacketSync(packet), 'send packet');
    check(context.sendPacketSync(null), 'drain');
    check(context.receiveFrameSync(frame), 'receive frame');
    context.flushBuffers();
    return frame;
  };
}

/** @returns what fills the same frame each time */
export function keptScaler(
  size: Pick<Frame, 'width' | 'height'>,
  { pixelFormat, colorSpace, scaleFlags }: Omit<Output, 'codecId'>,
): (frame: Frame) => Frame {
  const scaler = new SoftwareScaleContext();
  scaler.allocContext();
  check(scaler.setOption('sws_flags', scaleFlags), 'sws_flags');
  const result = new Frame();
  result.alloc();
  Object.assign(result, { width: size.width, height: size.height, format: pixelFormat, colorSpace });
  result.colorRange = AVCOL_RANGE_JPEG;
  check(result.allocBuffer(), 'allocate');
  return (frame) => {
    frame.chromaLocation = AVCHROMA_LOC_UNSPECIFIED;
    check(scaler.scaleFrameSync(result, frame), 'convert');
    return result;
  };
}

/** @param first a frame like all that follow */
export function keptEncoder(format: PictureFormat, first: Frame): (frame: Frame) => Buffer {
  const output = OUTPUTS[format];
  const convert = keptScaler(first, output);
  const codec = Codec.findEncoder(output.codecId);
  const context = new CodecContext();
  context.allocContext3(codec);
  context.width = first.width;
  context.height = first.height;
  context.sampleAspectRatio = first.sampleAspectRatio;
  context.pixelFormat = output.pixelFormat;
  context.colorRange = AVCOL_RANGE_JPEG;
  context.colorSpace = output.colorSpace;
  context.timeBase = new Rational(1, 1);
  context.threadCount = 1;
  context.setFlags(AV_CODEC_FLAG_QSCALE);
  context.globalQuality = QUANTISER;
  if (format === 'png') check(context.setOption('compression_level', '1'), 'compression_level');
  // Else only the difference to the picture before would be written.
  if (format === 'gif') check(context.setOption('gifimage', '1'), 'gifimage');
  check(context.open2Sync(codec, null), 'open encoder');
  const packet = new Packet();
  packet.alloc();
  let pts = 0n;
  return (frame) => {
    const converted = convert(frame);
    converted.quality = QUANTISER;
    converted.pts = pts;
    pts += 1n;
    check(context.sendFrameSync(converted), 'send frame');
    check(context.receivePacketSync(packet), 'receive packet');
    const picture = Buffer.from(packet.data ?? []);
    packet.unref();
    return picture;
  };
}

/** RGB as fast as FFmpeg makes the picture that the product promises: by way of planar RGB. */
export function keptRgb(first: Frame): (frame: Frame) => Buffer {
  const planar = keptScaler(first, { ...OUTPUTS.png, pixelFormat: AV_PIX_FMT_GBRP });
  const packed = keptScaler(first, OUTPUTS.png);
  return (frame) => packed(planar(frame)).toBuffer();
}

function check(result: number, step: string): void {
  FFmpegError.throwIfError(result, step);
}
