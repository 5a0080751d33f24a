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
  AV_PIX_FMT_YUV420P,
  AV_PIX_FMT_YUVJ420P,
  AVCHROMA_LOC_UNSPECIFIED,
  AVCOL_RANGE_JPEG,
  AVCOL_SPC_BT470BG,
  AVCOL_SPC_RGB,
  AVCOL_SPC_SMPTE170M,
  AVCOL_SPC_UNSPECIFIED,
  type AVCodecID,
  type AVColorSpace,
  type AVPixelFormat,
  FF_QP2LAMBDA,
  SWS_ACCURATE_RND,
  SWS_BICUBIC,
  SWS_FULL_CHR_H_INT,
} from 'node-av/constants';
import { Codec, CodecContext, FFmpegError, Frame, Packet, Rational, SoftwareScaleContext } from 'node-av/lib';
import { KvsInferenceError } from '../core/errors.ts';
import type { PictureFormat } from './encoder.ts';
import { type Encoding, qscale, type Size } from './picture-size.ts';

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
    // The filter that costs least, for as many bytes as the default, give or take 3 %.
    options: { compression_level: '1', pred: 'up' },
  },
  bmp: { codecId: AV_CODEC_ID_BMP, pixelFormat: AV_PIX_FMT_BGR24, colorSpace: RGB },
  gif: {
    codecId: AV_CODEC_ID_GIF,
    pixelFormat: AV_PIX_FMT_RGB8,
    colorSpace: RGB,
    // Whole pictures, not the difference to the one before.
    options: { gifimage: '1' },
    trailer: Buffer.from(';'),
  },
};

const BEST_QUALITY = 100;

/** A frame of the picture's size, in another pixel format, and what fills it. */
interface Step {
  readonly scaler: SoftwareScaleContext;
  readonly result: Frame;
}

/** Makes pictures of one format, size and quality, one at a time; none depends on the one before. */
export class PictureEncoder {
  readonly #output: Output;
  readonly #size: Size;
  readonly #quantiser: number;
  /** Those that were needed so far. */
  readonly #steps = new Map<AVPixelFormat, Step>();
  readonly #context = new CodecContext();
  readonly #packet = new Packet();

  /** @throws {KvsInferenceError} ENCODE_FAILED */
  constructor(format: PictureFormat, encoding: Encoding, sampleAspectRatio: Rational) {
    this.#output = OUTPUTS[format];
    this.#size = encoding;
    this.#quantiser = qscale(encoding.quality ?? BEST_QUALITY) * FF_QP2LAMBDA;
    try {
      this.#open(encoding, sampleAspectRatio);
      this.#packet.alloc();
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /**
   * No two calls may overlap. After an error it is only to be closed.
   *
   * @param frame of any size
   * @throws {KvsInferenceError} ENCODE_FAILED
   */
  async encode(frame: Frame): Promise<Buffer> {
    // As the ffmpeg program converts: chroma is taken where swscale assumes it, whatever the stream says.
    frame.chromaLocation = AVCHROMA_LOC_UNSPECIFIED;
    let converted = frame;
    for (const pixelFormat of conversions(frame, this.#output)) {
      const { scaler, result } = this.#step(pixelFormat);
      check(scaler.setOption('sws_flags', scaleFlags(converted, result)), 'sws_flags');
      check(await scaler.scaleFrame(result, converted), 'convert');
      if (pixelFormat === AV_PIX_FMT_RGB8) renew(scaler);
      converted = result;
    }
    converted.quality = this.#quantiser;
    converted.pts += 1n;
    check(await this.#context.sendFrame(converted), 'send frame');
    // Sending has encoded it.
    check(this.#context.receivePacketSync(this.#packet), 'receive packet');
    const { data } = this.#packet;
    const picture = Buffer.concat([data ?? Buffer.alloc(0), this.#output.trailer ?? Buffer.alloc(0)]);
    this.#packet.unref();
    return picture;
  }

  close(): void {
    this.#packet.free();
    this.#context.freeContext();
    for (const { scaler, result } of this.#steps.values()) {
      result.free();
      scaler.freeContext();
    }
  }

  #step(pixelFormat: AVPixelFormat): Step {
    const known = this.#steps.get(pixelFormat);
    if (known !== undefined) return known;
    const step = { scaler: new SoftwareScaleContext(), result: new Frame() };
    this.#steps.set(pixelFormat, step);
    const colorSpace = pixelFormat === this.#output.pixelFormat ? this.#output.colorSpace : RGB;
    allocatePicture(step.result, { pixelFormat, colorSpace }, this.#size);
    step.result.pts = 0n;
    step.scaler.allocContext();
    return step;
  }

  #open(encoding: Encoding, sampleAspectRatio: Rational): void {
    const { codecId, pixelFormat, colorSpace, options } = this.#output;
    const codec = Codec.findEncoder(codecId);
    if (codec === null) throw encodeFailed(`FFmpeg has no encoder for codec ${codecId}`);
    const context = this.#context;
    context.allocContext3(codec);
    context.width = encoding.width;
    context.height = encoding.height;
    context.sampleAspectRatio = sampleAspectRatio;
    context.pixelFormat = pixelFormat;
    context.colorRange = AVCOL_RANGE_JPEG;
    context.colorSpace = colorSpace;
    context.timeBase = new Rational(1, 1);
    context.threadCount = 1;
    context.setFlags(AV_CODEC_FLAG_QSCALE);
    context.globalQuality = this.#quantiser;
    for (const [name, value] of Object.entries(options ?? {})) check(context.setOption(name, value), name);
    // In 0.1 ms; the encoder's memory is not touched yet.
    check(context.open2Sync(codec, null), 'open encoder');
  }
}

/**
 * Gives a frame the memory for a picture, of full range.
 *
 * @throws {KvsInferenceError} ENCODE_FAILED
 */
export function allocatePicture(
  frame: Frame,
  { pixelFormat, colorSpace }: { readonly pixelFormat: AVPixelFormat; readonly colorSpace: AVColorSpace },
  { width, height }: Size,
): void {
  frame.alloc();
  frame.width = width;
  frame.height = height;
  frame.format = pixelFormat;
  frame.colorRange = AVCOL_RANGE_JPEG;
  frame.colorSpace = colorSpace;
  check(frame.allocBuffer(), 'allocate picture');
}

/** Those whose coefficients are JFIF's, to swscale. */
const BT601: readonly AVColorSpace[] = [AVCOL_SPC_UNSPECIFIED, AVCOL_SPC_BT470BG, AVCOL_SPC_SMPTE170M];
const YUV420: readonly number[] = [AV_PIX_FMT_YUV420P, AV_PIX_FMT_YUVJ420P];

/**
 * The pixel formats that a frame goes through. By way of planar RGB, for which swscale has faster code, the bytes are
 * the same: at 1080p packed RGB takes 5 ms instead of 13, GIF's colours 21.5 instead of 24, a JPEG of BT.709 colours 9
 * instead of 19.
 */
function conversions(frame: Frame, { pixelFormat }: Output): AVPixelFormat[] {
  const isDirect =
    pixelFormat === AV_PIX_FMT_YUVJ420P &&
    (BT601.includes(frame.colorSpace) || !YUV420.includes(frame.format));
  return isDirect ? [pixelFormat] : [AV_PIX_FMT_GBRP, pixelFormat];
}

/**
 * Accurate rounding is for what is filtered: other sizes and other colours. Where only the range changes there is
 * nothing to round, and without it the same bytes take 1.4 ms instead of 3.4 at 1080p.
 */
function scaleFlags(from: Frame, to: Frame): number {
  const onlyRange =
    from.width === to.width &&
    from.height === to.height &&
    YUV420.includes(from.format) &&
    YUV420.includes(to.format) &&
    BT601.includes(from.colorSpace);
  return SWS_BICUBIC | SWS_FULL_CHR_H_INT | (onlyRange ? 0 : SWS_ACCURATE_RND);
}

/** swscale spreads the errors of 256 colours from where the picture before has ended. */
function renew(scaler: SoftwareScaleContext): void {
  scaler.freeContext();
  scaler.allocContext();
}

function check(result: number, step: string): void {
  if (result < 0) throw encodeFailed(`${step}: ${new FFmpegError(result).message}`);
}

function encodeFailed(problem: string): KvsInferenceError {
  return new KvsInferenceError('ENCODE_FAILED', `picture cannot be encoded: ${problem}`);
}
