import {
  AV_CODEC_ID_BMP,
  AV_CODEC_ID_GIF,
  AV_CODEC_ID_MJPEG,
  AV_CODEC_ID_PNG,
  AV_LOG_QUIET,
  AV_PIX_FMT_RGB24,
  type AVCodecID,
  type AVPixelFormat,
  SWS_ACCURATE_RND,
  SWS_BICUBIC,
  SWS_FULL_CHR_H_INT,
  type SwsFlags,
} from 'node-av/constants';
import { Codec, CodecContext, FFmpegError, Frame, Log, Packet, SoftwareScaleContext } from 'node-av/lib';

/** The largest request body that SageMaker's InvokeEndpoint takes, bytes. */
export const MAX_BODY_BYTES = 6_291_456;
/** 7680 x 4320: a small body can claim dimensions that would take gigabytes to decode. */
export const MAX_PIXELS = 33_177_600;

const FORMATS = [
  { name: 'JPEG', contentType: 'image/jpeg', codecId: AV_CODEC_ID_MJPEG, signature: 'ffd8ff' },
  { name: 'PNG', contentType: 'image/png', codecId: AV_CODEC_ID_PNG, signature: '89504e470d0a1a0a' },
  { name: 'BMP', contentType: 'image/bmp', codecId: AV_CODEC_ID_BMP, signature: '424d' },
  { name: 'GIF', contentType: 'image/gif', codecId: AV_CODEC_ID_GIF, signature: '47494638' },
] as const;

/** Any of the formats, as SageMaker's image algorithms name it. */
const ANY_CONTENT_TYPE = 'application/x-image';

const CONTENT_TYPES: readonly string[] = [...FORMATS.map(({ contentType }) => contentType), ANY_CONTENT_TYPE];

export interface Picture {
  width: number;
  height: number;
  /** RGB, 3 bytes a pixel, rows without padding. */
  data: Uint8Array;
}

/** A body that is no picture we can decode: the client's fault. `statusCode` is what HTTP calls it. */
export class PictureError extends Error {
  override readonly name = 'PictureError';
  readonly statusCode: 400 | 415;

  constructor(message: string, statusCode: 400 | 415 = 400) {
    super(message);
    this.statusCode = statusCode;
  }
}

Log.setLevel(AV_LOG_QUIET);

/**
 * Decodes a picture (the first of a GIF) and scales it, keeping its aspect ratio, so that its longer edge
 * becomes `size` pixels.
 *
 * @param contentType the request's: that of the body's format, or application/x-image for any
 * @throws PictureError
 */
export async function decodePicture(body: Buffer, contentType: string, size: number): Promise<Picture> {
  if (!CONTENT_TYPES.includes(contentType)) {
    const message = `The Content-Type is "${contentType}"; it must be one of ${CONTENT_TYPES.join(', ')}`;
    throw new PictureError(message, 415);
  }
  const format = FORMATS.find(({ signature }) => body.toString('hex', 0, signature.length / 2) === signature);
  if (format === undefined) {
    const names = FORMATS.map(({ name }) => name).join(', ');
    throw new PictureError(`The body (${body.length} bytes) is none of ${names}, judged by its first bytes`);
  }
  if (contentType !== ANY_CONTENT_TYPE && contentType !== format.contentType) {
    throw new PictureError(`The Content-Type is ${contentType}, but the body is ${format.contentType}`);
  }

  const frame = new Frame();
  try {
    frame.alloc();
    const error = await decode(body, format.codecId, frame);
    if (error < 0) {
      const reason = `${FFmpegError.strerror(error)} (damaged, or more than ${MAX_PIXELS} pixels)`;
      throw new PictureError(`The ${format.name} picture cannot be decoded: ${reason}`);
    }
    return await scale(frame, size);
  } finally {
    frame.free();
  }
}

/** Returns 0, or the negative AVERROR that says why `frame` was not filled. */
async function decode(body: Buffer, codecId: AVCodecID, frame: Frame): Promise<number> {
  const codec = Codec.findDecoder(codecId);
  const context = new CodecContext();
  const packet = new Packet();
  try {
    context.allocContext3(codec);
    context.threadCount = 1;
    context.setOption('max_pixels', MAX_PIXELS);
    context.setOption('err_detect', 'explode');
    FFmpegError.throwIfError(await context.open2(codec), 'avcodec_open2');
    packet.alloc();
    packet.data = body;
    const sent = await context.sendPacket(packet);
    if (sent < 0) return sent;
    await context.sendPacket(null);
    return await context.receiveFrame(frame);
  } finally {
    packet.free();
    context.freeContext();
  }
}

async function scale(source: Frame, size: number): Promise<Picture> {
  const factor = size / Math.max(source.width, source.height);
  const width = Math.max(1, Math.round(source.width * factor));
  const height = Math.max(1, Math.round(source.height * factor));
  const context = new SoftwareScaleContext();
  const target = new Frame();
  try {
    target.alloc();
    target.width = width;
    target.height = height;
    target.format = AV_PIX_FMT_RGB24;
    FFmpegError.throwIfError(target.getBuffer(), 'av_frame_get_buffer');
    const flags = (SWS_BICUBIC | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT) as SwsFlags;
    const sourceFormat = source.format as AVPixelFormat;
    context.getContext(source.width, source.height, sourceFormat, width, height, AV_PIX_FMT_RGB24, flags);
    FFmpegError.throwIfError(await context.scaleFrame(target, source), 'sws_scale_frame');
    return { width, height, data: target.toBuffer() };
  } finally {
    target.free();
    context.freeContext();
  }
}
