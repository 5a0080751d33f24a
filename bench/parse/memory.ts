import { createReadStream } from 'node:fs';
import { MatroskaDemuxer } from '../../src/matroska/demuxer.ts';
import { ownUsage } from '../harness/child.ts';

export interface MemoryOptions {
  readonly file: string;
  readonly chunkBytes: number;
}

/** @returns the peak of the process's memory, bytes, when the file is read as a body from a socket is */
export async function run({ file, chunkBytes }: MemoryOptions): Promise<number> {
  const demuxer = new MatroskaDemuxer();
  for await (const chunk of createReadStream(file, { highWaterMark: chunkBytes })) {
    for (const _ of demuxer.demux(chunk));
  }
  return ownUsage().peakBytes;
}
