import { KvsInferenceError } from '../core/errors.ts';
import { MatroskaDemuxer, type MatroskaEvent } from './demuxer.ts';
import { MatroskaError } from './error.ts';
import type { FragmentMetadata } from './fragment.ts';
import type { Frame } from './frame.ts';
import type { Track } from './tracks.ts';

export interface TrackInspection {
  readonly track: Track;
  frames: number;
  /** Blocks whose key flag is set; in a BlockGroup those without a reference. */
  keyFrames: number;
  /** Of the frames' payloads. */
  bytes: number;
}

export interface FragmentInspection extends FragmentMetadata {
  millisBehindNow: number | null;
  continuationToken: string | null;
  complete: boolean;
  frames: number;
  keyFrames: number;
  /** From the first frame to the last one. */
  durationMillis: number;
  /** Producer time between the end of the fragment before and this one's start; negative where they overlap. */
  gapMillis: number | null;
}

export interface InspectionError {
  readonly code: string;
  readonly message: string;
  /** Byte, from 0. */
  readonly offset: number;
}

/** Everything that a stream of Matroska bytes is found to hold. */
export class Inspection {
  readonly #demuxer = new MatroskaDemuxer();
  size = 0;
  /** The input ended inside an element, or before a fragment's trailing tags. */
  truncated = false;
  readonly tracks = new Map<number, TrackInspection>();
  readonly fragments: FragmentInspection[] = [];
  readonly errors: InspectionError[] = [];
  #isCorrupt = false;

  get ebmlHeaders(): number {
    return this.#demuxer.ebmlHeaders;
  }

  get clusters(): number {
    return this.#demuxer.clusters;
  }

  add(chunk: Buffer): void {
    this.size += chunk.length;
    if (!this.#isCorrupt) this.#collect(this.#demuxer.demux(chunk));
  }

  end(): void {
    if (!this.#isCorrupt) this.truncated = this.#collect(this.#demuxer.end()) ?? false;
    for (const track of this.#demuxer.tracks.values()) this.#track(track);
    if (this.ebmlHeaders === 0 && !this.errors.some(({ code }) => code === 'NOT_MATROSKA')) {
      this.errors.push({
        code: 'NOT_MATROSKA',
        message: 'no EBML header: the input is empty or cut',
        offset: 0,
      });
    }
  }

  /** After corrupt bytes nothing can be told any more: what was found before them stands. */
  #collect<T>(events: Iterator<MatroskaEvent, T>): T | null {
    try {
      let next = events.next();
      for (; !next.done; next = events.next()) this.#add(next.value);
      return next.value;
    } catch (error) {
      if (!(error instanceof MatroskaError)) throw error;
      this.errors.push({ code: error.code, message: error.message, offset: error.offset });
      this.#isCorrupt = true;
      return null;
    }
  }

  #add(event: MatroskaEvent): void {
    switch (event.type) {
      case 'fragmentStart':
        this.#startFragment(event.fragment);
        for (const track of event.tracks.values()) this.#track(track);
        break;
      case 'frame':
        this.#addFrame(event.frame);
        break;
      case 'fragmentEnd': {
        const { millisBehindNow, continuationToken, complete } = event;
        Object.assign(this.#fragment(), { millisBehindNow, continuationToken, complete });
        break;
      }
      case 'error': {
        const { code, message, offset } = event;
        this.errors.push({ code, message, offset });
        break;
      }
    }
  }

  #startFragment(fragment: FragmentMetadata): void {
    const before = this.fragments.at(-1);
    const start = fragment.producerTimestampMillis;
    const end =
      before?.producerTimestampMillis == null ? null : before.producerTimestampMillis + before.durationMillis;
    this.fragments.push({
      ...fragment,
      millisBehindNow: null,
      continuationToken: null,
      complete: false,
      frames: 0,
      keyFrames: 0,
      durationMillis: 0,
      gapMillis: start === null || end === null ? null : start - end,
    });
  }

  #addFrame(frame: Frame): void {
    const track = this.tracks.get(frame.trackNumber) ?? this.#track(undeclared(frame.trackNumber));
    const fragment = this.#fragment();
    const keyFrames = frame.keyFrame && frame.laceIndex === 0 ? 1 : 0;
    track.frames += 1;
    track.keyFrames += keyFrames;
    track.bytes += frame.payload.length;
    fragment.frames += 1;
    fragment.keyFrames += keyFrames;
    fragment.durationMillis = Math.max(fragment.durationMillis, frame.offsetMillis);
  }

  #fragment(): FragmentInspection {
    const fragment = this.fragments.at(-1);
    if (fragment === undefined) throw new KvsInferenceError('INTERNAL', 'a frame before any fragment');
    return fragment;
  }

  /** The track as it is declared last; its counts go on. */
  #track(track: Track): TrackInspection {
    const before = this.tracks.get(track.trackNumber);
    const inspection = { frames: 0, keyFrames: 0, bytes: 0, ...before, track };
    this.tracks.set(track.trackNumber, inspection);
    return inspection;
  }
}

function undeclared(trackNumber: number): Track {
  return {
    trackNumber,
    trackType: 'other',
    codecId: '',
    codecPrivate: null,
    name: null,
    pixelWidth: null,
    pixelHeight: null,
    samplingFrequency: null,
    channels: null,
    strippedHeader: null,
    unreadable: null,
  };
}
