import { AVERROR_DECODER_NOT_FOUND, AVERROR_INVALIDDATA } from 'node-av/constants';
import { avGetCodecName, Codec, CodecContext, FFmpegError, Frame, Packet } from 'node-av/lib';
import { UsageError } from '../../core/errors.ts';
import type { MediaFile } from '../../video/media-file.ts';

/**
 * Decodes the video of a file, in the order in which it is shown. Damaged packets are passed over. A frame is
 * good until the next one is asked for.
 *
 * @param maxPackets where to stop
 * @throws {UsageError} where not one frame can be decoded
 */
export async function* decodedFrames(
  file: MediaFile,
  maxPackets = Number.POSITIVE_INFINITY,
): AsyncGenerator<Frame, void, undefined> {
  const context = new CodecContext();
  const packet = new Packet();
  const frame = new Frame();
  let failure: number = AVERROR_INVALIDDATA;
  let isEmpty = true;
  try {
    await openDecoder(context, file);
    packet.alloc();
    frame.alloc();
    for (let packets = 0, hasMore = true; hasMore; packets += 1) {
      hasMore = packets < maxPackets && (await file.read(packet));
      const sent = await context.sendPacket(hasMore ? packet : null);
      if (sent < 0) failure = sent;
      while ((await context.receiveFrame(frame)) >= 0) {
        isEmpty = false;
        yield frame;
      }
    }
    if (isEmpty) throw undecodable(file, failure);
  } finally {
    frame.free();
    packet.free();
    context.freeContext();
  }
}

async function openDecoder(context: CodecContext, file: MediaFile): Promise<void> {
  const codec = Codec.findDecoder(file.parameters.codecId);
  if (codec === null) throw undecodable(file, AVERROR_DECODER_NOT_FOUND);
  context.allocContext3(codec);
  FFmpegError.throwIfError(context.parametersToContext(file.parameters), 'avcodec_parameters_to_context');
  context.threadCount = 1;
  const opened = await context.open2(codec);
  if (opened < 0) throw undecodable(file, opened);
}

function undecodable(file: MediaFile, reason: number): UsageError {
  const codec = avGetCodecName(file.parameters.codecId) ?? 'unknown codec';
  return new UsageError(
    `Cannot decode the video of ${file.path} (${codec}): ${FFmpegError.strerror(reason)}`,
  );
}
