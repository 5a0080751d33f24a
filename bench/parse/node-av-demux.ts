import { FFmpegError, FormatContext, Packet } from 'node-av/lib';
import { ownUsage } from '../harness/child.ts';

/** Reads every packet of the file with FFmpeg's demuxer. @returns CPU seconds */
export async function run({ file }: { file: string }): Promise<number> {
  const before = ownUsage().cpuSeconds;
  const format = new FormatContext();
  const packet = new Packet();
  packet.alloc();
  FFmpegError.throwIfError(await format.openInput(file), 'open');
  FFmpegError.throwIfError(await format.findStreamInfo(), 'streams');
  while ((await format.readFrame(packet)) >= 0) packet.unref();
  packet.free();
  await format.closeInput();
  return ownUsage().cpuSeconds - before;
}
