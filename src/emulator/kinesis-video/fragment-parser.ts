import { parseBlock } from '../../matroska/block.ts';
import { type EbmlElement, EbmlReader } from '../../matroska/ebml-reader.ts';
import { ElementId } from '../../matroska/elements.ts';
import { MatroskaError } from '../../matroska/error.ts';
import { parseHeader } from '../../matroska/header.ts';
import { readString, readUnsigned } from '../../matroska/values.ts';
import { unknownSizeHeader } from '../matroska-writer.ts';
import { AckError } from './ack.ts';
import { ByteLog } from './byte-log.ts';
import { OpenFragment } from './open-fragment.ts';

/*
 * What PutMedia takes (https://docs.aws.amazon.com/kinesisvideostreams/latest/dg/API_dataplane_PutMedia.html):
 *
 *   Body     = EBML Segment(Info Tracks Tags* Fragment*)
 *   Fragment = Cluster Tags*
 *
 * Segment and Cluster have an unknown size or a known one. A fragment is complete when the next Cluster starts, at
 * the end of the body, or with the tag AWS_KINESISVIDEO_END_OF_FRAGMENT, which is for the service alone.
 */

export interface ParsedFragment {
  /** From the EBML header up to the first Cluster, its Segment of unknown size; the same for every fragment. */
  readonly header: Buffer;
  /** The Cluster and what followed it, byte for byte. */
  readonly content: Buffer;
  /** From the start of the Cluster to about a frame's length after its last frame. */
  readonly durationMillis: number;
}

export type FragmentEvent =
  /** `timecodeMillis` is the Cluster's, as the producer sent it. */
  { readonly type: 'start'; readonly timecodeMillis: number } | ({ readonly type: 'end' } & ParsedFragment);

/** https://docs.aws.amazon.com/kinesisvideostreams/latest/dg/limits.html */
const MAX_FRAGMENT_BYTES = 50 * 1024 * 1024;
const MAX_TRACKS = 3;
/** No limit of the service, but what is read before the first Cluster is bounded too. */
const MAX_HEADER_BYTES = 1024 * 1024;

const END_OF_FRAGMENT = 'AWS_KINESISVIDEO_END_OF_FRAGMENT';
const DEFAULT_TIMESTAMP_SCALE = 1_000_000;

const { EBML, Segment, Info, Tracks, TrackEntry, Cluster, BlockGroup, Tags, Tag, SimpleTag } = ElementId;
const { DocType, TimestampScale, TrackNumber, Timestamp, SimpleBlock, Block, TagName, TagString } = ElementId;
const MASTERS: ReadonlySet<number> = new Set<number>([
  ...[EBML, Segment, Info, Tracks, TrackEntry, Cluster, BlockGroup, Tags, Tag, SimpleTag],
]);
const LEAVES: ReadonlySet<number> = new Set<number>([
  ...[DocType, TimestampScale, TrackNumber, Timestamp, SimpleBlock, Block, TagName, TagString],
]);

/** Cuts one PutMedia body into fragments. Holds at most one fragment in memory. */
export class FragmentParser {
  readonly #reader = new EbmlReader({
    masters: MASTERS,
    leaves: LEAVES,
    maxElementBytes: MAX_FRAGMENT_BYTES,
  });
  /** What was not yielded yet: the header up to the first Cluster, from then on the open fragment. */
  readonly #bytes = new ByteLog();
  readonly #tracks = new Set<number>();
  #millisPerUnit = DEFAULT_TIMESTAMP_SCALE / 1_000_000;
  #segmentStart: number | null = null;
  #header: Buffer | null = null;
  #open: OpenFragment | null = null;
  #previousTimecodeMillis = 0;
  #isEndOfFragment = false;

  /**
   * Yields what is known with this chunk, which may have any length.
   *
   * @throws {AckError} what the service reports before it ends the connection
   */
  *read(chunk: Buffer): Generator<FragmentEvent, void, undefined> {
    this.#bytes.append(chunk);
    try {
      for (const event of this.#reader.read(chunk)) {
        if (event.type === 'start') yield* this.#start(event.element);
        else if (event.type === 'leaf') yield* this.#leaf(event.element, event.data);
        else if (event.element.id === Tags) yield* this.#endTags(event.element);
      }
    } catch (error) {
      throw error instanceof MatroskaError ? toAckError(error) : error;
    }
    this.#checkSize();
  }

  /** The body ended: completes the open fragment. @throws {AckError} where the end cuts an element */
  *end(): Generator<FragmentEvent, void, undefined> {
    if (!this.#reader.isAtBoundary) throw invalid('the body ends inside an element');
    yield* this.#complete(this.#bytes.end);
  }

  *#start({ id, start, isUnknownSize }: EbmlElement): Generator<FragmentEvent, void, undefined> {
    switch (id) {
      case EBML:
        if (start > 0) throw invalid(`a second EBML header at byte ${start}`);
        break;
      case Segment:
        if (this.#segmentStart !== null) throw invalid(`a second Segment at byte ${start}`);
        this.#segmentStart = start;
        break;
      case Tracks:
        if (this.#header !== null) throw invalid(`Tracks after a Cluster, at byte ${start}`);
        break;
      case Tags:
        if (isUnknownSize) throw invalid(`Tags of unknown size at byte ${start}`);
        break;
      case Cluster:
        yield* this.#complete(start);
        this.#openFragment(start);
        break;
    }
  }

  *#leaf(element: EbmlElement, data: Buffer): Generator<FragmentEvent, void, undefined> {
    switch (element.id) {
      case DocType:
        checkDocType(readString(data));
        break;
      case TimestampScale:
        this.#millisPerUnit = (readUnsigned(element, data) || DEFAULT_TIMESTAMP_SCALE) / 1_000_000;
        break;
      case TrackNumber:
        this.#addTrack(readUnsigned(element, data));
        break;
      case Timestamp:
        yield* this.#startFragment(readUnsigned(element, data));
        break;
      case SimpleBlock:
      case Block:
        this.#fragment(element).addBlock(parseBlock(element, data));
        break;
      case TagName:
        if (readString(data) === END_OF_FRAGMENT) this.#isEndOfFragment = true;
        else this.#open?.addTagName(data.length);
        break;
      case TagString:
        this.#open?.addTagValue(data.length);
        break;
    }
  }

  *#endTags({ start, end }: EbmlElement): Generator<FragmentEvent, void, undefined> {
    if (!this.#isEndOfFragment) return;
    this.#isEndOfFragment = false;
    if (this.#open === null) return;
    yield* this.#complete(start);
    this.#bytes.drop(end);
  }

  #addTrack(trackNumber: number): void {
    this.#tracks.add(trackNumber);
    if (this.#tracks.size > MAX_TRACKS) {
      throw new AckError('MORE_THAN_ALLOWED_TRACKS_FOUND', `more than ${MAX_TRACKS} tracks`);
    }
  }

  /** @param start offset of the Cluster */
  #openFragment(start: number): void {
    if (this.#tracks.size === 0) throw invalid(`a Cluster without Tracks before it, at byte ${start}`);
    if (this.#header === null) this.#header = this.#takeHeader(start);
    // What stands between the end of a fragment and the next Cluster belongs to none.
    else this.#bytes.drop(start);
    this.#open = new OpenFragment({ tracks: this.#tracks, millisPerUnit: this.#millisPerUnit });
  }

  /** Known or not, the size of the Segment that the producer sent is not that of the one readers get. */
  #takeHeader(end: number): Buffer {
    const bytes = this.#bytes.take(end);
    const start = this.#segmentStart ?? 0;
    const length = parseHeader(bytes, start, bytes.length, start)?.length ?? 0;
    return Buffer.concat([
      bytes.subarray(0, start),
      unknownSizeHeader(Segment),
      bytes.subarray(start + length),
    ]);
  }

  *#startFragment(timestamp: number): Generator<FragmentEvent, void, undefined> {
    if (this.#open === null) throw invalid('a Timestamp outside a Cluster');
    const timecodeMillis = this.#open.setTimestamp(timestamp);
    yield { type: 'start', timecodeMillis };
    const previousMillis = this.#previousTimecodeMillis;
    if (timecodeMillis < previousMillis) {
      throw new AckError(
        'FRAGMENT_TIMECODE_LESSER_THAN_PREVIOUS',
        `timecode ${timecodeMillis} ms after ${previousMillis} ms`,
      );
    }
    this.#previousTimecodeMillis = timecodeMillis;
  }

  #fragment({ name, start }: EbmlElement): OpenFragment {
    if (this.#open === null) throw invalid(`a ${name} outside a Cluster, at byte ${start}`);
    return this.#open;
  }

  *#complete(end: number): Generator<FragmentEvent, void, undefined> {
    const open = this.#open;
    if (open === null || this.#header === null) return;
    open.checkComplete();
    this.#open = null;
    const content = this.#bytes.take(end);
    yield { type: 'end', header: this.#header, content, durationMillis: open.durationMillis };
  }

  #checkSize(): void {
    if (this.#header === null) {
      if (this.#bytes.length > MAX_HEADER_BYTES) throw invalid(`no Cluster in ${MAX_HEADER_BYTES} bytes`);
    } else if (this.#bytes.length > MAX_FRAGMENT_BYTES) {
      throw new AckError('MAX_FRAGMENT_SIZE_REACHED', `more than ${MAX_FRAGMENT_BYTES} bytes`);
    }
  }
}

function checkDocType(docType: string): void {
  if (docType !== 'matroska' && docType !== 'webm') {
    throw invalid(`DocType "${docType}" is neither matroska nor webm`);
  }
}

function toAckError(error: MatroskaError): AckError {
  const code = error.code === 'ELEMENT_TOO_LARGE' ? 'MAX_FRAGMENT_SIZE_REACHED' : 'INVALID_MKV_DATA';
  return new AckError(code, error.message, { cause: error });
}

function invalid(problem: string): AckError {
  return new AckError('INVALID_MKV_DATA', problem);
}
