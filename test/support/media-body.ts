import type { MediaBody } from '../../src/stream/source.ts';

/** A body of these chunks. */
export function bodyOf(chunks: AsyncIterable<Buffer>): MediaBody {
  return {
    async read(write) {
      for await (const chunk of chunks) await write(chunk);
    },
  };
}
