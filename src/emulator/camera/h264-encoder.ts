import {
  AV_CODEC_FLAG_GLOBAL_HEADER,
  AV_PICTURE_TYPE_I,
  AV_PICTURE_TYPE_NONE,
  AV_PIX_FMT_YUV420P,
  type AVColorSpace,
  FF_ENCODER_LIBX264,
} from 'node-av/constants';
import { Codec, CodecContext, Dictionary, FFmpegError, type Frame, Packet, Rational } from 'node-av/lib';
import { UsageError } from '../../core/errors.ts';
import type { CameraTrack, EncodedFrame } from './video-source.ts';

/** Microseconds. */
const TIME_BASE = new Rational(1, 1_000_000);
const KEY_FRAME_DISTANCE_MILLIS = 1000;
/** So that 30 frames of 33.333 ms count as a second. */
const ROUNDING_MILLIS = 5;
/** Keeps five minutes below 64 MiB. */
const MAX_BITS_PER_SECOND = 1_500_000;

export interface EncoderOptions {
  /** Pixels, even. */
  width: number;
  height: number;
  /** Frames per second; roughly, as each frame says when it is shown. */
  frameRate: number;
  /** How the frames' YUV values are meant; not specified by default. */
  colorSpace?: AVColorSpace;
}

/** H.264 with a key frame each second, one thread and no delay. No two calls may overlap. */
export class H264Encoder {
  readonly track: CameraTrack;
  readonly #context: CodecContext;
  readonly #packet = new Packet();
  #keyFrameMillis = Number.NEGATIVE_INFINITY;

  private constructor(context: CodecContext) {
    this.#context = context;
    this.#packet.alloc();
    this.track = {
      codecId: 'V_MPEG4/ISO/AVC',
      codecPrivate: context.extraData,
      pixelWidth: context.width,
      pixelHeight: context.height,
    };
  }

  /** @throws {UsageError} where FFmpeg was built without libx264 */
  static async open(options: EncoderOptions): Promise<H264Encoder> {
    const codec = Codec.findEncoderByName(FF_ENCODER_LIBX264);
    if (codec === null) {
      throw new UsageError(
        "node-av's FFmpeg has no libx264: only H.264, H.265, VP8, VP9, AV1 or MJPEG with a key frame every 2 seconds can be streamed",
      );
    }
    const context = new CodecContext();
    const dictionary = Dictionary.fromObject({
      preset: 'veryfast',
      tune: 'zerolatency',
      'forced-idr': 1,
      // Units behind their lengths, as Matroska has them; key frames only where they are forced.
      'x264-params': 'annexb=0:scenecut=0:keyint=infinite',
    });
    try {
      context.allocContext3(codec);
      context.width = options.width;
      context.height = options.height;
      context.pixelFormat = AV_PIX_FMT_YUV420P;
      context.timeBase = TIME_BASE;
      context.framerate = new Rational(Math.round(options.frameRate * 1000), 1000);
      context.maxBFrames = 0;
      context.threadCount = 1;
      context.rcMaxRate = BigInt(MAX_BITS_PER_SECOND);
      context.rcBufferSize = MAX_BITS_PER_SECOND;
      if (options.colorSpace !== undefined) context.colorSpace = options.colorSpace;
      context.setFlags(AV_CODEC_FLAG_GLOBAL_HEADER);
      FFmpegError.throwIfError(await context.open2(codec, dictionary), 'avcodec_open2 of libx264');
      return new H264Encoder(context);
    } catch (error) {
      context.freeContext();
      throw error;
    } finally {
      dictionary.free();
    }
  }

  /** @param timeMillis more than that of the frame before */
  async encode(frame: Frame, timeMillis: number, durationMillis: number): Promise<EncodedFrame> {
    const isDue = timeMillis - this.#keyFrameMillis >= KEY_FRAME_DISTANCE_MILLIS - ROUNDING_MILLIS;
    if (isDue) this.#keyFrameMillis = timeMillis;
    frame.pts = BigInt(Math.round(timeMillis * 1000));
    frame.pictType = isDue ? AV_PICTURE_TYPE_I : AV_PICTURE_TYPE_NONE;
    FFmpegError.throwIfError(await this.#context.sendFrame(frame), 'avcodec_send_frame');
    FFmpegError.throwIfError(await this.#context.receivePacket(this.#packet), 'avcodec_receive_packet');
    const keyFrame = this.#packet.isKeyframe;
    const payload = Buffer.from(this.#packet.data ?? []);
    this.#packet.unref();
    return { timeMillis, durationMillis, keyFrame, payload };
  }

  close(): void {
    this.#packet.free();
    this.#context.freeContext();
  }
}
