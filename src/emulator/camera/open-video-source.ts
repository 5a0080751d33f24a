import { MediaFile, type MediaPacket } from '../../video/media-file.ts';
import { type CopyFormat, canCopy, copiedFrames, copyFormat } from './copy.ts';
import { loopByReading, loopFromMemory } from './looping.ts';
import { planTranscoding, transcode } from './transcode.ts';
import type { VideoSource } from './video-source.ts';

/** What is kept in memory; a longer or larger file is read again at each loop. */
const MAX_REMEMBERED_MILLIS = 5 * 60_000;
const MAX_REMEMBERED_BYTES = 64 * 1024 * 1024;

/**
 * Opens any local file that FFmpeg can read as a video that never ends: its video track, without sound. The
 * frames are copied where Kinesis video streams know their codec and there is a key frame at least every two
 * seconds; otherwise they are encoded as H.264 of at most 1280 x 720 pixels.
 *
 * Key frames are judged by the first five minutes or 64 MiB. A longer file is read again at each loop, by each
 * iteration for itself.
 *
 * @throws {UsageError} where FFmpeg cannot open or decode the file, or finds no video in it
 */
export async function openVideoSource(path: string): Promise<VideoSource> {
  const file = await MediaFile.open(path);
  try {
    const { packets, isWhole } = await readStart(file);
    const format = copyFormat(file.parameters);
    if (format !== null && canCopy(packets)) {
      return isWhole ? packetSource(packets, format) : copiedSource(path, format);
    }
    return await transcodedSource(path, isWhole ? packets.length : null);
  } finally {
    await file.close();
  }
}

// One function each: closures made in one function would all keep the packets alive.

function packetSource(packets: readonly MediaPacket[], format: CopyFormat): VideoSource {
  return loopFromMemory(format.track, () => copiedFrames(packets, format));
}

function copiedSource(path: string, format: CopyFormat): VideoSource {
  return loopByReading(format.track, () => copiedFrames(readPackets(path), format));
}

/** @param packets how many the file has, if it is short */
async function transcodedSource(path: string, packets: number | null): Promise<VideoSource> {
  const { track, encoder } = await planTranscoding(path);
  return packets === null
    ? loopByReading(track, () => transcode(path, encoder))
    : loopFromMemory(track, () => transcode(path, encoder, packets));
}

async function readStart(file: MediaFile): Promise<{ packets: MediaPacket[]; isWhole: boolean }> {
  const packets: MediaPacket[] = [];
  let bytes = 0;
  let millis = 0;
  for await (const packet of file.packets()) {
    packets.push(packet);
    bytes += packet.data.length;
    millis += packet.durationMillis;
    if (bytes > MAX_REMEMBERED_BYTES || millis > MAX_REMEMBERED_MILLIS) return { packets, isWhole: false };
  }
  return { packets, isWhole: true };
}

async function* readPackets(path: string): AsyncGenerator<MediaPacket, void, undefined> {
  const file = await MediaFile.open(path);
  try {
    yield* file.packets();
  } finally {
    await file.close();
  }
}
