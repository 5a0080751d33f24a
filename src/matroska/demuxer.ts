import { type EbmlElement, EbmlReader } from './ebml-reader.ts';
import { ElementId } from './elements.ts';
import { MatroskaError } from './error.ts';
import { Events, type MatroskaEvent } from './event.ts';
import { FragmentBounds } from './fragment-bounds.ts';
import { DEFAULT_TIMESTAMP_SCALE, MAX_TRACKS } from './frame.ts';
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
 */

export type { MatroskaEvent, Tracks } from './event.ts';

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
  readonly #frames: FrameReader;
  readonly #fragments: FragmentBounds;

  constructor(options: DemuxerOptions = {}) {
    this.#frames = new FrameReader({ wants: options.wants ?? null, tracks: () => this.#tracks });
    this.#fragments = new FragmentBounds(this.#frames, () => this.#tracks);
    this.#reader = new EbmlReader({
      masters: MASTERS,
      leaves: LEAVES,
      filter: this.#frames.filter,
      maxElementBytes: options.maxElementBytes,
    });
  }

  /** The tracks that were declared last, by number. */
  get tracks(): ReadonlyMap<number, Track> {
    return this.#tracks;
  }

  /**
   * Yields what is complete with this chunk, which may have any length.
   *
   * @throws {MatroskaError} where the input is corrupt; what was yielded before stands. Use a new demuxer then.
   */
  demux(chunk: Buffer): IterableIterator<MatroskaEvent, void, undefined> {
    this.#reader.push(chunk);
    return new Events(() => this.#next());
  }

  #next(): MatroskaEvent | undefined {
    while (true) {
      const frame = this.#frames.next();
      if (frame !== null) return { type: 'frame', frame };
      const event = this.#fragments.takeEvent();
      if (event !== undefined) return event;
      const read = this.#reader.next();
      if (read === null) return undefined;
      if (read.type === 'leaf') this.#leaf(read.element, read.data);
      else if (read.type === 'start') this.#start(read.element);
      else this.#end(read.element);
    }
  }

  /**
   * Ends the input: closes the open fragment, which is incomplete if anything of it is missing.
   *
   * @returns whether the input was cut: inside an element, or before a fragment's trailing tags
   */
  *end(): Generator<MatroskaEvent, boolean, undefined> {
    const isCut = !this.#reader.isAtBoundary;
    const isOpen = this.#fragments.isOpen;
    this.#fragments.endFragments(isCut);
    yield* new Events(() => this.#fragments.takeEvent());
    return isCut || isOpen;
  }

  #start(element: EbmlElement): void {
    switch (element.id) {
      case EBML:
        this.ebmlHeaders += 1;
        this.#fragments.endFragments();
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
        this.clusters += 1;
        this.#frames.headers.clusterTimestamp = 0;
        this.#fragments.startCluster();
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
        this.#fragments.endTags(this.#tags.endTags(), element.start);
        break;
      case BlockGroup:
        this.#endBlockGroup();
        break;
      case Cluster:
        this.#fragments.endCluster();
        break;
    }
  }

  #addTrack(): void {
    const track = this.#track?.build() ?? null;
    this.#track = null;
    if (track === null || this.#tracks.size >= MAX_TRACKS) return;
    let codecPrivateBytes = track.codecPrivate?.length ?? 0;
    for (const { codecPrivate } of this.#tracks.values()) {
      codecPrivateBytes += codecPrivate?.length ?? 0;
    }
    if (codecPrivateBytes <= MAX_CODEC_PRIVATE_BYTES) this.#tracks.set(track.trackNumber, track);
  }

  #endBlockGroup(): void {
    const group = this.#blockGroup;
    this.#blockGroup = null;
    if (group?.data == null) return;
    this.#frames.take(group.element, group.data, !group.hasReference);
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
