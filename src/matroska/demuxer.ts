import { type EbmlElement, EbmlReader } from './ebml-reader.ts';
import { ElementId } from './elements.ts';
import { MatroskaError } from './error.ts';
import {
  type FragmentMetadata,
  type FragmentTrailer,
  readFragmentMetadata,
  readFragmentTrailer,
  readStreamError,
  type StreamError,
} from './fragment.ts';
import { DEFAULT_TIMESTAMP_SCALE, type Frame, MAX_TRACKS } from './frame.ts';
import { FrameReader, type Wants } from './frame-reader.ts';
import { TagCollector } from './tags.ts';
import { type Track, TrackBuilder } from './tracks.ts';
import { readString, readUnsigned } from './values.ts';

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

export type Tracks = ReadonlyMap<number, Track>;

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

export interface DemuxerOptions {
  /**
   * Which frames to read: asked for each once, in order, when everything before it has been taken. The others are
   * neither yielded nor, but in a BlockGroup or with lacing, touched. Default: all.
   */
  wants?: Wants | undefined;
  /** The largest element that is read into memory, bytes. Default 64 MiB. */
  maxElementBytes?: number | undefined;
}

/** Of a BlockGroup, what has been read of it. */
interface BlockGroupParts {
  readonly element: EbmlElement;
  data: Buffer | null;
  hasReference: boolean;
}

const NO_METADATA: FragmentMetadata = {
  fragmentNumber: null,
  serverTimestampMillis: null,
  producerTimestampMillis: null,
};
const NO_TRAILER: FragmentTrailer = { millisBehindNow: null, continuationToken: null };
/** Of all CodecPrivate together; a track that goes beyond is not read. */
const MAX_CODEC_PRIVATE_BYTES = 4 * 1024 * 1024;

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
  #blockGroup: BlockGroupParts | null = null;
  readonly #tags = new TagCollector();
  /** Announced by its tags, its Cluster not seen yet. */
  #announced: FragmentMetadata | null = null;
  /** Started and not ended. */
  #fragment: FragmentMetadata | null = null;
  #trailer: FragmentTrailer | null = null;
  /** To be yielded before anything more is read. */
  readonly #events: MatroskaEvent[] = [];
  readonly #frames: FrameReader;

  constructor(options: DemuxerOptions = {}) {
    this.#frames = new FrameReader({ wants: options.wants ?? null, tracks: () => this.#tracks });
    this.#reader = new EbmlReader({
      masters: MASTERS,
      leaves: LEAVES,
      filter: this.#frames.filter,
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
    this.#reader.push(chunk);
    for (let event = this.#reader.next(); event !== null; event = this.#reader.next()) {
      if (event.type === 'leaf') this.#leaf(event.element, event.data);
      else if (event.type === 'start') this.#start(event.element);
      else this.#end(event.element);
      const frame = this.#frames.frame();
      if (frame !== null) yield { type: 'frame', frame };
      else if (this.#frames.hasBlock) {
        for (const each of this.#frames.frames()) yield { type: 'frame', frame: each };
      }
      if (this.#events.length > 0) yield* this.#events.splice(0);
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
    this.#endFragments(isCut);
    yield* this.#events.splice(0);
    return isCut || isOpen;
  }

  #start(element: EbmlElement): void {
    switch (element.id) {
      case EBML:
        this.ebmlHeaders += 1;
        this.#endFragments();
        break;
      case Segment:
        this.#frames.headers.timestampScale = DEFAULT_TIMESTAMP_SCALE;
        break;
      case Tracks:
        this.#tracks = new Map();
        break;
      case TrackEntry:
        this.#track = new TrackBuilder();
        break;
      case Tags:
        this.#tags.startTags();
        break;
      case SimpleTag:
        this.#tags.startSimpleTag();
        break;
      case Cluster:
        this.#startCluster();
        break;
      case BlockGroup:
        this.#blockGroup = { element, data: null, hasReference: false };
        break;
      default:
        this.#track?.start(element);
    }
  }

  #leaf(element: EbmlElement, data: Buffer): void {
    switch (element.id) {
      case ElementId.SimpleBlock:
        this.#frames.take(element, data);
        break;
      case ElementId.Block:
        if (this.#blockGroup !== null) this.#blockGroup.data = Buffer.from(data);
        break;
      case ElementId.ReferenceBlock:
        if (this.#blockGroup !== null) this.#blockGroup.hasReference = true;
        break;
      case ElementId.Timestamp:
        this.#frames.headers.clusterTimestamp = readUnsigned(element, data);
        break;
      case ElementId.TimestampScale:
        this.#frames.headers.timestampScale = readUnsigned(element, data) || DEFAULT_TIMESTAMP_SCALE;
        break;
      case ElementId.TagName:
        this.#tags.name = readString(data);
        break;
      case ElementId.TagString:
        this.#tags.value = readString(data);
        break;
      case ElementId.DocType:
        checkDocType(element, readString(data));
        break;
      default:
        this.#track?.leaf(element, data);
    }
  }

  #end(element: EbmlElement): void {
    switch (element.id) {
      case TrackEntry:
        this.#addTrack();
        break;
      case SimpleTag:
        this.#tags.endSimpleTag();
        break;
      case Tags:
        this.#endTags(element);
        break;
      case BlockGroup:
        this.#endBlockGroup();
        break;
      case Cluster:
        // Without a number no tags follow that could complete it.
        if (this.#fragment?.fragmentNumber === null) this.#endFragment();
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

  #startCluster(): void {
    this.clusters += 1;
    this.#frames.headers.clusterTimestamp = 0;
    if (this.#fragment !== null && this.#announced === null && this.#trailer === null) return;
    this.#endFragment();
    this.#announced ??= NO_METADATA;
    this.#startAnnounced();
  }

  #endBlockGroup(): void {
    const group = this.#blockGroup;
    this.#blockGroup = null;
    if (group?.data == null) return;
    this.#frames.take(group.element, group.data, !group.hasReference);
  }

  #endTags(element: EbmlElement): void {
    const tags = this.#tags.endTags();
    if (tags.size === 0) return;
    const metadata = readFragmentMetadata(tags);
    if (metadata !== null) {
      this.#endFragments();
      this.#announced = metadata;
    }
    const error = readStreamError(tags);
    if (error !== null) this.#events.push({ type: 'error', offset: element.start, ...error });
    const trailer = readFragmentTrailer(tags);
    if (trailer !== null) {
      // Only the token says that no Cluster will come.
      if (this.#announced !== null && trailer.continuationToken === null) return;
      this.#startAnnounced();
      this.#trailer = { ...NO_TRAILER, ...this.#trailer, ...trailer };
      if (trailer.continuationToken !== null) this.#endFragment();
    }
  }

  /** Ends the open fragment, and the announced one that has no Cluster and never will. */
  #endFragments(isCut = false): void {
    this.#endFragment(isCut);
    this.#startAnnounced();
    this.#endFragment(isCut);
  }

  #startAnnounced(): void {
    if (this.#announced === null) return;
    this.#fragment = this.#announced;
    this.#frames.isInFragment = true;
    this.#announced = null;
    this.#events.push({ type: 'fragmentStart', fragment: this.#fragment, tracks: this.#tracks });
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

function checkDocType(element: EbmlElement, docType: string): void {
  if (docType === 'matroska' || docType === 'webm') return;
  throw new MatroskaError(
    'NOT_MATROSKA',
    element.name,
    element.start,
    `"${docType}" is neither matroska nor webm`,
  );
}
