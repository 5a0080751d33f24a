import { randomBytes } from 'node:crypto';
import { clusterStart, END_OF_FRAGMENT, streamHeader } from '../../src/emulator/camera/matroska-stream.ts';
import { PutMediaRequest } from '../../src/emulator/camera/put-media.ts';
import { blockGroup, simpleBlock, tagsElement } from '../../src/emulator/matroska-writer.ts';
import type { Video, VideoFrame } from '../support/media.ts';

/** What a producer sends over one connection. */
export interface Recording {
  /** Everything before the first Cluster. */
  readonly header: Buffer;
  /** What is in each Cluster. */
  readonly fragments: readonly (readonly Buffer[])[];
}

const FRAGMENT_MILLIS = 1000;
const TRACK_NUMBER = 1;

/** The same fragment again and again: SimpleBlocks first, BlockGroups from the second half on, a tag of the producer's. */
export function recordingOf(video: Video, fragments: number): Recording {
  const { codecId, codecPrivate, width, height, frames } = video;
  const track = { codecId, codecPrivate, pixelWidth: width, pixelHeight: height };
  const blocks = frames.map((frame, index) => frameBlock(frame, index >= frames.length / 2));
  return {
    header: Buffer.concat([streamHeader(track, randomBytes(16)), tagsElement({ CAMERA: 'test' })]),
    fragments: Array(fragments).fill([...blocks, tagsElement({ PLACE: 'between the elements' })]),
  };
}

export function frameBlock({ keyFrame, payload, timeMillis }: VideoFrame, isInGroup = false): Buffer {
  const block = { trackNumber: TRACK_NUMBER, timecode: timeMillis, keyFrame, payload };
  return isInGroup ? blockGroup(block) : simpleBlock(block);
}

/** Stores recordings in a stream, one after the other, as fast as they are taken. @returns the fragments' numbers */
export async function storeVideo(
  endpoint: string,
  streamName: string,
  recordings: readonly Recording[],
): Promise<string[]> {
  const persisted: string[] = [];
  for (const { header, fragments } of recordings) {
    const producerStartMillis = Date.now() - fragments.length * FRAGMENT_MILLIS;
    const request = new PutMediaRequest({
      endpoint,
      streamName,
      producerStartMillis,
      onAcknowledgement: ({ EventType, FragmentNumber, ErrorCode }) => {
        if (EventType === 'PERSISTED' && FragmentNumber !== undefined) persisted.push(FragmentNumber);
        if (EventType === 'ERROR') request.close(new Error(`refused: ${ErrorCode}`));
      },
    });
    await request.accepted();
    await request.write(header);
    for (const [index, content] of fragments.entries()) {
      const start = clusterStart(producerStartMillis + index * FRAGMENT_MILLIS);
      await request.write(Buffer.concat([start, ...content]));
    }
    await request.write(END_OF_FRAGMENT);
    await request.end();
  }
  const expected = recordings.reduce((sum, { fragments }) => sum + fragments.length, 0);
  if (persisted.length !== expected) throw new Error(`${persisted.length} of ${expected} fragments stored`);
  return persisted;
}
