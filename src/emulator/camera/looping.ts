import { toFragments } from './fragments.ts';
import type { CameraTrack, EncodedFrame, SourceFragment, VideoSource } from './video-source.ts';

/** Reads or encodes the frames once more from the beginning; returning the iterator frees what it holds. */
export type OpenPass = () => AsyncIterable<EncodedFrame>;

/** Opens a pass for each loop of each iteration, and remembers nothing. */
export function loopByReading(track: CameraTrack, openPass: OpenPass): VideoSource {
  return {
    track,
    async *[Symbol.asyncIterator]() {
      for (;;) {
        let isEmpty = true;
        for await (const fragment of toFragments(openPass())) {
          isEmpty = false;
          yield fragment;
        }
        if (isEmpty) throw new Error(NO_FRAMES);
      }
    },
    close: async () => {},
  };
}

/** Opens one pass in all, advances it when an iteration needs more, and remembers what it gave. */
export function loopFromMemory(track: CameraTrack, openPass: OpenPass): VideoSource {
  const fragments: SourceFragment[] = [];
  const pass = toFragments(openPass());
  let state: 'reading' | 'whole' | 'closed' = 'reading';
  let reading: Promise<void> | null = null;

  const readOne = async (): Promise<void> => {
    const { value } = await pass.next();
    if (state === 'closed') return;
    if (value !== undefined) fragments.push(value);
    else if (fragments.length > 0) state = 'whole';
    else throw new Error(NO_FRAMES);
  };

  return {
    track,
    async *[Symbol.asyncIterator]() {
      for (let index = 0; state !== 'closed'; ) {
        const fragment = fragments[index];
        if (fragment !== undefined) {
          index += 1;
          yield fragment;
        } else if (state === 'whole') {
          index = 0;
        } else {
          reading ??= readOne().finally(() => {
            reading = null;
          });
          await reading;
        }
      }
    },
    async close() {
      state = 'closed';
      await pass.return();
    },
  };
}

const NO_FRAMES = 'The video has no frames (any more)';
