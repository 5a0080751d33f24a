import {
  AV_CODEC_FLAG_OUTPUT_CORRUPT,
  AV_CODEC_FLAG2_SHOW_ALL,
  AV_CODEC_ID_AV1,
  AV_LOG_QUIET,
  AV_PKT_FLAG_KEY,
  FF_DECODER_LIBDAV1D,
} from 'node-av/constants';
import { Codec, CodecContext, FFmpegError, Frame, Log, Packet } from 'node-av/lib';
import { KvsInferenceError } from '../core/errors.ts';
import { type CodecParameters, isSameCodec } from './codec.ts';

// FFmpeg's own messages name no stream and no fragment; ours, made from its error codes, do.
Log.setLevel(AV_LOG_QUIET);

/**
 * Decodes single key frames. One FFmpeg context, kept as long as the codec parameters stay the same.
 *
 * Calls must not overlap, and `close` must not overlap a call: FFmpeg contexts are not thread-safe, and the work
 * runs outside the main thread. PicturePool sees to that.
 */
export class KeyFrameDecoder {
  #parameters: CodecParameters | null = null;
  #context: CodecContext | null = null;

  /** The parameters that the open context was made for. */
  get parameters(): CodecParameters | null {
    return this.#parameters;
  }

  /**
   * @param payload one access unit, as the Matroska block has it
   * @returns the picture; the caller frees it
   * @throws {KvsInferenceError} DECODE_FAILED (damaged frame), UNSUPPORTED_CODEC
   */
  async decode(parameters: CodecParameters, payload: Buffer): Promise<Frame> {
    const context = await this.#contextFor(parameters);
    const packet = new Packet();
    const frame = new Frame();
    packet.alloc();
    frame.alloc();
    try {
      packet.data = payload;
      packet.setFlags(AV_PKT_FLAG_KEY);
      check(await context.sendPacket(packet), 'send packet');
      // The end of stream makes the decoder give the frame at once, also where it would wait to reorder.
      check(await context.sendPacket(null), 'drain');
      check(await context.receiveFrame(frame), 'receive frame');
      if (frame.decodeErrorFlags !== 0) {
        throw decodeFailed(
          `decode_error_flags 0x${frame.decodeErrorFlags.toString(16)}: the data is damaged`,
        );
      }
      context.flushBuffers();
      return frame;
    } catch (error) {
      frame.free();
      // A context that failed is not trusted with the next frame.
      this.close();
      throw error;
    } finally {
      packet.free();
    }
  }

  close(): void {
    this.#context?.freeContext();
    this.#context = null;
    this.#parameters = null;
  }

  async #contextFor(parameters: CodecParameters): Promise<CodecContext> {
    if (this.#context !== null && this.#parameters !== null && isSameCodec(this.#parameters, parameters)) {
      return this.#context;
    }
    this.close();
    const codec = findDecoder(parameters);
    if (codec === null) {
      throw new KvsInferenceError(
        'UNSUPPORTED_CODEC',
        `FFmpeg has no decoder for codec ${parameters.codecId}`,
      );
    }
    const context = new CodecContext();
    context.allocContext3(codec);
    context.threadCount = 1;
    // Streams that start at a recovery point instead of an IDR picture are shown too; damage is told by the flags.
    context.setFlags(AV_CODEC_FLAG_OUTPUT_CORRUPT);
    context.setFlags2(AV_CODEC_FLAG2_SHOW_ALL);
    context.width = parameters.width;
    context.height = parameters.height;
    if (parameters.extradata !== null) context.extraData = parameters.extradata;
    const opened = await context.open2(codec, null);
    if (opened < 0) {
      context.freeContext();
      check(opened, 'open decoder');
    }
    this.#context = context;
    this.#parameters = parameters;
    return context;
  }
}

function findDecoder({ codecId }: CodecParameters): Codec | null {
  // FFmpeg's native AV1 decoder needs a GPU.
  return codecId === AV_CODEC_ID_AV1
    ? Codec.findDecoderByName(FF_DECODER_LIBDAV1D)
    : Codec.findDecoder(codecId);
}

function check(result: number, step: string): void {
  if (result < 0) throw decodeFailed(`${step}: ${new FFmpegError(result).message}`);
}

function decodeFailed(problem: string): KvsInferenceError {
  return new KvsInferenceError('DECODE_FAILED', `key frame cannot be decoded: ${problem}`);
}
