import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createDemuxer, type Demuxer, MAX_ELEMENT_BYTES } from './check.ts';

/** What a demuxer may hold by its own documentation, bytes: two elements, tracks and tags. */
const BOUND_BYTES = 2 * MAX_ELEMENT_BYTES + 5 * 1024 * 1024;
/** What else the process comes to hold meanwhile, bytes. */
const NOISE_BYTES = 2 * 1024 * 1024;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/**
 * Feeds chunks as long as there are any and the demuxer takes them.
 *
 * @returns what it then holds that it must not, or null
 */
export function memoryProblemOf(
  chunks: Iterable<Buffer>,
  create: () => Demuxer = createDemuxer,
): string | null {
  const before = usedBytes();
  const demuxer = create();
  let fedBytes = 0;
  try {
    for (const chunk of chunks) {
      fedBytes += chunk.length;
      for (const _event of demuxer.demux(chunk)) {
        // Dropped at once.
      }
    }
  } catch {
    // What it holds after an error counts as well.
  }
  const heldBytes = usedBytes() - before;
  // Alive until here.
  demuxer.end();
  return heldBytes > BOUND_BYTES + NOISE_BYTES ? `it holds ${heldBytes} bytes of ${fedBytes}` : null;
}

function usedBytes(): number {
  // The buffers that the first finds unused are given back at the latest when the second begins.
  collectGarbage();
  collectGarbage();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
