import { closeSync, openSync, readSync } from 'node:fs';
import { MatroskaDemuxer } from '../../src/matroska/demuxer.ts';
import { ownUsage } from '../harness/child.ts';

export interface MemoryOptions {
  readonly file: string;
  readonly chunkBytes: number;
}

/**
 * Reads the file chunk by chunk into the same memory, as nothing of a chunk is needed when the next one comes.
 *
 * @returns the peak of the process's memory, bytes
 */
export async function run({ file, chunkBytes }: MemoryOptions): Promise<number> {
  const demuxer = new MatroskaDemuxer();
  const chunk = Buffer.alloc(chunkBytes);
  const descriptor = openSync(file, 'r');
  for (;;) {
    const length = readSync(descriptor, chunk);
    if (length === 0) break;
    for (const _ of demuxer.demux(chunk.subarray(0, length)));
  }
  closeSync(descriptor);
  return ownUsage().peakBytes;
}
