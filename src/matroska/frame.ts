import type { BlockHeader } from './block.ts';
import type { EbmlElement } from './ebml-reader.ts';
import { MatroskaError } from './error.ts';
import { isTime } from './values.ts';

/** Everything about a frame but its bytes. */
export interface FrameHeader {
  readonly trackNumber: number;
  /** Ordinal of the frame in its track within the fragment, from 0. */
  readonly index: number;
  /** As the block has it: relative to the Cluster, in units of TimestampScale. */
  readonly timecode: number;
  /** Milliseconds after the start of the Cluster. */
  readonly offsetMillis: number;
  /** Milliseconds, Cluster and block together; on the producer's clock, which may start anew at any Segment. */
  readonly timestampMillis: number;
  readonly keyFrame: boolean;
  readonly invisible: boolean;
  readonly discardable: boolean;
  readonly lacing: BlockHeader['lacing'];
  /** Ordinal of the frame in its block, from 0; above 0 only with lacing. */
  readonly laceIndex: number;
}

export interface Frame extends FrameHeader {
  /** Holds until the next event is asked for: copy what you keep. */
  readonly payload: Buffer;
}

/** A frame whose payload is still to come. */
export interface FrameToRead extends FrameHeader {
  payload: Buffer;
}

const NOT_READ = Buffer.alloc(0);

/** More than any producer sends; those above are not read. */
export const MAX_TRACKS = 127;
export const DEFAULT_TIMESTAMP_SCALE = 1_000_000;

/** Gives frames their time, and their ordinals within a fragment. */
export class FrameHeaders {
  /** Nanoseconds of a unit, of the Segment. */
  timestampScale = DEFAULT_TIMESTAMP_SCALE;
  /** In units of the TimestampScale. */
  clusterTimestamp = 0;
  /** Of the fragment so far, all tracks. */
  frames = 0;
  readonly #byTrack = new Map<number, { frames: number }>();

  startFragment(): void {
    if (this.frames > 0) this.#byTrack.clear();
    this.frames = 0;
  }

  /**
   * The next frame of the block's track: to be asked for each frame once, in order.
   *
   * @param keyFrame of a BlockGroup, whose blocks have no flag
   * @throws {MatroskaError} INVALID_VALUE for a time that is none, INVALID_BLOCK for one track too many
   */
  next(element: EbmlElement, block: BlockHeader, laceIndex = 0, keyFrame = block.keyFrame): FrameToRead {
    const { trackNumber, timecode, invisible, discardable, lacing } = block;
    const millisPerUnit = this.timestampScale / 1_000_000;
    const timestampMillis = (this.clusterTimestamp + timecode) * millisPerUnit;
    if (!isTime(timestampMillis)) {
      const problem = `${timestampMillis} ms, by the Timestamp of its Cluster and the TimestampScale, is no time`;
      throw new MatroskaError('INVALID_VALUE', element.name, element.start, problem);
    }
    let track = this.#byTrack.get(trackNumber);
    if (track === undefined) {
      if (this.#byTrack.size >= MAX_TRACKS) {
        const problem = `more than ${MAX_TRACKS} tracks have frames in this fragment`;
        throw new MatroskaError('INVALID_BLOCK', element.name, element.start, problem);
      }
      track = { frames: 0 };
      this.#byTrack.set(trackNumber, track);
    }
    const index = track.frames;
    track.frames += 1;
    this.frames += 1;
    const offsetMillis = timecode * millisPerUnit;
    return {
      trackNumber,
      index,
      timecode,
      offsetMillis,
      timestampMillis,
      keyFrame,
      invisible,
      discardable,
      lacing,
      laceIndex,
      payload: NOT_READ,
    };
  }
}
