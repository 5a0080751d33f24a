import { ChunkReader } from './chunk-reader.ts';
import { canStandIn, ElementId, type ElementSchema, elementSchema, endsBefore } from './elements.ts';
import { MatroskaError } from './error.ts';
import { type Header, UNKNOWN_SIZE } from './header.ts';

/** An element whose header has been read. Offsets are bytes from the stream's start. */
export interface EbmlElement {
  readonly id: number;
  readonly name: string;
  readonly start: number;
  readonly level: number | null;
  /** First byte after the content; of a master of unknown size that of its bounded parent, or -1. */
  readonly end: number;
  readonly isUnknownSize: boolean;
}

export type EbmlEvent =
  | { readonly type: 'start' | 'end'; readonly element: EbmlElement }
  /** `data` holds until the next event is asked for: copy what you keep. */
  | { readonly type: 'leaf'; readonly element: EbmlElement; readonly data: Buffer };

export interface EbmlReaderOptions {
  /** IDs of the masters to descend into. */
  masters: ReadonlySet<number>;
  /** IDs of the elements (masters too) to deliver whole. What is in neither set is skipped, unbuffered. */
  leaves: ReadonlySet<number>;
  /** Asked before an element of one kind is delivered; default: all are. */
  filter?: LeafFilter | undefined;
  /** The largest element to deliver, or to skip where no parent bounds it, in bytes. Default 64 MiB. */
  maxElementBytes?: number | undefined;
}

/** Which elements of one kind are delivered: what is not is skipped, its content untouched. */
export interface LeafFilter {
  readonly id: number;
  /** How much of the content the decision takes. */
  readonly headBytes: number;
  /**
   * Asked when everything before has been delivered. Of the content, `headBytes` or all `size` bytes are at `start`.
   *
   * @returns how many of the content's first bytes are to be left out, or null: it is not delivered
   */
  readonly accept: (element: EbmlElement, bytes: Buffer, start: number, size: number) => number | null;
}

/** What is known of all elements of one ID. */
interface ElementKind {
  readonly schema: ElementSchema;
  readonly isEntered: boolean;
  readonly isDelivered: boolean;
  readonly filter: LeafFilter | null;
}

export const DEFAULT_MAX_ELEMENT_BYTES = 64 * 1024 * 1024;
const MAX_DEPTH = 16;

/**
 * Splits a byte stream into EBML elements. The `ebml` package gives the schema (elements.ts) and the leaf decoders
 * (values.ts); the byte path is ours, because the package's own copies all pending bytes per chunk, misreads
 * 8-byte sizes and buffers whatever a corrupt size asks for.
 *
 * Memory: at most one gathered element (`maxElementBytes`) and the start of one header beside the chunk given.
 */
export class EbmlReader {
  readonly #options: EbmlReaderOptions;
  readonly #maxElementBytes: number;
  readonly #bytes = new ChunkReader();
  /** Of the IDs met that the schema has. */
  readonly #kinds = new Map<number, ElementKind>();
  /** The masters that are open, outermost first, and the last of them. */
  readonly #open: EbmlElement[] = [];
  #top: EbmlElement | undefined;
  /** The element to deliver next, and the filter that it has to pass first. */
  #leaf: EbmlElement | null = null;
  #undecided: LeafFilter | null = null;
  #leafBytes = 0;
  #leftOutBytes = 0;
  #skipBytes = 0;
  /** Read, and what it heads not entered yet. */
  #header: Header | null = null;
  #hasHeader = false;

  constructor(options: EbmlReaderOptions) {
    this.#options = options;
    this.#maxElementBytes = options.maxElementBytes ?? DEFAULT_MAX_ELEMENT_BYTES;
  }

  /** If the stream ends here, no element is cut. A master of unknown size may end anywhere. */
  get isAtBoundary(): boolean {
    const isInElement = this.#bytes.isInHeader || this.#leaf !== null || this.#skipBytes > 0;
    return !isInElement && this.#open.every((element) => element.end === -1);
  }

  /**
   * Yields every element that is complete with this chunk, in order. The chunk may have any length.
   *
   * @throws {MatroskaError} at the first bytes that cannot be right. What was yielded before stands; the reader
   *   must not be used again.
   */
  *read(chunk: Buffer): Generator<EbmlEvent, void, undefined> {
    this.push(chunk);
    for (let event = this.next(); event !== null; event = this.next()) yield event;
  }

  /** Gives the next chunk, when `next` has come to the end of the one before. */
  push(chunk: Buffer): void {
    this.#bytes.push(chunk);
  }

  /** What comes next; null where that takes another chunk. Throws as `read` does. */
  next(): EbmlEvent | null {
    const bytes = this.#bytes;
    while (true) {
      const top = this.#top;
      if (this.#skipBytes > 0) {
        this.#skipBytes -= bytes.skip(this.#skipBytes);
        if (this.#skipBytes > 0) return null;
      } else if (this.#leaf !== null) {
        const element = this.#leaf;
        if (this.#undecided !== null && !this.#decide(element, this.#undecided)) return null;
        // Not wanted: its content is skipped.
        if (this.#leaf === null) continue;
        const data = bytes.takeContent(this.#leafBytes, this.#leftOutBytes);
        if (data === null) return null;
        this.#leaf = null;
        return { type: 'leaf', element, data };
      } else if (this.#header === null) {
        if (top !== undefined && top.end === bytes.offset) return this.#close(top);
        this.#header = bytes.takeHeader();
        if (this.#header === null) return null;
      } else {
        const header = this.#header;
        const kind = this.#kinds.get(header.id) ?? this.#kindOf(header.id);
        if (top !== undefined && endsBefore(top, kind.schema)) return this.#close(top);
        this.#header = null;
        const master = this.#enter(header, kind);
        if (master !== null) return { type: 'start', element: master };
      }
    }
  }

  #close(top: EbmlElement): EbmlEvent {
    this.#open.pop();
    this.#top = this.#open[this.#open.length - 1];
    return { type: 'end', element: top };
  }

  #kindOf(id: number): ElementKind {
    const { masters, leaves, filter } = this.#options;
    const schema = elementSchema(id);
    const kind: ElementKind = {
      schema,
      isEntered: masters.has(id),
      isDelivered: leaves.has(id),
      filter: id === filter?.id ? filter : null,
    };
    // Unknown ones would be as many as anyone likes.
    if (schema.level !== null) this.#kinds.set(id, kind);
    return kind;
  }

  /** Checks the element against what is open and decides: descend (returns it), deliver, or skip. */
  #enter(header: Header, { schema, isEntered, isDelivered, filter }: ElementKind): EbmlElement | null {
    const { id, size } = header;
    const bytes = this.#bytes;
    const start = bytes.offset;
    const parent = this.#top;
    if (!this.#hasHeader && id !== ElementId.EBML) {
      throw fail(schema, start, 'NOT_MATROSKA', 'a Matroska stream starts with an EBML header');
    }
    this.#hasHeader = true;
    // Not for ever as large as the largest element was.
    if (id === ElementId.EBML) bytes.trim();
    if (!canStandIn(parent, id, schema)) {
      throw fail(
        schema,
        start,
        'UNEXPECTED_ELEMENT',
        `cannot stand ${parent === undefined ? 'here' : `in ${parent.name}`}`,
      );
    }
    bytes.offset += header.length;
    const bound = parent?.end ?? -1;
    const isUnknownSize = size === UNKNOWN_SIZE;
    const end = isUnknownSize ? bound : bytes.offset + size;
    if (bound !== -1 && Math.max(end, bytes.offset) > bound) {
      const what = isUnknownSize ? `${header.length} bytes of header` : `${size} bytes`;
      throw fail(
        schema,
        start,
        'ELEMENT_EXCEEDS_PARENT',
        `${what}, but ${parent?.name} ends at byte ${bound}`,
      );
    }
    const element: EbmlElement = { id, name: schema.name, level: schema.level, start, end, isUnknownSize };
    if (isUnknownSize && (isDelivered || !schema.isMaster)) {
      throw fail(schema, start, 'INVALID_ELEMENT_SIZE', 'unknown size, which only a master element may have');
    }
    if (isUnknownSize || isEntered) {
      if (this.#open.length >= MAX_DEPTH)
        throw fail(schema, start, 'NESTING_TOO_DEEP', `below ${MAX_DEPTH} open elements`);
      this.#open.push(element);
      this.#top = element;
      return element;
    }
    if (size > this.#maxElementBytes && (isDelivered || bound === -1)) {
      throw fail(
        schema,
        start,
        'ELEMENT_TOO_LARGE',
        `${size} bytes, at most ${this.#maxElementBytes} are read`,
      );
    }
    if (!isDelivered) this.#skipBytes = size;
    else {
      this.#leaf = element;
      this.#leafBytes = size;
      this.#leftOutBytes = 0;
      this.#undecided = filter;
    }
    return null;
  }

  /** Asks the filter, if what it is to see has come. @returns whether it has */
  #decide(element: EbmlElement, { accept, headBytes }: LeafFilter): boolean {
    const bytes = this.#bytes;
    const size = this.#leafBytes;
    if (!bytes.hasHead(size, Math.min(size, headBytes))) return false;
    this.#undecided = null;
    const leftOut = accept(element, bytes.head, bytes.headStart, size);
    if (leftOut === null) {
      this.#leaf = null;
      this.#skipBytes = bytes.dropHead(size);
    } else {
      this.#leftOutBytes = leftOut;
    }
    return true;
  }
}

function fail({ name }: ElementSchema, start: number, code: MatroskaError['code'], problem: string) {
  return new MatroskaError(code, name, start, problem);
}
