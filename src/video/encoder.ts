import {
  AV_CODEC_FLAG_QSCALE,
  AV_CODEC_ID_BMP,
  AV_CODEC_ID_GIF,
  AV_CODEC_ID_MJPEG,
  AV_CODEC_ID_PNG,
  AV_PIX_FMT_BGR24,
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
import { Codec, CodecContext, FFmpegError, Frame, Packet, SoftwareScaleContext } from 'node-av/lib';
import { KvsInferenceError } from '../core/errors.ts';

export type PictureFormat = 'jpeg' | 'png' | 'bmp' | 'gif';

export interface Picture {
  readonly data: Buffer;
  /** Pixels. */
  readonly width: number;
  readonly height: number;
}

interface Output {
  readonly codecId: AVCodecID;
  readonly pixelFormat: AVPixelFormat;
  readonly colorSpace: AVColorSpace;
  readonly options?: Readonly<Record<string, string>>;
  /** FFmpeg leaves it to the container to end the file. */
  readonly trailer?: Buffer;
}

const RGB = AVCOL_SPC_RGB;
const OUTPUTS: Readonly<Record<PictureFormat, Output>> = {
  // JFIF: full range, BT.601 coefficients.
  jpeg: { codecId: AV_CODEC_ID_MJPEG, pixelFormat: AV_PIX_FMT_YUVJ420P, colorSpace: AVCOL_SPC_BT470BG },
  png: {
    codecId: AV_CODEC_ID_PNG,
    pixelFormat: AV_PIX_FMT_RGB24,
    colorSpace: RGB,
    options: { compression_level: '1' },
  },
  bmp: { codecId: AV_CODEC_ID_BMP, pixelFormat: AV_PIX_FMT_BGR24, colorSpace: RGB },
  gif: { codecId: AV_CODEC_ID_GIF, pixelFormat: AV_PIX_FMT_RGB8, colorSpace: RGB, trailer: Buffer.from(';') },
};

/** FFmpeg's quantiser scale for JPEG, 2 (best) to 31. */
const JPEG_QSCALE = 2;
const SCALE_FLAGS = SWS_BICUBIC | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT;

/**
 * Encodes decoded frames as pictures of one format. Keeps the encoder and the converter while the frames stay
 * alike. Calls must not overlap, nor `close` a call (see KeyFrameDecoder).
 */
export class PictureEncoder {
  readonly #output: Output;
  #likeness = '';
  #context: CodecContext | null = null;
  #scaler: SoftwareScaleContext | null = null;
  #converted: Frame | null = null;
  #pictures = 0n;

  constructor(format: PictureFormat) {
    this.#output = OUTPUTS[format];
  }

  /** @throws {KvsInferenceError} ENCODE_FAILED */
  async encode(frame: Frame): Promise<Picture> {
    const { width, height } = frame;
    // As the ffmpeg program converts: chroma is taken where swscale assumes it, whatever the stream says.
    frame.chromaLocation = AVCHROMA_LOC_UNSPECIFIED;
    const { context, scaler, converted } = await this.#open(frame);
    const packet = new Packet();
    packet.alloc();
    try {
      check(converted.makeWritable(), 'reuse picture');
      check(await scaler.scaleFrame(converted, frame), 'convert');
      converted.quality = JPEG_QSCALE * FF_QP2LAMBDA;
      // FFmpeg's JPEG encoder refuses a timestamp that does not rise.
      converted.pts = this.#pictures;
      this.#pictures += 1n;
      check(await context.sendFrame(converted), 'send frame');
      check(await context.receivePacket(packet), 'receive packet');
      const trailer = this.#output.trailer ?? Buffer.alloc(0);
      return { data: Buffer.concat([packet.data ?? Buffer.alloc(0), trailer]), width, height };
    } catch (error) {
      this.close();
      throw error;
    } finally {
      packet.free();
    }
  }

  close(): void {
    this.#context?.freeContext();
    this.#scaler?.freeContext();
    this.#converted?.free();
    this.#context = null;
    this.#scaler = null;
    this.#converted = null;
    this.#likeness = '';
  }

  async #open(
    frame: Frame,
  ): Promise<{ context: CodecContext; scaler: SoftwareScaleContext; converted: Frame }> {
    const { width, height } = frame;
    const likeness = [width, height, frame.format, frame.colorRange, frame.colorSpace].join();
    if (likeness !== this.#likeness) this.close();
    this.#likeness = likeness;
    this.#scaler ??= openScaler();
    this.#converted ??= this.#allocate(width, height);
    this.#context ??= await this.#openEncoder(width, height);
    return { context: this.#context, scaler: this.#scaler, converted: this.#converted };
  }

  #allocate(width: number, height: number): Frame {
    const frame = new Frame();
    frame.alloc();
    frame.width = width;
    frame.height = height;
    frame.format = this.#output.pixelFormat;
    frame.colorRange = AVCOL_RANGE_JPEG;
    frame.colorSpace = this.#output.colorSpace;
    check(frame.allocBuffer(), 'allocate picture');
    return frame;
  }

  async #openEncoder(width: number, height: number): Promise<CodecContext> {
    const { codecId, pixelFormat, colorSpace, options } = this.#output;
    const codec = Codec.findEncoder(codecId);
    if (codec === null) throw encodeFailed(`FFmpeg has no encoder for codec ${codecId}`);
    const context = new CodecContext();
    context.allocContext3(codec);
    context.width = width;
    context.height = height;
    context.pixelFormat = pixelFormat;
    context.colorRange = AVCOL_RANGE_JPEG;
    context.colorSpace = colorSpace;
    context.timeBase = { num: 1, den: 1 } as CodecContext['timeBase'];
    context.threadCount = 1;
    context.setFlags(AV_CODEC_FLAG_QSCALE);
    context.globalQuality = JPEG_QSCALE * FF_QP2LAMBDA;
    for (const [name, value] of Object.entries(options ?? {})) check(context.setOption(name, value), name);
    const opened = await context.open2(codec, null);
    if (opened < 0) context.freeContext();
    check(opened, 'open encoder');
    return context;
  }
}

function openScaler(): SoftwareScaleContext {
  const scaler = new SoftwareScaleContext();
  scaler.allocContext();
  check(scaler.setOption('sws_flags', SCALE_FLAGS), 'sws_flags');
  return scaler;
}

function check(result: number, step: string): void {
  if (result < 0) throw encodeFailed(`${step}: ${new FFmpegError(result).message}`);
}

function encodeFailed(problem: string): KvsInferenceError {
  return new KvsInferenceError('ENCODE_FAILED', `picture cannot be encoded: ${problem}`);
}
