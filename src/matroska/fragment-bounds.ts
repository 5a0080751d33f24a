import type { MatroskaEvent, Tracks } from './event.ts';
import {
  type FragmentMetadata,
  type FragmentTrailer,
  readFragmentMetadata,
  readFragmentTrailer,
  readStreamError,
  type TagValues,
} from './fragment.ts';
import type { FrameReader } from './frame-reader.ts';

const NO_METADATA: FragmentMetadata = {
  fragmentNumber: null,
  serverTimestampMillis: null,
  producerTimestampMillis: null,
};
const NO_TRAILER: FragmentTrailer = { millisBehindNow: null, continuationToken: null };

/**
 * Where fragments start and end. A fragment starts with the Cluster that follows its number, and is complete with the
 * tags after it. Matroska that is not from GetMedia has no numbers: there each Cluster is a fragment.
 */
export class FragmentBounds {
  readonly #frames: FrameReader;
  readonly #tracks: () => Tracks;
  /** Announced by its tags, its Cluster not seen yet. */
  #announced: FragmentMetadata | null = null;
  /** Started and not ended. */
  #fragment: FragmentMetadata | null = null;
  #trailer: FragmentTrailer | null = null;
  readonly #events: MatroskaEvent[] = [];

  constructor(frames: FrameReader, tracks: () => Tracks) {
    this.#frames = frames;
    this.#tracks = tracks;
  }

  /** Each once, in order: to be taken before anything more is read. */
  takeEvent(): MatroskaEvent | undefined {
    return this.#events.length === 0 ? undefined : this.#events.shift();
  }

  /** Whether there is a fragment that the tags after it, which complete it, have not come for. */
  get isOpen(): boolean {
    return (this.#announced ?? this.#fragment)?.fragmentNumber != null && this.#trailer === null;
  }

  startCluster(): void {
    if (this.#fragment !== null && this.#announced === null && this.#trailer === null) return;
    this.#endFragment();
    this.#announced ??= NO_METADATA;
    this.#startAnnounced();
  }

  endCluster(): void {
    // Without a number no tags follow that could complete it.
    if (this.#fragment?.fragmentNumber === null) this.#endFragment();
  }

  /** @param offset of the Tags element that had them */
  endTags(tags: TagValues, offset: number): void {
    if (tags.size === 0) return;
    const metadata = readFragmentMetadata(tags);
    if (metadata !== null) {
      this.endFragments();
      this.#announced = metadata;
    }
    const error = readStreamError(tags);
    if (error !== null) this.#events.push({ type: 'error', offset, ...error });
    const trailer = readFragmentTrailer(tags);
    if (trailer !== null) {
      // Only the token says that no Cluster will come.
      if (this.#announced !== null && trailer.continuationToken === null) return;
      this.#startAnnounced();
      this.#trailer = {
        millisBehindNow: trailer.millisBehindNow ?? this.#trailer?.millisBehindNow ?? null,
        continuationToken: trailer.continuationToken,
      };
      if (trailer.continuationToken !== null) this.#endFragment();
    }
  }

  /** Ends the open fragment, and the announced one that has no Cluster and never will. */
  endFragments(isCut = false): void {
    this.#endFragment(isCut);
    this.#startAnnounced();
    this.#endFragment(isCut);
  }

  #startAnnounced(): void {
    if (this.#announced === null) return;
    this.#fragment = this.#announced;
    this.#frames.isInFragment = true;
    this.#announced = null;
    this.#events.push({ type: 'fragmentStart', fragment: this.#fragment, tracks: this.#tracks() });
  }

  #endFragment(isCut = false): void {
    const fragment = this.#fragment;
    const trailer = this.#trailer;
    this.#fragment = null;
    this.#frames.isInFragment = false;
    this.#trailer = null;
    const { frames } = this.#frames.headers;
    this.#frames.headers.startFragment();
    if (fragment === null) return;
    const complete = !isCut && (fragment.fragmentNumber === null || trailer !== null);
    this.#events.push({ type: 'fragmentEnd', fragment, complete, frames, ...(trailer ?? NO_TRAILER) });
  }
}
