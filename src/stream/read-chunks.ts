import { finished, type Readable } from 'node:stream';
import type { WriteChunk } from './source.ts';

/**
 * Reads a stream of bytes to its end as MediaBody says, and leaves it destroyed. An iterator would cost more, for each
 * chunk of each camera's each frame, than all that is done with it.
 *
 * @param signal destroys the stream at once; the promise settles when the last `write` has
 * @throws the reason of `signal`, or what the stream or `write` has failed with
 */
export async function readChunks(readable: Readable, write: WriteChunk, signal: AbortSignal): Promise<void> {
  const abort = () => readable.destroy();
  signal.addEventListener('abort', abort, { once: true });
  let writing: Promise<void> | undefined;
  try {
    signal.throwIfAborted();
    await new Promise<void>((resolve, reject) => {
      const fail = (error: unknown) => {
        // What has been received already is not given any more.
        readable.off('data', onData);
        readable.destroy();
        reject(signal.aborted ? signal.reason : error);
      };
      const onData = (chunk: Buffer) => {
        try {
          writing = write(chunk);
          if (writing === undefined) return;
          readable.pause();
          writing.then(() => readable.resume(), fail);
        } catch (error) {
          fail(error);
        }
      };
      finished(readable, { writable: false }, (error) => {
        if (error) fail(error);
      });
      // It comes right after the last chunk, paused or not.
      readable.on('end', () => void (writing ?? Promise.resolve()).then(resolve, fail)).on('data', onData);
    });
  } finally {
    signal.removeEventListener('abort', abort);
    readable.destroy();
    // Whoever takes its chunks is in the middle of one, and not ready for another body.
    await writing?.catch(() => undefined);
  }
}
