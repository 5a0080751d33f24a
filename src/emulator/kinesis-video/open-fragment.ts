import type { Block } from '../../matroska/block.ts';
import { AckError } from './ack.ts';

/** https://docs.aws.amazon.com/kinesisvideostreams/latest/dg/limits.html */
const MAX_DURATION_MILLIS = 20_000;
/** https://docs.aws.amazon.com/kinesisvideostreams/latest/dg/how-meta.html */
const MAX_TAGS = 10;
const MAX_TAG_NAME_BYTES = 128;
const MAX_TAG_VALUE_BYTES = 256;

/** What is known of a fragment while it is received: checks it against the service's limits. */
export class OpenFragment {
  readonly #tracks: ReadonlySet<number>;
  readonly #millisPerUnit: number;
  readonly #frameCounts = new Map<number, number>();
  #hasTimestamp = false;
  #earliest = Number.POSITIVE_INFINITY;
  #latest = Number.NEGATIVE_INFINITY;
  #tags = 0;

  /** @param options.tracks numbers of the tracks in the header */
  constructor(options: { tracks: ReadonlySet<number>; millisPerUnit: number }) {
    this.#tracks = options.tracks;
    this.#millisPerUnit = options.millisPerUnit;
  }

  /** From the start of the Cluster to about a frame's length after its last frame. */
  get durationMillis(): number {
    const frames = Math.max(...this.#frameCounts.values());
    const frameMillis = frames > 1 ? (this.#latest - this.#earliest) / (frames - 1) : 0;
    return Math.max(0, Math.round(this.#latest + frameMillis));
  }

  /** @returns the timecode of the Cluster, milliseconds */
  setTimestamp(timestamp: number): number {
    if (this.#hasTimestamp) throw new AckError('INVALID_MKV_DATA', 'a Cluster with a second Timestamp');
    this.#hasTimestamp = true;
    return Math.round(timestamp * this.#millisPerUnit);
  }

  addBlock({ trackNumber, timecode, payloads }: Block): void {
    if (!this.#hasTimestamp) {
      throw new AckError('INVALID_MKV_DATA', 'a block before the Timestamp of its Cluster');
    }
    if (!this.#tracks.has(trackNumber)) {
      const tracks = [...this.#tracks].join(', ');
      throw new AckError(
        'TRACK_NUMBER_MISMATCH',
        `a block of track ${trackNumber}; the header has ${tracks}`,
      );
    }
    this.#frameCounts.set(trackNumber, (this.#frameCounts.get(trackNumber) ?? 0) + payloads.length);
    const offsetMillis = timecode * this.#millisPerUnit;
    this.#earliest = Math.min(this.#earliest, offsetMillis);
    this.#latest = Math.max(this.#latest, offsetMillis);
    if (this.#latest - this.#earliest > MAX_DURATION_MILLIS) {
      throw new AckError('MAX_FRAGMENT_DURATION_REACHED', `frames of more than ${MAX_DURATION_MILLIS} ms`);
    }
  }

  addTagName(bytes: number): void {
    this.#tags += 1;
    if (this.#tags > MAX_TAGS) throw metadataLimit(`more than ${MAX_TAGS} tags`);
    if (bytes > MAX_TAG_NAME_BYTES)
      throw metadataLimit(`a tag name of more than ${MAX_TAG_NAME_BYTES} bytes`);
  }

  addTagValue(bytes: number): void {
    if (bytes > MAX_TAG_VALUE_BYTES) {
      throw metadataLimit(`a tag value of more than ${MAX_TAG_VALUE_BYTES} bytes`);
    }
  }

  /** @throws {AckError} where something is missing that every fragment has */
  checkComplete(): void {
    if (!this.#hasTimestamp) throw new AckError('INVALID_MKV_DATA', 'a Cluster without a Timestamp');
    for (const track of this.#tracks) {
      if (!this.#frameCounts.has(track)) {
        throw new AckError('FRAMES_MISSING_FOR_TRACK', `no frame of track ${track}`);
      }
    }
  }
}

function metadataLimit(problem: string): AckError {
  return new AckError('FRAGMENT_METADATA_LIMIT_REACHED', problem);
}
