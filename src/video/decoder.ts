import {
  AV_CODEC_FLAG_OUTPUT_CORRUPT,
  AV_CODEC_FLAG2_SHOW_ALL,
  AV_CODEC_ID_AV1,
  AV_EF_EXPLODE,
  AV_LOG_QUIET,
  AV_PKT_FLAG_KEY,
  AVERROR_EAGAIN,
  AVERROR_EINVAL,
  FF_DECODER_LIBDAV1D,
} from 'node-av/constants';
import { Codec, CodecContext, FFmpegError, Frame, Log, Packet } from 'node-av/lib';
import { KvsInferenceError } from '../core/errors.ts';
import type { CodecParameters } from './codec.ts';

// FFmpeg's own messages name no stream and no fragment; ours, made from its error codes, do.
Log.setLevel(AV_LOG_QUIET);

/**
 * Pixels of the largest frame that is decoded, DCI 8K: it takes about 50 MB, its picture up to 212 MB (of PNG and BMP,
 * which are made of two of 106 MB). Some bytes of a damaged or forged frame can ask for gigabytes.
 */
const MAX_PIXELS = 8192 * 4320;

/**
 * Decodes one key frame, in an FFmpeg context of its own: one that is kept and flushed still has the parameter sets that
 * came with the frame before, and its pictures, of which H.265 and VP8 show parts where damage is not seen. A new one
 * takes 2 to 4 % of the time from key frame to JPEG.
 *
 * @param payload one access unit, as the Matroska block has it
 * @returns the picture; the caller frees it
 * @throws {KvsInferenceError} DECODE_FAILED (damaged frame, or larger than 8192 x 4320 pixels), UNSUPPORTED_CODEC
 */
export async function decodeKeyFrame(parameters: CodecParameters, payload: Buffer): Promise<Frame> {
  const codec = findDecoder(parameters);
  if (codec === null) {
    throw new KvsInferenceError('UNSUPPORTED_CODEC', `FFmpeg has no decoder for codec ${parameters.codecId}`);
  }
  const context = new CodecContext();
  const packet = new Packet();
  const frame = new Frame();
  try {
    context.allocContext3(codec);
    context.threadCount = 1;
    // Streams that start at a recovery point instead of an IDR picture are shown too; damage is told by the flags.
    context.setFlags(AV_CODEC_FLAG_OUTPUT_CORRUPT);
    context.setFlags2(AV_CODEC_FLAG2_SHOW_ALL);
    // Damage fails the frame instead of being hidden. FFmpeg does not see all of it: none in VP8, little in VP9.
    check(context.setOption('err_detect', AV_EF_EXPLODE), 'err_detect');
    check(context.setOption('max_pixels', MAX_PIXELS), 'max_pixels');
    if (parameters.extradata !== null) context.extraData = parameters.extradata;
    check(context.open2Sync(codec, null), 'open decoder');
    packet.alloc();
    packet.data = payload;
    packet.setFlags(AV_PKT_FLAG_KEY);
    frame.alloc();
    check(await context.sendPacket(packet), 'send packet');
    let received = context.receiveFrameSync(frame);
    if (received === AVERROR_EAGAIN) {
      // It waits for more, to reorder: the end of stream makes it give what it has.
      check(await context.sendPacket(null), 'drain');
      received = await context.receiveFrame(frame);
    }
    check(received, 'receive frame');
    if (frame.decodeErrorFlags !== 0) {
      throw decodeFailed(`decode_error_flags 0x${frame.decodeErrorFlags.toString(16)}: the data is damaged`);
    }
    return frame;
  } catch (error) {
    frame.free();
    throw error;
  } finally {
    packet.free();
    context.freeContext();
  }
}

function findDecoder({ codecId }: CodecParameters): Codec | null {
  // FFmpeg's native AV1 decoder needs a GPU.
  return codecId === AV_CODEC_ID_AV1
    ? Codec.findDecoderByName(FF_DECODER_LIBDAV1D)
    : Codec.findDecoder(codecId);
}

function check(result: number, step: string): void {
  if (result >= 0) return;
  // All that FFmpeg tells of a frame that is too large.
  const hint = result === AVERROR_EINVAL ? `; its limit is ${MAX_PIXELS} pixels` : '';
  throw decodeFailed(`${step}: ${new FFmpegError(result).message}${hint}`);
}

function decodeFailed(problem: string): KvsInferenceError {
  return new KvsInferenceError('DECODE_FAILED', `key frame cannot be decoded: ${problem}`);
}
