import type { FragmentMetadata, FragmentTrailer, StreamError } from './fragment.ts';
import type { Frame } from './frame.ts';
import type { Track } from './tracks.ts';

export type Tracks = ReadonlyMap<number, Track>;

/** What Matroska holds, in the order of its bytes. */
export type MatroskaEvent =
  | { readonly type: 'fragmentStart'; readonly fragment: FragmentMetadata; readonly tracks: Tracks }
  | { readonly type: 'frame'; readonly frame: Frame }
  | ({
      readonly type: 'fragmentEnd';
      readonly fragment: FragmentMetadata;
      readonly complete: boolean;
      /** How many it has, of all tracks, wanted or not; of one that is cut, how many were begun. */
      readonly frames: number;
    } & FragmentTrailer)
  | ({ readonly type: 'error'; readonly offset: number } & StreamError);

/**
 * Events as they are taken, to the first that is undefined. A generator, which takes longer for each of them, made
 * demuxing a twentieth slower.
 */
export class Events implements IterableIterator<MatroskaEvent, void, undefined> {
  readonly #take: () => MatroskaEvent | undefined;

  constructor(take: () => MatroskaEvent | undefined) {
    this.#take = take;
  }

  [Symbol.iterator](): this {
    return this;
  }

  next(): IteratorResult<MatroskaEvent, void> {
    const value = this.#take();
    return value === undefined ? { done: true, value } : { done: false, value };
  }
}
