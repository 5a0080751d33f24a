import { type Lacing, parseBlock } from './block.ts';
import { type EbmlElement, EbmlReader } from './ebml-reader.ts';
import { ElementId } from './elements.ts';
import { MatroskaError } from './error.ts';
import {
  type FragmentMetadata,
  type FragmentTrailer,
  isServiceTag,
  readFragmentMetadata,
  readFragmentTrailer,
  readStreamError,
  type StreamError,
} from './fragment.ts';
import { type Track, TrackBuilder } from './tracks.ts';
import { isTime, readString, readUnsigned } from './values.ts';

/*
 * What GetMedia sends (https://docs.aws.amazon.com/kinesisvideostreams/latest/dg/API_dataplane_GetMedia.html), and
 * any other Matroska file is a special case of:
 *
 *   Body     = Document*
 *   Document = EBML Segment(Info Tracks Tags* [Cluster Tags*]*)
 *
 * A fragment starts with the Cluster that follows its number, and is complete with the tags after it. Matroska
 * that is not from GetMedia has no numbers: there each Cluster is a fragment.
 */

export interface Frame {
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
  readonly lacing: Lacing;
  /** Ordinal of the frame in its block, from 0; above 0 only with lacing. */
  readonly laceIndex: number;
  /** A view into the chunk where one chunk holds the frame: copy what you keep. */
  readonly payload: Buffer;
}

export type Tracks = ReadonlyMap<number, Track>;

export type MatroskaEvent =
  | { readonly type: 'fragmentStart'; readonly fragment: FragmentMetadata; readonly tracks: Tracks }
  | { readonly type: 'frame'; readonly frame: Frame }
  | ({
      readonly type: 'fragmentEnd';
      readonly fragment: FragmentMetadata;
      readonly complete: boolean;
    } & FragmentTrailer)
  | ({ readonly type: 'error'; readonly offset: number } & StreamError);

export interface DemuxerOptions {
  /** The largest element that is read into memory, bytes. Default 64 MiB. */
  maxElementBytes?: number | undefined;
}

const NO_METADATA: FragmentMetadata = {
  fragmentNumber: null,
  serverTimestampMillis: null,
  producerTimestampMillis: null,
};
const NO_TRAILER: FragmentTrailer = { millisBehindNow: null, continuationToken: null };
/** More than any producer sends; those above are not read. */
const MAX_TRACKS = 127;
/** Of all CodecPrivate together; a track that goes beyond is not read. */
const MAX_CODEC_PRIVATE_BYTES = 4 * 1024 * 1024;
const DEFAULT_TIMESTAMP_SCALE = 1_000_000;

const { EBML, Segment, Info, Tracks, TrackEntry, Video, Audio, Tags, Tag, SimpleTag, Cluster, BlockGroup } =
  ElementId;
const { ContentEncodings, ContentEncoding, ContentCompression, ContentEncryption } = ElementId;
const MASTERS: ReadonlySet<number> = new Set([
  ...[EBML, Segment, Info, Tracks, TrackEntry, Video, Audio, Tags, Tag, SimpleTag, Cluster, BlockGroup],
  ...[ContentEncodings, ContentEncoding, ContentCompression, ContentEncryption],
]);
const LEAVES: ReadonlySet<number> = new Set(Object.values(ElementId).filter((id) => !MASTERS.has(id)));

/**
 * Turns Matroska bytes into fragments and frames, each as soon as its last byte is in.
 *
 * Memory: at most two elements of `maxElementBytes` (a BlockGroup's Block, and the one being gathered) and 5 MiB of
 * tracks and tags beside the chunk given.
 */
export class MatroskaDemuxer {
  readonly #reader: EbmlReader;
  /** Documents seen. GetMedia sends one per fragment. */
  ebmlHeaders = 0;
  clusters = 0;

  #tracks: Map<number, Track> = new Map();
  #track: TrackBuilder | null = null;
  #timestampScale = DEFAULT_TIMESTAMP_SCALE;
  #clusterTimestamp = 0;
  #blockGroup: { element: EbmlElement; data: Buffer | null; hasReference: boolean } | null = null;
  /** Those that are open: a SimpleTag may stand in another one. */
  #simpleTags: Array<{ name: string; value: string }> = [];
  #tags = new Map<string, string>();
  /** Announced by its tags, its Cluster not seen yet. */
  #announced: FragmentMetadata | null = null;
  /** Started and not ended. */
  #fragment: FragmentMetadata | null = null;
  #trailer: FragmentTrailer | null = null;
  #frameCounts = new Map<number, number>();

  constructor(options: DemuxerOptions = {}) {
    this.#reader = new EbmlReader({
      masters: MASTERS,
      leaves: LEAVES,
      maxElementBytes: options.maxElementBytes,
    });
  }

  /** The tracks that were declared last, by number. */
  get tracks(): Tracks {
    return this.#tracks;
  }

  /**
   * Yields what is complete with this chunk, which may have any length.
   *
   * @throws {MatroskaError} where the input is corrupt; what was yielded before stands. Use a new demuxer then.
   */
  *demux(chunk: Buffer): Generator<MatroskaEvent, void, undefined> {
    for (const event of this.#reader.read(chunk)) {
      if (event.type === 'leaf') yield* this.#leaf(event.element, event.data);
      else if (event.type === 'start') yield* this.#start(event.element);
      else yield* this.#end(event.element);
    }
  }

  /**
   * Ends the input: closes the open fragment, which is incomplete if anything of it is missing.
   *
   * @returns whether the input was cut: inside an element, or before a fragment's trailing tags
   */
  *end(): Generator<MatroskaEvent, boolean, undefined> {
    const isCut = !this.#reader.isAtBoundary;
    const isOpen = (this.#announced ?? this.#fragment)?.fragmentNumber != null && this.#trailer === null;
    yield* this.#endFragments(isCut);
    return isCut || isOpen;
  }

  *#start(element: EbmlElement): Generator<MatroskaEvent, void, undefined> {
    switch (element.id) {
      case EBML:
        this.ebmlHeaders += 1;
        yield* this.#endFragments();
        break;
      case Segment:
        this.#timestampScale = DEFAULT_TIMESTAMP_SCALE;
        break;
      case Tracks:
        this.#tracks = new Map();
        break;
      case TrackEntry:
        this.#track = new TrackBuilder();
        break;
      case Tags:
        this.#tags = new Map();
        this.#simpleTags = [];
        break;
      case SimpleTag:
        this.#simpleTags.push({ name: '', value: '' });
        break;
      case Cluster:
        yield* this.#startCluster();
        break;
      case BlockGroup:
        this.#blockGroup = { element, data: null, hasReference: false };
        break;
      default:
        this.#track?.start(element);
    }
  }

  *#leaf(element: EbmlElement, data: Buffer): Generator<MatroskaEvent, void, undefined> {
    switch (element.id) {
      case ElementId.SimpleBlock:
        yield* this.#frames(element, data, null);
        break;
      case ElementId.Block:
        if (this.#blockGroup !== null) this.#blockGroup.data = data;
        break;
      case ElementId.ReferenceBlock:
        if (this.#blockGroup !== null) this.#blockGroup.hasReference = true;
        break;
      case ElementId.Timestamp:
        this.#clusterTimestamp = readUnsigned(element, data);
        break;
      case ElementId.TimestampScale:
        this.#timestampScale = readUnsigned(element, data) || DEFAULT_TIMESTAMP_SCALE;
        break;
      case ElementId.TagName:
        this.#setSimpleTag({ name: readString(data) });
        break;
      case ElementId.TagString:
        this.#setSimpleTag({ value: readString(data) });
        break;
      case ElementId.DocType:
        checkDocType(element, readString(data));
        break;
      default:
        this.#track?.leaf(element, data);
    }
  }

  *#end(element: EbmlElement): Generator<MatroskaEvent, void, undefined> {
    switch (element.id) {
      case TrackEntry:
        this.#addTrack();
        break;
      case SimpleTag:
        this.#endSimpleTag();
        break;
      case Tags:
        yield* this.#endTags(element);
        break;
      case BlockGroup: {
        const group = this.#blockGroup;
        this.#blockGroup = null;
        if (group?.data != null) yield* this.#frames(group.element, group.data, !group.hasReference);
        break;
      }
      case Cluster:
        // Without a number no tags follow that could complete it.
        if (this.#fragment?.fragmentNumber === null) yield* this.#endFragment();
        break;
    }
  }

  #addTrack(): void {
    const track = this.#track?.build() ?? null;
    this.#track = null;
    if (track === null || this.#tracks.size >= MAX_TRACKS) return;
    let codecPrivateBytes = 0;
    for (const { codecPrivate } of [...this.#tracks.values(), track]) {
      codecPrivateBytes += codecPrivate?.length ?? 0;
    }
    if (codecPrivateBytes <= MAX_CODEC_PRIVATE_BYTES) this.#tracks.set(track.trackNumber, track);
  }

  #setSimpleTag(values: { name?: string; value?: string }): void {
    Object.assign(this.#simpleTags.at(-1) ?? {}, values);
  }

  #endSimpleTag(): void {
    const tag = this.#simpleTags.pop();
    if (tag !== undefined && isServiceTag(tag.name)) this.#tags.set(tag.name, tag.value);
  }

  *#startCluster(): Generator<MatroskaEvent, void, undefined> {
    this.clusters += 1;
    this.#clusterTimestamp = 0;
    if (this.#fragment !== null && this.#announced === null && this.#trailer === null) return;
    yield* this.#endFragment();
    this.#announced ??= NO_METADATA;
    yield* this.#startAnnounced();
  }

  *#frames(
    element: EbmlElement,
    data: Buffer,
    keyFrame: boolean | null,
  ): Generator<MatroskaEvent, void, undefined> {
    if (this.#fragment === null) return;
    const block = parseBlock(element, data);
    const { trackNumber, timecode } = block;
    const track = this.#tracks.get(trackNumber);
    const millisPerUnit = this.#timestampScale / 1_000_000;
    const timestampMillis = (this.#clusterTimestamp + timecode) * millisPerUnit;
    if (!isTime(timestampMillis)) {
      const problem = `${timestampMillis} ms, by the Timestamp of its Cluster and the TimestampScale, is no time`;
      throw new MatroskaError('INVALID_VALUE', element.name, element.start, problem);
    }
    if (!this.#frameCounts.has(trackNumber) && this.#frameCounts.size >= MAX_TRACKS) {
      const problem = `more than ${MAX_TRACKS} tracks have frames in this fragment`;
      throw new MatroskaError('INVALID_BLOCK', element.name, element.start, problem);
    }
    for (const [laceIndex, payload] of block.payloads.entries()) {
      const index = this.#frameCounts.get(trackNumber) ?? 0;
      this.#frameCounts.set(trackNumber, index + 1);
      const frame: Frame = {
        trackNumber,
        index,
        timecode,
        offsetMillis: timecode * millisPerUnit,
        timestampMillis,
        keyFrame: keyFrame ?? block.keyFrame,
        invisible: block.invisible,
        discardable: block.discardable,
        lacing: block.lacing,
        laceIndex,
        payload: track?.strippedHeader == null ? payload : Buffer.concat([track.strippedHeader, payload]),
      };
      yield { type: 'frame', frame };
    }
  }

  *#endTags(element: EbmlElement): Generator<MatroskaEvent, void, undefined> {
    const tags = this.#tags;
    this.#tags = new Map();
    if (tags.size === 0) return;
    const metadata = readFragmentMetadata(tags);
    if (metadata !== null) {
      yield* this.#endFragments();
      this.#announced = metadata;
    }
    const error = readStreamError(tags);
    if (error !== null) yield { type: 'error', offset: element.start, ...error };
    const trailer = readFragmentTrailer(tags);
    if (trailer !== null) {
      // Only the token says that no Cluster will come.
      if (this.#announced !== null && trailer.continuationToken === null) return;
      yield* this.#startAnnounced();
      this.#trailer = { ...NO_TRAILER, ...this.#trailer, ...trailer };
      if (trailer.continuationToken !== null) yield* this.#endFragment();
    }
  }

  /** Ends the open fragment, and the announced one that has no Cluster and never will. */
  *#endFragments(isCut = false): Generator<MatroskaEvent, void, undefined> {
    yield* this.#endFragment(isCut);
    yield* this.#startAnnounced();
    yield* this.#endFragment(isCut);
  }

  *#startAnnounced(): Generator<MatroskaEvent, void, undefined> {
    if (this.#announced === null) return;
    this.#fragment = this.#announced;
    this.#announced = null;
    yield { type: 'fragmentStart', fragment: this.#fragment, tracks: this.#tracks };
  }

  *#endFragment(isCut = false): Generator<MatroskaEvent, void, undefined> {
    const fragment = this.#fragment;
    const trailer = this.#trailer;
    this.#fragment = null;
    this.#trailer = null;
    this.#frameCounts = new Map();
    if (fragment === null) return;
    const complete = !isCut && (fragment.fragmentNumber === null || trailer !== null);
    yield { type: 'fragmentEnd', fragment, complete, ...(trailer ?? NO_TRAILER) };
  }
}

function checkDocType(element: EbmlElement, docType: string): void {
  if (docType === 'matroska' || docType === 'webm') return;
  throw new MatroskaError(
    'NOT_MATROSKA',
    element.name,
    element.start,
    `"${docType}" is neither matroska nor webm`,
  );
}
